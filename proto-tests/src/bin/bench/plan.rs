//! What to measure and how long, from the command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::Res;
use crate::procs::Places;

pub struct Plan {
    pub places: Places,
    pub rounds: usize,
    /// Share of each load's full volume.
    pub volume: f64,
    pub small: Duration,
    pub latency: Duration,
    pub logins: usize,
    /// Users of the larger store.
    pub users: usize,
    /// Handshakes, and logins over TLS.
    pub handshakes: usize,
    /// Parts to run; all of them if empty.
    pub only: Vec<String>,
    /// Where the document goes; None where the run is too short or partial to be quoted.
    pub write_to: Option<PathBuf>,
}

pub const PARTS: [&str; 15] = [
    "produce",
    "consume",
    "requests",
    "latency",
    "logins",
    "idle",
    "storm",
    "scram-logins",
    "users",
    "token-logins",
    "tls-produce",
    "tls-consume",
    "tls-handshakes",
    "tls-logins",
    "tls-idle",
];

const USAGE: &str = "usage: bench quick|full --kafka DIR --doorkeeper FILE --haproxy FILE [--envoy FILE] --work DIR
             [--write FILE] [--only PART,...] [--rounds N] [--override key=value]...
parts: produce consume requests latency logins idle storm scram-logins users token-logins; tls-produce tls-consume tls-handshakes
tls-logins tls-idle, or tls for these five. The document is written only by a full run of all parts.
--override goes to doorkeeper, to try out what a setting does; nothing is written then either.";

impl Plan {
    pub fn from_args() -> Res<Self> {
        let mut args = std::env::args().skip(1);
        let quick = match args.next().as_deref() {
            Some("quick") => true,
            Some("full") => false,
            _ => return Err(USAGE.into()),
        };
        let (mut kafka, mut doorkeeper, mut haproxy, mut envoy, mut work) = (None, None, None, None, None);
        let (mut write_to, mut only, mut rounds, mut overrides) = (None, Vec::new(), None, Vec::new());
        while let Some(flag) = args.next() {
            let value = args.next().ok_or(USAGE)?;
            match flag.as_str() {
                "--kafka" => kafka = Some(value.into()),
                "--doorkeeper" => doorkeeper = Some(value.into()),
                "--haproxy" => haproxy = Some(value.into()),
                "--envoy" => envoy = Some(value.into()),
                "--work" => work = Some(PathBuf::from(value)),
                "--write" => write_to = Some(PathBuf::from(value)),
                "--rounds" => rounds = Some(value.parse()?),
                "--override" => overrides.push(value),
                "--only" => only = value.split(',').map(str::to_string).collect(),
                _ => return Err(USAGE.into()),
            }
        }
        if only.iter().any(|part| part == "tls") {
            only.retain(|part| part != "tls");
            only.extend(PARTS.iter().filter(|part| part.starts_with("tls-")).map(|part| part.to_string()));
        }
        if let Some(unknown) = only.iter().find(|part| !PARTS.contains(&part.as_str())) {
            return Err(format!("no part is called {unknown}\n{USAGE}").into());
        }
        let plain = only.is_empty() && overrides.is_empty();
        let places = Places {
            kafka_home: kafka.ok_or(USAGE)?,
            doorkeeper: doorkeeper.ok_or(USAGE)?,
            haproxy: haproxy.ok_or(USAGE)?,
            envoy,
            work: std::path::absolute(work.ok_or(USAGE)?)?,
            overrides,
        };
        let seconds = Duration::from_secs;
        Ok(Self {
            places,
            rounds: rounds.unwrap_or(if quick { 2 } else { 7 }),
            volume: if quick { 0.5 } else { 1.0 },
            small: seconds(if quick { 2 } else { 4 }),
            latency: seconds(if quick { 5 } else { 10 }),
            logins: if quick { 4_000 } else { 10_000 },
            users: if quick { 20_000 } else { 100_000 },
            handshakes: if quick { 1_000 } else { 3_000 },
            write_to: write_to.filter(|_| !quick && plain),
            only,
        })
    }

    pub fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|p| p == part)
    }
}
