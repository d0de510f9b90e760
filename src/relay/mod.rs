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
mod docs;
mod in_flight;
mod requests;
mod responses;
mod rewrite;
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
pub use docs::documentation;
use in_flight::InFlight;
use requests::Requests;
use responses::Responses;
pub use traffic::{ConnectionTraffic, Moved, Traffic};

/// Opaque runs of at least so many bytes are spliced; shorter ones are cheaper to copy.
const SPLICE_MIN: u32 = 16 * 1024;

/// After the client has ended its side, responses to what it sent are awaited for so long.
const HALF_CLOSED_LIMIT: Duration = Duration::from_secs(30);

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
    ) -> Self {
        let mut relay = Self {
            client,
            backend: Backend::new(target, topology.clone()),
            requests: Requests::new(already_read, session.mechanism().is_some()),
            responses: Responses::new(),
            in_flight: InFlight::default(),
            answering: None,
            principal: session.principal().clone(),
            rules,
            addresses,
            topology,
            draining: false,
            ending: None,
            active: false,
            bytes_in: 0,
            bytes_out: 0,
            requests_seen: 0,
        };
        relay.bytes_in = already_read.len() as u64;
        relay
    }

    /// Relays until one side ends, a frame is bad, the connection is idle for too long, or `drain` is cancelled and what was in
    /// flight then is done or has taken too long. What it moves is counted in `traffic`.
    pub async fn run(mut self, drain: &CancellationToken, mut traffic: ConnectionTraffic) -> Relayed {
        let reason = {
            let relay = &mut self;
            let mut drained = pin!(drain.cancelled());
            let never = Instant::now() + Duration::from_secs(86400 * 365);
            let idle_at = |relay: &Self, since: Instant| relay.idle_limit().map_or(never, |limit| since + limit);
            let mut last_active = Instant::now();
            let mut cut_off = never;
            let mut idle = pin!(sleep_until(idle_at(relay, last_active)));
            poll_fn(|cx| {
                if !relay.draining && drained.as_mut().poll(cx).is_ready() {
                    relay.draining = true;
                    cut_off = Instant::now() + relay.rules.drain_limit;
                    let next = idle.deadline().min(cut_off);
                    idle.as_mut().reset(next);
                }
                let was_half_closed = relay.requests.eof;
                let (moved, end) = relay.pump(cx);
                traffic.tell(relay.moved());
                if let Some(reason) = end {
                    return Poll::Ready(reason);
                }
                if moved {
                    last_active = Instant::now();
                }
                if relay.requests.eof && !was_half_closed {
                    idle.as_mut().reset(cut_off.min(last_active + HALF_CLOSED_LIMIT));
                }
                // The timer is not moved at each byte; when it fires, the time of the last byte decides.
                while idle.as_mut().poll(cx).is_ready() {
                    if cut_off <= Instant::now() {
                        return Poll::Ready(CloseReason::DrainTimedOut);
                    }
                    let end = idle_at(relay, last_active);
                    let waits = !relay.in_flight.is_empty() || relay.is_answering();
                    let waits_for_an_answer = waits && !relay.requests.eof;
                    if end <= Instant::now() && !waits_for_an_answer {
                        return Poll::Ready(CloseReason::Idle);
                    }
                    let next = end.max(Instant::now() + Duration::from_secs(1));
                    idle.as_mut().reset(next.min(cut_off));
                }
                Poll::Pending
            })
            .await
        };
        let Self { client, bytes_in, bytes_out, .. } = self;
        Relayed { client, reason, bytes_in, bytes_out }
    }

    fn moved(&self) -> Moved {
        let (received, sent, requests) = (self.bytes_in, self.bytes_out, self.requests_seen);
        Moved { received, sent, requests, in_flight: self.in_flight.len() as u64 }
    }

    fn idle_limit(&self) -> Option<Duration> {
        if self.requests.eof { Some(HALF_CLOSED_LIMIT) } else { self.rules.max_idle }
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

    /// Moves bytes both ways until nothing moves. Says whether any did, and why the connection ends, if it does.
    fn pump(&mut self, cx: &mut Context<'_>) -> (bool, Option<CloseReason>) {
        let mut moved = false;
        loop {
            self.active = false;
            let result = self.send_taken(cx).and_then(|()| self.pump_requests(cx)).and_then(|()| self.pump_answer(cx));
            let result = result.and_then(|()| self.pump_responses(cx));
            moved |= self.active;
            if let Err(reason) = result {
                return (moved, Some(reason));
            }
            if let Some(reason) = self.is_done() {
                return (moved, Some(reason));
            }
            if !self.active {
                return (moved, None);
            }
        }
    }

    fn is_done(&mut self) -> Option<CloseReason> {
        if !self.responses.is_flushed() || self.client.has_unsent() {
            return None;
        }
        if self.responses.eof {
            return Some(CloseReason::BackendClosed);
        }
        let backend_has_all = !self.backend.opened().is_some_and(|backend| backend.has_unsent());
        let answered =
            self.in_flight.is_empty() && !self.is_answering() && self.requests.is_flushed() && backend_has_all;
        match answered {
            true if self.ending.is_some() => self.ending.take(),
            true if self.requests.eof => Some(CloseReason::ClientClosed),
            true if self.draining && !self.requests.is_inside_a_request() => Some(CloseReason::Shutdown),
            _ => None,
        }
    }
}
