//! What waits for a thread, in turn by address: who sends much waits for itself and not others for it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;

/// Most jobs that wait, of all addresses together. Where that many do, the address that has most gives up its newest for one that
/// has fewer.
pub const MAX_QUEUED: usize = 8192;
/// Most jobs that wait of one address.
pub const MAX_QUEUED_OF_ADDRESS: usize = 1024;

/// Something that waits for its turn.
pub(super) trait Waits {
    /// Whether anybody still waits for what comes of it.
    fn is_wanted(&self) -> bool;
}

/// A queue for each address, and whose turn it is.
pub(super) struct FairQueue<T> {
    /// None is empty.
    queues: HashMap<IpAddr, VecDeque<T>>,
    /// Each address of `queues` once.
    turns: VecDeque<IpAddr>,
    /// The same, with how many it has.
    by_len: BTreeSet<(usize, IpAddr)>,
    len: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { queues: HashMap::new(), turns: VecDeque::new(), by_len: BTreeSet::new(), len: 0 }
    }
}

impl<T: Waits> FairQueue<T> {
    /// Queues it, and gives what had to make room for it. Or gives it back, if its address has as many as it may, those that nobody
    /// waits for any more not counted.
    pub(super) fn push(&mut self, from: IpAddr, job: T) -> Result<Option<T>, T> {
        if !self.has_room(from) {
            self.forget_unwanted(from);
            if !self.has_room(from) {
                return Err(job);
            }
        }
        let mut pushed_out = None;
        if self.len >= MAX_QUEUED {
            let most = self.by_len.last().map(|(_, address)| *address);
            pushed_out = most.and_then(|most| self.change(most, VecDeque::pop_back));
        }
        if !self.queues.contains_key(&from) {
            self.turns.push_back(from);
        }
        self.change(from, |queue| queue.push_back(job));
        Ok(pushed_out)
    }

    /// The next one that is wanted; those that are not and stand before it are dropped into `unwanted`.
    pub(super) fn pop(&mut self, mut unwanted: impl FnMut(T)) -> Option<T> {
        while let Some(from) = self.turns.pop_front() {
            let next = self.change(from, |queue| {
                while let Some(job) = queue.pop_front() {
                    if job.is_wanted() {
                        return Some(job);
                    }
                    unwanted(job);
                }
                None
            });
            if self.queues.contains_key(&from) {
                self.turns.push_back(from);
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn has_room(&self, from: IpAddr) -> bool {
        let own = self.queues.get(&from).map_or(0, VecDeque::len);
        own < MAX_QUEUED_OF_ADDRESS
            && (self.len < MAX_QUEUED || self.by_len.last().is_some_and(|(most, _)| *most > own + 1))
    }

    fn forget_unwanted(&mut self, from: IpAddr) {
        if self.queues.contains_key(&from) {
            self.change(from, |queue| queue.retain(Waits::is_wanted));
            if !self.queues.contains_key(&from) {
                self.turns.retain(|address| *address != from);
            }
        }
    }

    /// Changes the queue of an address, and what is known of it; all but its turn.
    fn change<R>(&mut self, from: IpAddr, change: impl FnOnce(&mut VecDeque<T>) -> R) -> R {
        let queue = self.queues.entry(from).or_default();
        let before = queue.len();
        let result = change(queue);
        let after = queue.len();
        self.len = self.len - before + after;
        self.by_len.remove(&(before, from));
        if after > 0 {
            self.by_len.insert((after, from));
            return result;
        }
        self.queues.remove(&from);
        // A flood from many addresses leaves no great table behind.
        if self.queues.capacity() > 1024 && self.queues.len() < self.queues.capacity() / 8 {
            self.queues.shrink_to_fit();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whose it is, its number, and whether it is wanted.
    #[derive(Debug, PartialEq)]
    struct Job(u32, usize, bool);

    impl Waits for Job {
        fn is_wanted(&self) -> bool {
            self.2
        }
    }

    fn ip(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    fn wanted(from: u32, n: usize) -> Job {
        Job(from, n, true)
    }

    fn pop(queue: &mut FairQueue<Job>) -> Option<Job> {
        queue.pop(|job| assert!(!job.2))
    }

    #[test]
    fn ten_thousand_jobs_of_one_address_delay_another_by_one() {
        let mut queue = FairQueue::default();
        let taken = (0..10_000).filter(|n| queue.push(ip(1), wanted(1, *n)).is_ok()).count();
        assert_eq!((taken, queue.len()), (MAX_QUEUED_OF_ADDRESS, taken));
        for round in 0..3 {
            queue.push(ip(2), wanted(2, round)).expect("room");
            let next = [pop(&mut queue), pop(&mut queue)].map(|job| job.expect("a job").0);
            assert!(next.contains(&2), "{next:?}");
        }
        // Each address in its own order.
        let of_one: Vec<usize> = std::iter::from_fn(|| pop(&mut queue)).map(|job| job.1).collect();
        assert!(of_one.is_sorted() && of_one.len() == taken - 3);
        assert_eq!((queue.len(), queue.queues.len(), queue.turns.len(), queue.by_len.len()), (0, 0, 0, 0));
    }

    #[test]
    fn however_many_fill_it_there_is_room_for_one_that_comes_new() {
        let mut queue = FairQueue::default();
        for from in 0..100 {
            while queue.push(ip(from), wanted(from, 0)).is_ok_and(|pushed_out| pushed_out.is_none()) {}
        }
        assert_eq!(queue.len(), MAX_QUEUED);
        let fewest = |queue: &FairQueue<Job>| queue.by_len.first().unwrap().0;
        // Those that came first have had to give of theirs, and the last still has one.
        let (before, most) = (fewest(&queue), queue.by_len.last().unwrap().0);
        assert!(before >= 1 && most < MAX_QUEUED_OF_ADDRESS, "{before} {most}");
        assert!(queue.push(ip(5000), wanted(5000, 0)).unwrap().is_some_and(|out| out.0 < 100));
        let turn = std::iter::from_fn(|| pop(&mut queue)).position(|job| job.0 == 5000);
        assert_eq!(turn, Some(100));
        // As many addresses as there are places: then there is none for another.
        for from in 0..3 * MAX_QUEUED as u32 {
            assert_eq!(queue.push(ip(from), wanted(from, 0)).is_ok(), from < MAX_QUEUED as u32);
        }
        assert_eq!((queue.len(), queue.by_len.len()), (MAX_QUEUED, MAX_QUEUED));
    }

    #[test]
    fn what_nobody_waits_for_takes_neither_a_turn_nor_a_place() {
        let mut queue = FairQueue::default();
        for n in 0..5 {
            queue.push(ip(1), Job(1, n, n == 4)).expect("room");
            queue.push(ip(2), Job(2, n, false)).expect("room");
        }
        queue.push(ip(3), wanted(3, 0)).expect("room");
        let mut unwanted = 0;
        let order: Vec<_> = std::iter::from_fn(|| queue.pop(|_| unwanted += 1)).map(|job| (job.0, job.1)).collect();
        assert_eq!((order, unwanted), (vec![(1, 4), (3, 0)], 9));
        while queue.push(ip(1), Job(1, 0, true)).is_ok() {}
        let full = queue.len();
        while let Some(mut job) = pop(&mut queue) {
            // All its clients leave.
            job.2 = false;
            if queue.push(ip(2), job).is_err() {
                break;
            }
        }
        assert!(queue.len() < full);
        queue.push(ip(2), wanted(2, 1)).expect("room");
        assert_eq!(queue.turns.len(), queue.queues.len());
    }
}
