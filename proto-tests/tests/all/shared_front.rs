//! One doorkeeper that most trials share, with the recording tap before it: every byte that any client receives from it is
//! looked at for backend addresses.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::front::{Front, Spec};
use proto_tests::tap::{self, Findings};
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, address, progress, scratch};

pub struct SharedFront {
    /// The doorkeeper itself.
    pub front: Mutex<Front>,
    pub findings: Arc<Findings>,
    at: SocketAddr,
}

impl SharedFront {
    /// Where clients connect: the tap's bootstrap port.
    pub fn bootstrap(&self) -> SocketAddr {
        self.at
    }

    /// Where clients find that node.
    pub fn node(&self, id: i32) -> SocketAddr {
        (self.at.ip(), self.at.port() + 1 + id as u16).into()
    }
}

static SHARED: OnceLock<Result<SharedFront>> = OnceLock::new();

pub fn get(cluster: &Cluster) -> Result<&'static SharedFront> {
    SHARED
        .get_or_init(|| {
            let mut spec = Spec::new(&cluster.bootstrap())?;
            let host = address::tap(spec.number());
            // The brokers have no authorizer, so that everybody may give credentials there: here alice may, who is in most trials.
            // Doorkeeper makes the directory, for itself alone.
            let store = scratch::dir("stores").join(spec.number().to_string());
            spec.set("super.users", "User:alice").set("store.dir", store.to_str().ok_or("a path that is text")?);
            let front = spec.advertised_at(host).start()?;
            let findings = Arc::default();
            tap::start(host, front.sasl(), &findings)?;
            Ok(SharedFront { at: (host, front.port()).into(), front: Mutex::new(front), findings })
        })
        .as_ref()
        .map_err(Clone::clone)
}

/// Ends the doorkeeper, if it was started.
pub fn stop() {
    if let Some(Ok(shared)) = SHARED.get()
        && let Ok(mut front) = shared.front.lock()
    {
        front.process.stop();
    }
}

/// A trial through the shared doorkeeper.
pub fn trial(name: &str, body: impl FnOnce(&Cluster, &'static SharedFront) -> Result<()> + Send + 'static) -> Trial {
    crate::steady(name, move |cluster| body(cluster, get(cluster)?))
}

/// Which APIs clients have used through it: every one that doorkeeper offers must be among them.
pub fn coverage() -> Result<(), String> {
    // The heartbeat of a Streams group, which only Kafka Streams sends.
    const UNUSED: [i16; 1] = [88];
    let Some(Ok(shared)) = SHARED.get() else { return Ok(()) };
    let asked = shared.findings.asked();
    let offered = Conn::login(shared.bootstrap(), "alice", "alice-secret")?.call(3, &requests::api_versions())?;
    let missing: Vec<i16> =
        offered.api_keys.iter().map(|r| r.api_key).filter(|k| !asked.iter().any(|(key, _)| key == k)).collect();
    progress(format!(
        "{} APIs in {} versions were used through doorkeeper",
        offered.api_keys.len() - missing.len(),
        asked.len()
    ));
    if missing == UNUSED { Ok(()) } else { Err(format!("APIs that no client used: {missing:?}, expected {UNUSED:?}")) }
}

/// What the tap saw, judged when every other trial is over: it can't be a trial among them.
pub fn verdict() -> Result<(), String> {
    let Some(Ok(shared)) = SHARED.get() else { return Ok(()) };
    let count = |n: &std::sync::atomic::AtomicU64| n.load(std::sync::atomic::Ordering::Relaxed);
    let (bytes, good) = (count(&shared.findings.bytes), count(&shared.findings.good));
    progress(format!(
        "the tap saw {} connections, {bytes} bytes to clients and {good} addresses of doorkeeper in them",
        count(&shared.findings.connections)
    ));
    let wrong = shared.findings.wrong();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
