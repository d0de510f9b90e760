//! A known client that authenticates anew on its connection (KIP-368), while its relay stands still.

use bytes::BytesMut;
use tokio::time::Instant;

use super::ListenerContext;
use crate::relay::{CloseReason, Paused};
use crate::sasl::{Authenticated, GateRules, MechanismName, Peer, Previous, reauthenticate};
use crate::session::Session;

/// A client that is known anew.
pub(super) struct Renewed {
    pub(super) session: Session,
    /// What it sent behind its last token.
    pub(super) unread: BytesMut,
    /// In and out.
    pub(super) bytes: (u64, u64),
}

/// Takes it through the gate, by the rules that its listener has now: whoever could not log in any more cannot stay. The stop of the
/// front ends it as it ends a login.
pub(super) async fn renew(
    paused: &mut Paused,
    session: &Session,
    peer: &Peer,
    listener: &ListenerContext,
) -> Result<Renewed, CloseReason> {
    let (Some(gate), Some(mechanism)) = (&listener.gate, session.mechanism()) else {
        return Err(CloseReason::SessionExpired);
    };
    let begin = Instant::now();
    let rules = GateRules { deadline: begin + listener.authentication_timeout, ..GateRules::clone(&gate.load()) };
    let previous = Previous { principal: session.principal(), mechanism };
    let (client, unread) = paused.lend_client();
    let result = tokio::select! {
        result = reauthenticate(client, unread, &rules, previous, peer) => result,
        () = listener.drain.cancelled() => return Err(CloseReason::Shutdown),
    };
    let (mechanism, outcome) = match &result {
        Ok(authenticated) => (Some(authenticated.proof.mechanism()), Ok(())),
        Err(failure) => (failure.mechanism.as_ref(), Err(failure.reason)),
    };
    listener.metrics.reauthentication(mechanism.map(MechanismName::as_str), outcome, begin.elapsed());
    let Authenticated { proof, unread, bytes_in, bytes_out, .. } =
        result.map_err(|failure| CloseReason::ReauthenticationFailed(Box::new(failure)))?;
    tracing::debug!(listener = %peer.listener, peer = %peer.address, "authenticated anew");
    Ok(Renewed { session: Session::authenticated(proof), unread, bytes: (bytes_in, bytes_out) })
}
