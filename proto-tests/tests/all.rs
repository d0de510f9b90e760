//! All end-to-end trials in one binary: one backend, started once, and everything that it started ends with it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Trial};
use proto_tests::cluster::Cluster;
use proto_tests::{Result, progress, scratch};

#[path = "all/accept.rs"]
mod accept;
#[path = "all/backend_login.rs"]
mod backend_login;
#[path = "all/big.rs"]
mod big;
#[path = "all/certificates.rs"]
mod certificates;
#[path = "all/clients.rs"]
mod clients;
#[path = "all/configs/mod.rs"]
mod configs;
#[path = "all/configuration.rs"]
mod configuration;
#[path = "all/equivalence.rs"]
mod equivalence;
#[path = "all/gate.rs"]
mod gate;
#[path = "all/harness.rs"]
mod harness;
#[path = "all/hostile/mod.rs"]
mod hostile;
#[path = "all/leaks.rs"]
mod leaks;
#[path = "all/lifecycle.rs"]
mod lifecycle;
#[path = "all/oauthbearer/mod.rs"]
mod oauthbearer;
#[path = "all/observe.rs"]
mod observe;
#[path = "all/passwords.rs"]
mod passwords;
#[path = "all/principals.rs"]
mod principals;
#[path = "all/reauthentication/mod.rs"]
mod reauthentication;
#[path = "all/relay.rs"]
mod relay;
#[path = "all/reliability.rs"]
mod reliability;
#[path = "all/reload.rs"]
mod reload;
#[path = "all/scram/mod.rs"]
mod scram;
#[path = "all/scram_client.rs"]
mod scram_client;
#[path = "all/shared_front.rs"]
mod shared_front;
#[path = "all/store_faults/mod.rs"]
mod store_faults;
#[path = "all/store_tools/mod.rs"]
mod store_tools;
#[path = "all/tls/mod.rs"]
mod tls;
#[path = "all/tools.rs"]
mod tools;
#[path = "all/topology.rs"]
mod topology;

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // Two cores: more at once only makes every step slow enough to look broken.
    args.test_threads = args.test_threads.or(Some(3));
    let trials = [
        harness::trials(),
        equivalence::trials(),
        clients::trials(),
        tools::trials(),
        configs::trials(),
        leaks::trials(),
        relay::trials(),
        big::trials(),
        lifecycle::trials(),
        configuration::trials(),
        principals::trials(),
        topology::trials(),
        reload::trials(),
        certificates::trials(),
        reliability::trials(),
        gate::trials(),
        observe::trials(),
        accept::trials(),
        hostile::trials(),
        passwords::trials(),
        scram::trials(),
        scram_client::trials(),
        backend_login::trials(),
        oauthbearer::trials(),
        reauthentication::trials(),
        store_faults::trials(),
        store_tools::trials(),
        tls::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let whole = args.filter.is_none() && args.skip.is_empty();
    if args.list {
        return libtest_mimic::run(&args, trials).exit_code();
    }
    scratch::begin(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let mut conclusion = libtest_mimic::run(&args, trials);
    // The tap has seen what all trials received; its verdict can only come last. Coverage needs all of them.
    let mut last = vec![free("leaks::tap_saw_no_backend_address", shared_front::verdict)];
    if whole {
        last.push(free("leaks::every_api_was_used", shared_front::coverage));
    }
    let leaks = libtest_mimic::run(&Arguments::default(), last);
    conclusion.num_failed += leaks.num_failed;
    stop();
    if conclusion.has_failed() {
        progress(format!("logs are kept in {}", scratch::run_dir().display()));
    } else {
        scratch::end();
    }
    conclusion.exit_code()
}

static CLUSTER: OnceLock<Result<Arc<Cluster>>> = OnceLock::new();

/// The backend; the first trial that asks starts it.
fn cluster() -> Result<Arc<Cluster>> {
    CLUSTER.get_or_init(|| Cluster::start().map(Arc::new)).clone()
}

fn stop() {
    shared_front::stop();
    scram::stop();
    proto_tests::bearer::stop();
    if let Some(Ok(cluster)) = CLUSTER.get() {
        cluster.brokers.iter().for_each(|b| b.kill());
    }
}

/// A trial that needs no real Kafka.
fn free(name: &str, body: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || Ok(body()?))
}

/// A trial that needs the backend with all brokers up.
fn steady(name: &str, body: impl FnOnce(&Cluster) -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let cluster = cluster()?;
        let _steady = cluster.steady();
        Ok(body(&cluster)?)
    })
}
