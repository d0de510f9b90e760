//! The threads that serve connections. A connection stays on one for its whole life.

use std::io;
use std::thread::JoinHandle;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept;
use super::placement::{HandedOver, Placement};
use crate::listener::Port;
use crate::observe::Metrics;

pub(super) fn start(
    count: usize,
    ports: Vec<(Port, accept::Rules)>,
    stop_accepting: &CancellationToken,
    connections: &TaskTracker,
    metrics: &Metrics,
) -> io::Result<Vec<JoinHandle<()>>> {
    let (placements, inboxes) = Placement::for_workers(count, connections);
    let mut shares: Vec<Vec<(Port, accept::Rules)>> = (0..count).map(|_| Vec::new()).collect();
    for (at, port) in ports.into_iter().enumerate() {
        shares[at % count].push(port);
    }
    let mut workers = Vec::new();
    for (own, ((share, inbox), placement)) in shares.into_iter().zip(inboxes).zip(placements).enumerate() {
        let stop = stop_accepting.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let name = format!("worker-{own}");
        let heartbeat = metrics.heartbeat(&name);
        let worker = std::thread::Builder::new().name(name);
        workers.push(worker.spawn(move || {
            let local = LocalSet::new();
            local.spawn_local(heartbeat.keep());
            local.block_on(&runtime, work(placement, share, inbox, stop));
        })?);
    }
    Ok(workers)
}

/// One worker: accepts on its share of the ports and serves connections until all have ended.
async fn work(
    placement: Placement,
    share: Vec<(Port, accept::Rules)>,
    mut inbox: mpsc::Receiver<HandedOver>,
    stop: CancellationToken,
) {
    for (port, rules) in share {
        let (placement, stop) = (placement.clone(), stop.clone());
        tokio::task::spawn_local(async move {
            if let Err(error) = accept::run(port, &rules, &placement, &stop).await {
                tracing::error!(listener = %rules.listener, %error, "a port of this listener accepts no more");
            }
        });
    }
    loop {
        tokio::select! {
            handed_over = inbox.recv() => match handed_over {
                Some((accepted, listener, open)) => match accepted.convert(TcpStream::from_std) {
                    Ok(accepted) => placement.serve(open, accepted, listener),
                    Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
                },
                None => return,
            },
            () = stop.cancelled() => break,
        }
    }
    placement.all_ended().await;
}
