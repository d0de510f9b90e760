//! Figures of the process from `/proc`; what cannot be read is left out.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// What Prometheus' own clients show of a process, under the names that they use.
#[derive(Debug, Default)]
pub(super) struct ProcessFigures {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) open_fds: Option<f64>,
    pub(super) max_fds: Option<f64>,
    pub(super) resident_bytes: Option<f64>,
    pub(super) virtual_bytes: Option<f64>,
    pub(super) threads: Option<f64>,
    pub(super) start_seconds: Option<f64>,
}

impl ProcessFigures {
    /// Blocks for as long as the kernel takes to list them.
    pub(super) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let boot = fs::read_to_string("/proc/stat").ok().and_then(|text| boot_time(&text));
        let mut figures = Self::from_stat(&stat, boot).unwrap_or_default();
        figures.open_fds = open_fds();
        figures.max_fds = getrlimit(Resource::Nofile).current.map(|limit| limit as f64);
        figures
    }

    /// `proc_pid_stat(5)`. The command, the second field, may hold anything; the last parenthesis ends it.
    fn from_stat(stat: &str, boot: Option<f64>) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // The first field here is the third of the manual.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let page = rustix::param::page_size() as f64;
        Some(Self {
            cpu_seconds: field(14).zip(field(15)).map(|(user, system)| (user + system) / ticks),
            threads: field(20),
            start_seconds: boot.zip(field(22)).map(|(boot, start)| boot + start / ticks),
            virtual_bytes: field(23),
            resident_bytes: field(24).map(|pages| pages * page),
            ..Self::default()
        })
    }
}

fn boot_time(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Since Linux 6.2 the directory's size is their number, so that a hundred thousand need not be listed.
fn open_fds() -> Option<f64> {
    let size = fs::metadata("/proc/self/fd").ok()?.len();
    if size > 0 {
        return Some(size as f64);
    }
    // The listing itself has one open.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_command() {
        let stat =
            "7 (a b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 150 0 0 20 0 5 0 1000 8192000 300 18446744073709551615";
        let figures = ProcessFigures::from_stat(stat, Some(1e9)).unwrap();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(figures.cpu_seconds, Some(400.0 / ticks));
        assert_eq!(figures.threads, Some(5.0));
        assert_eq!(figures.start_seconds, Some(1e9 + 1000.0 / ticks));
        assert_eq!(figures.virtual_bytes, Some(8_192_000.0));
        assert_eq!(figures.resident_bytes, Some(300.0 * rustix::param::page_size() as f64));
        assert_eq!(boot_time("cpu 1 2\nbtime 12345\nx"), Some(12345.0));
        assert!(ProcessFigures::from_stat("", None).is_none());
    }

    #[test]
    fn this_process_has_all_figures_and_they_move() {
        let before = ProcessFigures::read();
        let files: Vec<_> = (0..20).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let after = ProcessFigures::read();
        assert!(after.open_fds.unwrap() >= before.open_fds.unwrap() + 10.0, "{before:?} {after:?}");
        drop(files);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        let started = after.start_seconds.unwrap();
        assert!(started <= now + 1.0 && started > now - 86_400.0, "{after:?}");
        assert!(after.resident_bytes.unwrap() > 1e6 && after.virtual_bytes >= after.resident_bytes);
        assert!(after.threads.unwrap() >= 1.0 && after.cpu_seconds.is_some());
    }
}
