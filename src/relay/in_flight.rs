//! The requests of one connection that wait for their responses, in order.

use std::collections::VecDeque;

use bytes::Bytes;

use super::api_table::ApiRow;

/// A request that has been forwarded.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded {
    /// The correlation id that its response must carry.
    pub correlation_id: i32,
    /// Its API.
    pub row: &'static ApiRow,
    /// Its version, which lies in the row's range.
    pub version: i16,
}

enum Entry {
    Forwarded(Forwarded),
    /// The front's own answer, which must wait for the responses before it.
    Answer(Box<Bytes>),
}

/// A queue: Kafka answers a connection's requests in the order in which they came.
#[derive(Default)]
pub struct InFlight {
    queue: VecDeque<Entry>,
}

/// An emptied queue keeps at most this much room.
const KEPT_CAPACITY: usize = 32;

impl InFlight {
    /// How many requests wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// A request has been forwarded and will be answered.
    pub fn push(&mut self, request: Forwarded) {
        self.queue.push_back(Entry::Forwarded(request));
    }

    /// The front's own answer; given back where nothing waits before it, so that it can go at once.
    pub fn push_answer(&mut self, answer: Bytes) -> Option<Bytes> {
        if self.queue.is_empty() {
            return Some(answer);
        }
        self.queue.push_back(Entry::Answer(Box::new(answer)));
        None
    }

    /// The request that the next response belongs to.
    pub fn front(&self) -> Option<Forwarded> {
        match self.queue.front()? {
            Entry::Forwarded(request) => Some(*request),
            // An answer never stays at the front: `pop` takes it along.
            Entry::Answer(_) => None,
        }
    }

    /// The front request's response has gone out whole: forgets it, and gives the front's own answers that come next.
    pub fn pop(&mut self, out: &mut Vec<u8>) {
        self.queue.pop_front();
        while let Some(Entry::Answer(answer)) = self.queue.front() {
            out.extend_from_slice(answer);
            self.queue.pop_front();
        }
        if self.queue.is_empty() && self.queue.capacity() > KEPT_CAPACITY {
            self.queue.shrink_to(KEPT_CAPACITY);
        }
    }

    /// Takes back the newest entry: its request was cut off in the middle and will never be answered.
    pub fn take_back_last(&mut self) {
        self.queue.pop_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::api_table::row_of;

    #[test]
    fn own_answers_wait_for_the_responses_before_them() {
        let (mut in_flight, mut out) = (InFlight::default(), Vec::new());
        let request = |correlation_id| Forwarded { correlation_id, row: row_of(3).unwrap(), version: 1 };
        assert_eq!(in_flight.push_answer(Bytes::from_static(b"now")).as_deref(), Some(&b"now"[..]));
        in_flight.push(request(1));
        assert!(in_flight.push_answer(Bytes::from_static(b"a")).is_none());
        assert!(in_flight.push_answer(Bytes::from_static(b"b")).is_none());
        in_flight.push(request(1));
        in_flight.pop(&mut out);
        assert_eq!(out, b"ab");
        assert_eq!(in_flight.front().map(|r| r.correlation_id), Some(1));
        assert_eq!(in_flight.len(), 1);
    }
}
