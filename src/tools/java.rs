//! What Java's own classes put into the output of Kafka's tools: how a double prints, in which order a hash map gives its entries.

/// `Double.toString` of Java 19 and later: the shortest digits that read back as the same number.
pub(super) fn double_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        // Rust's Debug has the point and at least one digit behind it.
        return if value.fract() == 0.0 { format!("{value:.1}") } else { format!("{value}") };
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

/// `Double.parseDouble`, but for hexadecimal numbers.
pub(super) fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c| c <= ' ');
    let (sign, size) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match size {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(sign * f64::INFINITY),
        _ => {}
    }
    let number = size.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(size);
    let legal = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !number.chars().all(legal) || number.starts_with(['+', '-']) {
        return None;
    }
    number.parse::<f64>().ok().map(|value| sign * value)
}

/// `Integer.parseInt`; Java takes digits of all scripts, we those of ASCII.
pub(super) fn parse_int(text: &str) -> Option<i32> {
    text.parse().ok()
}

/// `String.hashCode`.
pub(super) fn string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

fn spread(hash: i32) -> u32 {
    let hash = hash as u32;
    hash ^ (hash >> 16)
}

/// The order in which a `java.util.HashMap` that was made for so many entries gives them.
pub(super) fn map_order<T>(entries: Vec<T>, hash: impl Fn(&T) -> i32) -> Vec<T> {
    let mut capacity = entries.len().max(1).next_power_of_two();
    if entries.len() > capacity * 3 / 4 {
        capacity *= 2;
    }
    let mut entries = entries;
    // Entries of one bucket stay as they came.
    entries.sort_by_key(|entry| spread(hash(entry)) as usize & (capacity - 1));
    entries
}

/// The order in which Scala's mutable `HashMap` gives a few names.
pub(super) fn scala_order<T: AsRef<str>>(mut names: Vec<T>) -> Vec<T> {
    let size = (names.len() * 4 / 3 + 1).next_power_of_two().max(16);
    names.sort_by_key(|name| {
        let hash = spread(string_hash(name.as_ref()));
        (hash as usize & (size - 1), hash as i32)
    });
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by Java 21.
    #[test]
    fn doubles_print_as_java_prints_them() {
        for (value, want) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1048576.0, "1048576.0"),
            (9999999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (10485760.0, "1.048576E7"),
            (1e8, "1.0E8"),
            (33.3, "33.3"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (0.00012345, "1.2345E-4"),
            (-2.5e-9, "-2.5E-9"),
            (1.7976931348623157e308, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double_text(value), want);
        }
    }

    #[test]
    fn doubles_are_read_as_java_reads_them() {
        for (text, want) in [
            ("1", Some(1.0)),
            (" 1.5\t", Some(1.5)),
            ("1e3", Some(1000.0)),
            ("1d", Some(1.0)),
            ("-.5F", Some(-0.5)),
            ("5.", Some(5.0)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("inf", None),
            ("nan", None),
            ("infinity", None),
            ("", None),
            ("d", None),
            ("1_0", None),
            ("+-1", None),
            ("abc", None),
        ] {
            assert_eq!(parse_double(text), want, "{text:?}");
        }
        assert!(parse_double("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn names_come_in_the_order_of_javas_maps() {
        // Seen from kafka-configs 4.3.1.
        let rates = ["request_percentage", "controller_mutation_rate", "producer_byte_rate", "consumer_byte_rate"];
        let order = map_order(rates.to_vec(), |name| string_hash(name));
        assert_eq!(
            order,
            ["producer_byte_rate", "consumer_byte_rate", "controller_mutation_rate", "request_percentage"]
        );
        assert_eq!(scala_order(vec!["foo", "zar", "bar", "x"]), ["bar", "foo", "x", "zar"]);
    }
}
