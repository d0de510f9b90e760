//! The threads that serve connections. A connection stays on one for its whole life.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept;
use crate::connection::{self, Accepted, ListenerContext};
use crate::listener::Port;

/// Connections that were accepted and wait for their worker, per worker.
const INBOX: usize = 1024;
/// A worker keeps what it accepts unless it has so many connections more than another: most connections need no hand-over.
const IMBALANCE: usize = 2;

/// A connection on its way to another worker.
type HandedOver = (Accepted<std::net::TcpStream>, Arc<ListenerContext>, Open);

/// One worker's inbox and load, as the others see it.
#[derive(Clone, Debug)]
struct WorkerDoor {
    inbox: mpsc::Sender<HandedOver>,
    open: Arc<AtomicUsize>,
}

/// Where a worker puts the connections that it accepts.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    own: usize,
    doors: Arc<[WorkerDoor]>,
    connections: TaskTracker,
}

impl Placement {
    /// Starts serving the connection here, or hands it to a worker that has fewer.
    pub(super) async fn place(&self, accepted: Accepted, listener: Arc<ListenerContext>) {
        let load = |door: &WorkerDoor| door.open.load(Ordering::Relaxed);
        let own = &self.doors[self.own];
        let least = self.doors.iter().min_by_key(|door| load(door)).unwrap_or(own);
        if load(own) <= load(least) + IMBALANCE {
            self.serve(Open::count(own), accepted, listener);
            return;
        }
        match accepted.convert(TcpStream::into_std) {
            // A worker's inbox closes only when the server ends.
            Ok(accepted) => {
                let open = Open::count(least);
                if least.inbox.send((accepted, listener, open)).await.is_err() {
                    tracing::debug!("a connection came too late");
                }
            }
            Err(error) => tracing::warn!(%error, "a connection could not be handed over"),
        }
    }

    fn serve(&self, open: Open, accepted: Accepted, listener: Arc<ListenerContext>) {
        let connection = self.connections.track_future(async move {
            let _open = open;
            connection::serve(accepted, listener).await;
        });
        tokio::task::spawn_local(connection);
    }
}

/// A connection that counts for a worker.
#[derive(Debug)]
struct Open(Arc<AtomicUsize>);

impl Open {
    fn count(door: &WorkerDoor) -> Self {
        door.open.fetch_add(1, Ordering::Relaxed);
        Self(door.open.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn start(
    count: usize,
    ports: Vec<(Port, accept::Rules)>,
    stop_accepting: &CancellationToken,
    connections: &TaskTracker,
) -> io::Result<Vec<JoinHandle<()>>> {
    let (doors, inboxes): (Vec<WorkerDoor>, Vec<_>) = (0..count)
        .map(|_| {
            let (sender, inbox) = mpsc::channel(INBOX);
            (WorkerDoor { inbox: sender, open: Arc::default() }, inbox)
        })
        .unzip();
    let doors: Arc<[WorkerDoor]> = doors.into();
    let mut shares: Vec<Vec<(Port, accept::Rules)>> = (0..count).map(|_| Vec::new()).collect();
    for (at, port) in ports.into_iter().enumerate() {
        shares[at % count].push(port);
    }
    let mut workers = Vec::new();
    for (own, (share, inbox)) in shares.into_iter().zip(inboxes).enumerate() {
        let placement = Placement { own, doors: doors.clone(), connections: connections.clone() };
        let stop = stop_accepting.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let worker = std::thread::Builder::new().name(format!("worker-{own}"));
        workers.push(worker.spawn(move || {
            LocalSet::new().block_on(&runtime, work(placement, share, inbox, stop));
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
    placement.connections.wait().await;
}
