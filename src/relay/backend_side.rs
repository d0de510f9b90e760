//! The backend's side of a relay: opened by the first request that needs it, so that a storm of logins is none for the backend, and
//! authenticated anew in time where the broker ends sessions (KIP-368).
//!
//! A broker closes a connection at the first request after its session's end. As in Java's clients the new login is due before that
//! end, and begins when there is a request to send: an idle connection costs nothing, and one that was idle beyond the end is
//! authenticated all the same, for a broker takes that.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use crate::backend::{BackendConnection, ConnectError, OpenConnection, Topology};
use crate::listener::Target;
use crate::transport::Transport;

type Opening = Pin<Box<dyn Future<Output = Result<(BackendConnection, OpenConnection), ConnectError>> + Send>>;

/// One side of a connection pair.
pub(super) struct Backend {
    state: State,
    /// Whether the time of the next login has come, as the relay's timer says: no request on its way looks at a clock.
    is_due: bool,
    /// The timer has not been told of that time.
    is_news: bool,
}

enum State {
    NotYet(Target),
    /// Dialled and logged in, or authenticated anew.
    LoggingIn(Opening),
    /// The second counts it until it is dropped.
    Open(BackendConnection, OpenConnection),
}

impl Backend {
    pub(super) fn new(target: Target) -> Self {
        Self { state: State::NotYet(target), is_due: false, is_news: false }
    }

    /// The connection, ready for requests.
    pub(super) fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
        topology: &Arc<Topology>,
    ) -> Poll<Result<&mut Transport, ConnectError>> {
        loop {
            match &mut self.state {
                State::NotYet(target) => {
                    let (target, topology) = (*target, topology.clone());
                    self.state = State::LoggingIn(Box::pin(async move { topology.connect_counted(target).await }));
                }
                State::LoggingIn(opening) => {
                    let (connection, counted) = ready!(opening.as_mut().poll(cx))?;
                    tracing::debug!(broker = ?connection.transport.peer_addr(), "logged in to the backend");
                    self.is_news = connection.reauthenticate_at().is_some();
                    self.state = State::Open(connection, counted);
                }
                State::Open(..) => break,
            }
        }
        match &mut self.state {
            State::Open(connection, _) => Poll::Ready(Ok(&mut connection.transport)),
            _ => Poll::Pending,
        }
    }

    /// The connection, if it can be read and written now.
    pub(super) fn opened(&mut self) -> Option<&mut Transport> {
        match &mut self.state {
            State::Open(connection, _) => Some(&mut connection.transport),
            _ => None,
        }
    }

    /// Whether a new login is due before the next request.
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// Begins it: everything before has been sent and answered. [`Self::poll_open`] carries it on.
    pub(super) fn renew(&mut self, topology: &Arc<Topology>) {
        self.is_due = false;
        // Any state will do: it is replaced at once.
        let state = std::mem::replace(&mut self.state, State::NotYet(Target::Any));
        self.state = match state {
            State::Open(connection, counted) => {
                let topology = topology.clone();
                State::LoggingIn(Box::pin(async move { Ok((topology.reauthenticate(connection).await?, counted)) }))
            }
            other => other,
        };
    }

    /// It is `now`.
    pub(super) fn tick(&mut self, now: Instant) {
        self.is_due = self.renew_at().is_some_and(|at| at <= now);
    }

    /// When to look next, if ever.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        self.renew_at().filter(|_| !self.is_due).map(|at| at.max(now))
    }

    /// Whether [`Self::next_look`] says something new. Only once.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.is_news)
    }

    fn renew_at(&self) -> Option<Instant> {
        match &self.state {
            State::Open(connection, _) => connection.reauthenticate_at(),
            _ => None,
        }
    }
}
