//! Prometheus' text format, version 0.0.4.
//!
//! Our own thirty lines rather than a crate: what there is to encode is fixed at compile time, and the counters are plain
//! fields that are found without a look-up by label, which the registries of such crates would bring to each connection.

use std::fmt::{self, Display, Write};

use super::families::Family;
use super::values::Histogram;

/// Text that is being made.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Begins a metric; its samples follow.
    pub(super) fn family(&mut self, family: &'static Family) -> Samples<'_> {
        let text = &mut self.text;
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "# HELP {} {}", family.name, Escaped::help(family.help));
        let _ = writeln!(text, "# TYPE {} {}", family.name, family.kind.as_str());
        Samples { text, family }
    }

    /// Writes a metric that has one value.
    pub(super) fn single(&mut self, family: &'static Family, value: impl Display) {
        self.family(family).put(&[], value);
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// The samples of one metric.
#[derive(Debug)]
pub(super) struct Samples<'p> {
    text: &'p mut String,
    family: &'static Family,
}

impl Samples<'_> {
    /// One sample; `labels` are the values of the family's labels, in their order.
    pub(super) fn put(&mut self, labels: &[&str], value: impl Display) {
        self.line("", labels, None, value);
    }

    /// The samples of a histogram.
    pub(super) fn put_histogram(&mut self, labels: &[&str], histogram: &Histogram) {
        let (buckets, sum) = histogram.read();
        let mut count = 0;
        for (limit, observed) in Histogram::LIMITS.iter().zip(buckets) {
            count += observed;
            self.line("_bucket", labels, Some(format_args!("{limit}")), count);
        }
        count += buckets[Histogram::LIMITS.len()];
        self.line("_bucket", labels, Some(format_args!("+Inf")), count);
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, count);
    }

    fn line(&mut self, suffix: &str, labels: &[&str], le: Option<fmt::Arguments<'_>>, value: impl Display) {
        debug_assert_eq!(labels.len(), self.family.labels.len(), "{}", self.family.name);
        let text = &mut *self.text;
        let _ = write!(text, "{}{suffix}", self.family.name);
        let mut before = '{';
        for (name, value) in self.family.labels.iter().zip(labels) {
            let _ = write!(text, "{before}{name}=\"{}\"", Escaped::label(value));
            before = ',';
        }
        if let Some(le) = le {
            let _ = write!(text, "{before}le=\"{le}\"");
            before = ',';
        }
        if before == ',' {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }
}

/// Text with what would end its line or its quotes escaped.
struct Escaped<'t> {
    text: &'t str,
    quotes: bool,
}

impl<'t> Escaped<'t> {
    fn help(text: &'t str) -> Self {
        Self { text, quotes: false }
    }

    fn label(text: &'t str) -> Self {
        Self { text, quotes: true }
    }
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.text.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' if self.quotes => f.write_str("\\\"")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::families::Kind;
    use super::*;

    static PLAIN: Family = Family { name: "plain_total", kind: Kind::Counter, labels: &[], help: "One \\ two\nthree." };
    static LABELLED: Family = Family { name: "labelled", kind: Kind::Gauge, labels: &["a", "b"], help: "\"Quoted\"." };
    static TIMES: Family = Family { name: "times_seconds", kind: Kind::Histogram, labels: &["a"], help: "Times." };

    #[test]
    fn help_and_label_values_are_escaped() {
        let mut page = Page::default();
        page.single(&PLAIN, 3);
        page.family(&LABELLED).put(&["x\"} 1\ny\\", "ä"], 1.5);
        let want = "# HELP plain_total One \\\\ two\\nthree.\n# TYPE plain_total counter\nplain_total 3\n\
            # HELP labelled \"Quoted\".\n# TYPE labelled gauge\nlabelled{a=\"x\\\"} 1\\ny\\\\\",b=\"ä\"} 1.5\n";
        assert_eq!(page.into_text(), want);
    }

    #[test]
    fn buckets_are_cumulative_and_end_with_infinity() {
        let histogram = Histogram::default();
        for millis in [1, 2, 2, 400, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut page = Page::default();
        page.family(&TIMES).put_histogram(&["x"], &histogram);
        let text = page.into_text();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        let bucket = |le: &str, n: u64| format!("times_seconds_bucket{{a=\"x\",le=\"{le}\"}} {n}");
        let want = [
            bucket("0.001", 1),
            bucket("0.005", 3),
            bucket("0.025", 3),
            bucket("0.1", 3),
            bucket("0.5", 4),
            bucket("2.5", 4),
            bucket("10", 4),
            bucket("+Inf", 5),
            "times_seconds_sum{a=\"x\"} 60.405".to_owned(),
            "times_seconds_count{a=\"x\"} 5".to_owned(),
        ];
        assert_eq!(lines, want);
    }
}
