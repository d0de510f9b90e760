//! The relay: one client connection and its backend connection, both directions, in one task.
//!
//! Structure is walked, substance is spliced: a frame is peeked at, what must change is changed, and everything else passes
//! through as it arrives, by `splice(2)` where it is long. Memory per connection does not depend on the size of a frame, and an
//! idle connection holds no buffer at all.

mod answering;
pub mod api_table;
mod backend_side;
mod buffer;
mod close_reason;
mod deadlines;
mod docs;
mod in_flight;
mod pause;
mod requests;
mod responses;
mod rewrite;
mod session_end;
mod traffic;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::admin::Administration;
use crate::backend::Topology;
use crate::listener::{Addresses, Target};
use crate::principal::KafkaPrincipal;
use crate::session::Session;
use crate::transport::Transport;

use answering::Answering;
use backend_side::Backend;
pub use close_reason::CloseReason;
use deadlines::Deadlines;
pub use docs::documentation;
use in_flight::InFlight;
pub use pause::Paused;
use requests::Requests;
use responses::Responses;
use session_end::SessionEnd;
pub use session_end::{IDLE_AFTER_SESSION, LONGEST_AFTER_SESSION, MIN_REAUTHENTICATION_INTERVAL};
pub use traffic::{ConnectionTraffic, Moved, Traffic};

/// Opaque runs of at least so many bytes are spliced; shorter ones are cheaper to copy.
const SPLICE_MIN: u32 = 16 * 1024;

/// What every relay of a listener shares.
#[derive(Debug)]
pub struct RelayRules {
    /// `connection.max.in.flight.requests`.
    pub max_in_flight: u32,
    /// `socket.request.max.bytes`.
    pub max_request_size: u32,
    /// `backend.rewritten.response.max.bytes`.
    pub max_rewritten_response: u32,
    /// `connections.max.idle.ms`; `None` for never.
    pub max_idle: Option<Duration>,
    /// `shutdown.timeout.ms`: how long a drain waits for what is in flight.
    pub drain_limit: Duration,
    /// What answers the requests of administrators.
    pub administration: Arc<Administration>,
}

/// How a relayed connection ended.
pub struct Relayed {
    /// The client's side, to be closed.
    pub client: Transport,
    /// Why.
    pub reason: CloseReason,
    /// Bytes that came from the client.
    pub bytes_in: u64,
    /// Bytes that went to the client.
    pub bytes_out: u64,
}

/// What a run of a relay comes to.
pub enum Ended {
    /// The connection is over.
    Closed(Relayed),
    /// The client wants to authenticate anew; everything before that is done.
    Paused(Paused),
}

/// Why the pump stops.
enum Stop {
    Close(CloseReason),
    Pause,
}

/// One connection pair.
pub struct Relay {
    client: Transport,
    backend: Backend,
    requests: Requests,
    responses: Responses,
    in_flight: InFlight,
    /// A request that the front answers itself, from its first byte to its answer.
    answering: Option<Box<Answering>>,
    /// Who the client is.
    principal: KafkaPrincipal,
    rules: Arc<RelayRules>,
    addresses: Arc<Addresses>,
    topology: Arc<Topology>,
    session_end: SessionEnd,
    /// The client authenticates anew when everything before it is answered.
    pausing: bool,
    draining: bool,
    /// The connection ends for this when everything before it is answered.
    ending: Option<CloseReason>,
    /// Whether bytes have moved since it was last cleared.
    active: bool,
    bytes_in: u64,
    bytes_out: u64,
    requests_seen: u64,
}

impl Relay {
    /// A relay for a client that is known. `already_read` are the bytes that came behind its login.
    pub fn new(
        session: &Session,
        client: Transport,
        already_read: &[u8],
        target: Target,
        rules: Arc<RelayRules>,
        addresses: Arc<Addresses>,
        topology: Arc<Topology>,
    ) -> Box<Self> {
        let mut relay = Box::new(Self {
            client,
            backend: Backend::new(target),
            requests: Requests::new(already_read, session.mechanism().is_some()),
            responses: Responses::new(),
            in_flight: InFlight::default(),
            answering: None,
            principal: session.principal().clone(),
            rules,
            addresses,
            topology,
            session_end: SessionEnd::new(session.ends()),
            pausing: false,
            draining: false,
            ending: None,
            active: false,
            bytes_in: 0,
            bytes_out: 0,
            requests_seen: 0,
        });
        relay.bytes_in = already_read.len() as u64;
        relay
    }

    /// Relays until one side ends, a frame is bad, the connection is idle for too long, the client's session is over, or `drain` is
    /// cancelled and what was in flight then is done or has taken too long; or until the client authenticates anew. What it moves is
    /// counted in `traffic`.
    pub async fn run(mut self: Box<Self>, drain: &CancellationToken, traffic: &mut ConnectionTraffic) -> Ended {
        let stop = {
            let relay = &mut *self;
            let mut drained = pin!(drain.cancelled());
            let mut deadlines = Deadlines::new(Instant::now());
            let mut timer = pin!(sleep_until(deadlines.next_look(relay, Instant::now())));
            poll_fn(|cx| {
                // Before bytes are moved: a request that comes with the session's end comes after it.
                let mut look = timer.as_mut().poll(cx).is_ready();
                if look {
                    relay.tick(Instant::now());
                }
                if !relay.draining && drained.as_mut().poll(cx).is_ready() {
                    relay.draining = true;
                    deadlines.drain(Instant::now() + relay.rules.drain_limit);
                    look = true;
                }
                let was_half_closed = relay.requests.eof;
                let (moved, stop) = relay.pump(cx);
                traffic.tell(relay.moved());
                if let Some(stop) = stop {
                    return Poll::Ready(stop);
                }
                if moved {
                    deadlines.active(Instant::now());
                }
                look |= relay.requests.eof && !was_half_closed;
                look |= relay.backend.take_news();
                // The timer is not moved at each byte; when it fires, the time of the last byte decides.
                while look {
                    let now = Instant::now();
                    relay.tick(now);
                    if let Some(reason) = deadlines.over(relay, now) {
                        return Poll::Ready(Stop::Close(reason));
                    }
                    timer.as_mut().reset(deadlines.next_look(relay, now));
                    look = timer.as_mut().poll(cx).is_ready();
                }
                Poll::Pending
            })
            .await
        };
        match stop {
            Stop::Close(reason) => Ended::Closed(self.into_relayed(reason)),
            Stop::Pause => Ended::Paused(Paused(self)),
        }
    }

    /// It is `now`: what comes by itself has come or not.
    fn tick(&mut self, now: Instant) {
        self.session_end.tick(now);
        self.backend.tick(now);
    }

    fn into_relayed(self, reason: CloseReason) -> Relayed {
        let Self { client, bytes_in, bytes_out, .. } = self;
        Relayed { client, reason, bytes_in, bytes_out }
    }

    fn moved(&self) -> Moved {
        let (received, sent, requests) = (self.bytes_in, self.bytes_out, self.requests_seen);
        Moved { received, sent, requests, in_flight: self.in_flight.len() as u64 }
    }

    /// Writes what TLS has taken and not sent: nothing else would come back to it.
    fn send_taken(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        if self.client.has_unsent()
            && let Poll::Ready(Err(e)) = self.client.poll_send(cx)
        {
            return Err(CloseReason::client_io(e));
        }
        if let Some(backend) = self.backend.opened().filter(|backend| backend.has_unsent())
            && let Poll::Ready(Err(e)) = backend.poll_send(cx)
        {
            return Err(CloseReason::backend_io(e));
        }
        Ok(())
    }

    /// Moves bytes both ways until nothing moves. Says whether any did, and why it is the last time, if it is.
    fn pump(&mut self, cx: &mut Context<'_>) -> (bool, Option<Stop>) {
        let mut moved = false;
        loop {
            self.active = false;
            let result = self.send_taken(cx).and_then(|()| self.pump_requests(cx)).and_then(|()| self.pump_answer(cx));
            let result = result.and_then(|()| self.pump_responses(cx));
            moved |= self.active;
            if let Err(reason) = result {
                return (moved, Some(Stop::Close(reason)));
            }
            if let Some(stop) = self.is_done() {
                return (moved, Some(stop));
            }
            if !self.active {
                return (moved, None);
            }
        }
    }

    fn is_done(&mut self) -> Option<Stop> {
        if !self.responses.is_flushed() || self.client.has_unsent() {
            return None;
        }
        if self.responses.eof {
            return Some(Stop::Close(CloseReason::BackendClosed));
        }
        if !self.is_quiet() {
            return None;
        }
        match self.ending.take() {
            Some(reason) => Some(Stop::Close(reason)),
            None if self.pausing && !self.draining => Some(Stop::Pause),
            None if self.requests.eof => Some(Stop::Close(CloseReason::ClientClosed)),
            None if self.draining && !self.requests.is_inside_a_request() => Some(Stop::Close(CloseReason::Shutdown)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests;
