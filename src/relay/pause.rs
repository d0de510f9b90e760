//! A relay that stands still while its client authenticates anew (KIP-368).
//!
//! The client's SaslHandshake is where it begins. Nothing behind it is read; when everything before it has been answered, and all
//! of that has been sent, [`Relay::run`] ends with a [`Paused`], which lends the client out. Only a new [`Session`] makes a relay of
//! it again, with the same backend connection.

use bytes::BytesMut;

use super::buffer::Buffer;
use super::{CloseReason, Relay, Relayed};
use crate::session::Session;
use crate::transport::Transport;

/// A relay whose client wants to authenticate anew.
pub struct Paused(pub(super) Box<Relay>);

impl Paused {
    /// The client's side, and what has been read of it and not been relayed: its SaslHandshake, or the start of it, comes first.
    pub fn lend_client(&mut self) -> (&mut Transport, BytesMut) {
        let unread = self.0.requests.buffer.take().map(Buffer::into_secret).unwrap_or_default();
        (&mut self.0.client, unread)
    }

    /// Goes on for the client that `session` says. `unread` is what it sent behind its last token; `bytes` were read, `unread`
    /// among them, and written since the pause.
    pub fn resume(self, session: &Session, unread: &[u8], bytes: (u64, u64)) -> Box<Relay> {
        let mut relay = self.0;
        relay.pausing = false;
        relay.principal = session.principal().clone();
        relay.session_end.renew(session.ends());
        relay.requests.buffer = (!unread.is_empty()).then(|| Buffer::holding(unread));
        relay.bytes_in += bytes.0;
        relay.bytes_out += bytes.1;
        relay
    }

    /// The end of the connection: the client did not prove that it is who it was.
    pub fn close(self, reason: CloseReason) -> Relayed {
        self.0.into_relayed(reason)
    }
}

impl Relay {
    /// Whether everything that was read has been relayed and answered, and all of it has been sent.
    pub(super) fn is_quiet(&mut self) -> bool {
        let backend_has_all = !self.backend.opened().is_some_and(|backend| backend.has_unsent());
        let client_has_all = self.responses.is_flushed() && !self.client.has_unsent();
        let answered = self.in_flight.is_empty() && !self.is_answering();
        client_has_all && answered && self.requests.is_flushed() && backend_has_all
    }
}
