//! What ends a connection though nothing comes: idleness, the end of the session, the limit of a drain.

use std::time::Duration;

use tokio::time::Instant;

use super::{CloseReason, Relay};

/// After the client has ended its side, responses to what it sent are awaited for so long.
const HALF_CLOSED_LIMIT: Duration = Duration::from_secs(30);

/// While an idle connection waits for an answer, it is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Where nothing ends the connection.
const NEVER: Duration = Duration::from_secs(86400 * 365);

pub(super) struct Deadlines {
    last_active: Instant,
    drained: Option<Instant>,
}

impl Deadlines {
    pub(super) fn new(now: Instant) -> Self {
        Self { last_active: now, drained: None }
    }

    /// Bytes have moved.
    pub(super) fn active(&mut self, now: Instant) {
        self.last_active = now;
    }

    /// What is in flight has until `limit`.
    pub(super) fn drain(&mut self, limit: Instant) {
        self.drained = Some(limit);
    }

    fn idle_at(&self, relay: &Relay) -> Option<Instant> {
        let limit = if relay.requests.eof { Some(HALF_CLOSED_LIMIT) } else { relay.rules.max_idle };
        limit.map(|limit| self.last_active + limit)
    }

    /// Why the connection ends `now`, if it does.
    pub(super) fn over(&self, relay: &Relay, now: Instant) -> Option<CloseReason> {
        if self.drained.is_some_and(|limit| limit <= now) {
            return Some(CloseReason::DrainTimedOut);
        }
        let waits_for_an_answer = !relay.in_flight.is_empty() || relay.is_answering();
        if relay.session_end.ends_connection(now, waits_for_an_answer) {
            return Some(CloseReason::SessionExpired);
        }
        let is_idle = self.idle_at(relay).is_some_and(|at| at <= now);
        (is_idle && (relay.requests.eof || !waits_for_an_answer)).then_some(CloseReason::Idle)
    }

    /// When to look next.
    pub(super) fn next_look(&self, relay: &Relay, now: Instant) -> Instant {
        let idle = self.idle_at(relay).map_or(now + NEVER, |at| if at > now { at } else { now + LOOK_AGAIN });
        [self.drained, relay.session_end.next_look(now), relay.backend.next_look(now)]
            .into_iter()
            .flatten()
            .fold(idle, Instant::min)
    }
}
