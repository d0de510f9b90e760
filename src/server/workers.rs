//! The threads that serve connections. A connection stays on one for its whole life.

use std::io;
use std::thread::JoinHandle;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::accept;
use super::placement::{HandedOver, Placement};
use crate::listener::Port;
use crate::observe::Metrics;

/// The threads, and where each is given further ports.
pub(super) struct Workers {
    threads: Vec<JoinHandle<()>>,
    ports: Vec<mpsc::UnboundedSender<NewPort>>,
    next: usize,
}

/// A port for a worker to accept on. The token counts it for whoever waits until the port is closed.
type NewPort = (Port, accept::Rules, TaskTrackerToken);

impl Workers {
    pub(super) fn start(
        count: usize,
        stop: &CancellationToken,
        connections: &TaskTracker,
        metrics: &Metrics,
    ) -> io::Result<Self> {
        let (placements, inboxes) = Placement::for_workers(count, connections);
        let mut workers = Self { threads: Vec::new(), ports: Vec::new(), next: 0 };
        for (own, (inbox, placement)) in inboxes.into_iter().zip(placements).enumerate() {
            let stop = stop.clone();
            let (sender, ports) = mpsc::unbounded_channel();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let name = format!("worker-{own}");
            let heartbeat = metrics.heartbeat(&name);
            let worker = std::thread::Builder::new().name(name);
            workers.threads.push(worker.spawn(move || {
                let local = LocalSet::new();
                local.spawn_local(heartbeat.keep());
                local.block_on(&runtime, work(placement, inbox, ports, stop));
            })?);
            workers.ports.push(sender);
        }
        Ok(workers)
    }

    /// Has the next worker in turn accept on a port, until the listener's rules say stop.
    pub(super) fn accept(&mut self, port: Port, rules: accept::Rules, token: TaskTrackerToken) {
        let worker = self.next % self.ports.len();
        self.next = self.next.wrapping_add(1);
        // A worker's channel closes only when the server ends.
        if self.ports[worker].send((port, rules, token)).is_err() {
            tracing::debug!("a port came too late");
        }
    }

    /// Waits for their end.
    pub(super) fn join(self) {
        for thread in self.threads {
            // A worker that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// One worker: accepts on its share of the ports and serves connections until all have ended.
async fn work(
    placement: Placement,
    mut inbox: mpsc::Receiver<HandedOver>,
    mut ports: mpsc::UnboundedReceiver<NewPort>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            handed_over = inbox.recv() => match handed_over {
                Some((accepted, listener, open)) => match accepted.convert(TcpStream::from_std) {
                    Ok(accepted) => placement.serve(open, accepted, listener),
                    Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
                },
                None => return,
            },
            Some((port, rules, token)) = ports.recv() => {
                let placement = placement.clone();
                tokio::task::spawn_local(async move {
                    if let Err(error) = accept::run(port, &rules, &placement).await {
                        tracing::error!(listener = %rules.listener, %error, "a port of this listener accepts no more");
                    }
                    drop(token);
                });
            },
            () = stop.cancelled() => break,
        }
    }
    placement.all_ended().await;
}
