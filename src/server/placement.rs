//! Which worker serves a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::connection::{self, Accepted, ListenerContext};

/// Connections that were accepted and wait for their worker, per worker.
const INBOX: usize = 1024;
/// A worker keeps what it accepts unless it has so many connections more than another: most connections need no hand-over.
const IMBALANCE: usize = 2;

/// A connection on its way to another worker.
pub(super) type HandedOver = (Accepted<std::net::TcpStream>, Arc<ListenerContext>, Open);

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
    /// One for each worker, with its inbox. `connections` counts them all.
    pub(super) fn for_workers(count: usize, connections: &TaskTracker) -> (Vec<Self>, Vec<mpsc::Receiver<HandedOver>>) {
        let door = |_| {
            let (sender, inbox) = mpsc::channel(INBOX);
            (WorkerDoor { inbox: sender, open: Arc::default() }, inbox)
        };
        let (doors, inboxes): (Vec<_>, Vec<_>) = (0..count).map(door).unzip();
        let doors: Arc<[WorkerDoor]> = doors.into();
        let placement = |own| Self { own, doors: doors.clone(), connections: connections.clone() };
        ((0..count).map(placement).collect(), inboxes)
    }

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

    pub(super) fn serve(&self, open: Open, accepted: Accepted, listener: Arc<ListenerContext>) {
        let connection = self.connections.track_future(async move {
            let _open = open;
            connection::serve(accepted, listener).await;
        });
        tokio::task::spawn_local(connection);
    }
}

impl Placement {
    /// Waits for the end of all connections of all workers.
    pub(super) async fn all_ended(&self) {
        self.connections.wait().await;
    }
}

/// A connection that counts for a worker.
#[derive(Debug)]
pub(super) struct Open(Arc<AtomicUsize>);

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
