//! What a listener's relays have moved, counted without a word shared between workers.
//!
//! Each thread that relays has a cell of its own, which it alone writes and which is read when somebody looks. A relay adds to
//! it once each time it is woken: the sums are right at any moment, also while a connection lives for days.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

/// Sums over the relays of one listener.
#[derive(Debug, Default)]
pub struct Traffic {
    /// One for each thread that has ever relayed for this listener: the workers.
    cells: Mutex<Vec<(ThreadId, Arc<Cell>)>>,
}

/// What has been moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes from clients.
    pub received: u64,
    /// Bytes to clients.
    pub sent: u64,
    /// Requests that were forwarded or answered.
    pub requests: u64,
    /// Requests that wait for their responses now.
    pub in_flight: u64,
}

/// Apart from its neighbours: two workers' cells on one cache line would be shared after all.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cell {
    received: AtomicU64,
    sent: AtomicU64,
    requests: AtomicU64,
    in_flight: AtomicU64,
}

impl Traffic {
    /// The count of one connection that this thread serves.
    pub fn here(&self) -> ConnectionTraffic {
        let own = thread::current().id();
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cells.iter().find(|(thread, _)| *thread == own).map(|(_, cell)| cell.clone());
        let cell = known.unwrap_or_else(|| {
            let cell = Arc::<Cell>::default();
            cells.push((own, cell.clone()));
            cell
        });
        ConnectionTraffic { cell, told: Moved::default(), _of_one_thread: PhantomData }
    }

    /// The sums now.
    pub fn moved(&self) -> Moved {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |of: fn(&Cell) -> &AtomicU64| cells.iter().map(|(_, cell)| of(cell).load(Ordering::Relaxed)).sum();
        Moved {
            received: sum(|cell| &cell.received),
            sent: sum(|cell| &cell.sent),
            requests: sum(|cell| &cell.requests),
            in_flight: sum(|cell| &cell.in_flight),
        }
    }
}

/// One connection's share. It cannot leave its thread, so that the cell has one writer.
#[derive(Debug)]
pub struct ConnectionTraffic {
    cell: Arc<Cell>,
    told: Moved,
    _of_one_thread: PhantomData<Rc<()>>,
}

impl ConnectionTraffic {
    /// Bytes that were moved beside the relay: those of the login.
    pub fn add_bytes(&self, received: u64, sent: u64) {
        add(&self.cell.received, received);
        add(&self.cell.sent, sent);
    }

    /// What this connection's relay has moved up to now, all in all.
    pub(super) fn tell(&mut self, now: Moved) {
        let told = std::mem::replace(&mut self.told, now);
        let changes = [
            (&self.cell.received, told.received, now.received),
            (&self.cell.sent, told.sent, now.sent),
            (&self.cell.requests, told.requests, now.requests),
            (&self.cell.in_flight, told.in_flight, now.in_flight),
        ];
        for (sum, before, after) in changes {
            if before != after {
                // What is in flight falls too.
                add(sum, after.wrapping_sub(before));
            }
        }
    }
}

impl Drop for ConnectionTraffic {
    /// Nothing of it is in flight any more, however it ended.
    fn drop(&mut self) {
        self.tell(Moved { in_flight: 0, ..self.told });
    }
}

/// Not `fetch_add`: the only writer needs no locked instruction.
fn add(sum: &AtomicU64, n: u64) {
    sum.store(sum.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_several_threads_are_summed_and_leave_nothing_in_flight() {
        let traffic = Traffic::default();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let mut one = traffic.here();
                        let other = traffic.here();
                        other.add_bytes(1, 2);
                        one.tell(Moved { received: 10, sent: 0, requests: 3, in_flight: 3 });
                        one.tell(Moved { received: 10, sent: 5, requests: 3, in_flight: 1 });
                    }
                });
            }
        });
        assert_eq!(traffic.moved(), Moved { received: 4400, sent: 2800, requests: 1200, in_flight: 0 });
        assert_eq!(traffic.cells.lock().unwrap().len(), 4);
        let mut one = traffic.here();
        one.tell(Moved { in_flight: 7, ..Moved::default() });
        assert_eq!(traffic.moved().in_flight, 7);
    }
}
