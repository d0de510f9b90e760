//! The gate: what a client may say before it has proved who it is, and what it is answered.
//!
//! It follows Kafka's `SaslServerAuthenticator` state by state (KIP-43, KIP-152), but for bounds that Kafka does not have: an
//! absolute deadline, at most [`MAX_VERSION_ERRORS`] refused ApiVersions, at most 64 tagged fields in a header, and no body
//! read but those of ApiVersions, SaslHandshake and SaslAuthenticate.
//!
//! | state | takes | becomes |
//! |---|---|---|
//! | `Opening::Initial` | ApiVersions, SaslHandshake; what is no Kafka header at all is GSSAPI's first token, if enabled | the next, `Exchange` |
//! | `Opening::HandshakeOrVersions` | ApiVersions, SaslHandshake | itself after a refused ApiVersions, the next, `Exchange` |
//! | `Opening::HandshakeOnly` | SaslHandshake | `Exchange` |
//! | `Exchange` | tokens, raw or in SaslAuthenticate, as the handshake's version said | itself, [`Proof`] |
//!
//! A known client that authenticates anew (KIP-368) begins with a SaslHandshake for the mechanism that it has used, and goes on with
//! an `Exchange` that must prove the same principal.
//!
//! Each state is consumed by the frame that it judges. Every other frame is a `Refusal`, after which nothing more is read.

mod channel;
mod exchange;
mod failure;
mod opening;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use self::channel::Channel;
use self::exchange::{Exchange, Passed};
use self::failure::{Close, Refusal};
pub use self::failure::{FailureDelays, GateFailure, GateFailureReason, MAX_DELAYED_FAILURES};
pub use self::opening::MAX_VERSION_ERRORS;
use self::opening::{Opened, Opening, on_another_handshake};
use super::mechanism::{MechanismName, Peer, Proof};
use super::registry::Mechanisms;
use crate::principal::KafkaPrincipal;
use crate::wire::api_versions::ApiVersions;

/// What the gate holds a client to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GateRules {
    /// The listener's enabled mechanisms.
    pub mechanisms: Arc<Mechanisms>,
    /// `sasl.server.max.receive.size`: largest frame in bytes, without its length prefix.
    pub max_receive_size: u32,
    /// `connection.failed.authentication.delay.ms`: how long an answer that says no, and the close after it, are withheld.
    pub failure_delay: Duration,
    /// Counts the connections that sit in that delay, over all listeners.
    pub failure_delays: Arc<FailureDelays>,
    /// When the connection is closed if it has not authenticated, whatever it does; counted from accept, and where a known client
    /// authenticates anew from its SaslHandshake.
    pub deadline: Instant,
}

/// A client that has proved who it is.
#[derive(Debug)]
pub struct Authenticated {
    /// The evidence.
    pub proof: Proof,
    /// Whether the client has shown that it can authenticate anew: by SaslAuthenticate v1 or later.
    pub can_reauthenticate: bool,
    /// What the client sent behind its last token; the relay's first bytes.
    pub unread: BytesMut,
    /// Bytes read, `unread` included.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

/// What a client must not change when it authenticates anew.
#[derive(Clone, Copy, Debug)]
pub struct Previous<'s> {
    /// Who it is.
    pub principal: &'s KafkaPrincipal,
    /// How it proved that.
    pub mechanism: &'s MechanismName,
}

/// Takes a client from its first byte to its proof. When it fails, what there is to answer has been answered, the delay is
/// over, and the connection is to be closed.
pub async fn authenticate<S>(
    io: &mut S,
    rules: &GateRules,
    api_versions: &ApiVersions,
    peer: &Peer,
) -> Result<Authenticated, GateFailure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut channel = Channel::new(io, rules.max_receive_size);
    let mut mechanism = None;
    let run = run(&mut channel, &mut mechanism, rules, api_versions, peer);
    let result = timeout_at(rules.deadline, run).await;
    conclude(channel, mechanism, result, rules).await
}

/// Takes a known client to a proof that it still is who it was (KIP-368). `unread` is what has been read of it and begins with
/// its SaslHandshake. `rules` are those that hold now: a mechanism that has been switched off since, or a user that has been deleted,
/// ends it. All else is as for [`authenticate`].
pub async fn reauthenticate<S>(
    io: &mut S,
    unread: BytesMut,
    rules: &GateRules,
    previous: Previous<'_>,
    peer: &Peer,
) -> Result<Authenticated, GateFailure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut channel = Channel::behind(unread, io, rules.max_receive_size);
    let mut mechanism = None;
    let run = run_again(&mut channel, &mut mechanism, rules, previous, peer);
    let result = timeout_at(rules.deadline, run).await;
    conclude(channel, mechanism, result, rules).await
}

async fn conclude<S>(
    mut channel: Channel<'_, S>,
    mechanism: Option<MechanismName>,
    result: Result<Result<Passed, Refusal>, Elapsed>,
    rules: &GateRules,
) -> Result<Authenticated, GateFailure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let refusal = match result {
        Ok(Ok(Passed { proof, can_reauthenticate })) => {
            let (bytes_in, bytes_out) = channel.counts();
            let unread = channel.into_unread();
            return Ok(Authenticated { proof, can_reauthenticate, unread, bytes_in, bytes_out });
        }
        Ok(Err(refusal)) => refusal,
        Err(_) => Refusal::at_once(GateFailureReason::Deadline),
    };
    channel.forget_inbound();
    refuse(&mut channel, &refusal, rules).await;
    let (bytes_in, bytes_out) = channel.counts();
    Err(refusal.into_failure(mechanism, bytes_in, bytes_out))
}

async fn run<S>(
    channel: &mut Channel<'_, S>,
    mechanism: &mut Option<MechanismName>,
    rules: &GateRules,
    api_versions: &ApiVersions,
    peer: &Peer,
) -> Result<Passed, Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut opening = Opening::Initial;
    let chosen = loop {
        let len = channel.frame().await?;
        let (frame, out) = channel.parts(len);
        match opening.on_frame(frame, out, &rules.mechanisms, api_versions)? {
            Opened::Waiting(next) => {
                channel.consume(len);
                opening = next;
            }
            Opened::Chosen(chosen) => {
                if !chosen.frame_is_token {
                    channel.consume(len);
                }
                break chosen;
            }
        }
    };
    *mechanism = Some(chosen.mechanism.name().clone());
    Exchange::start(chosen, peer, None).run(channel).await
}

async fn run_again<S>(
    channel: &mut Channel<'_, S>,
    mechanism: &mut Option<MechanismName>,
    rules: &GateRules,
    previous: Previous<'_>,
    peer: &Peer,
) -> Result<Passed, Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let len = channel.frame().await?;
    let (frame, out) = channel.parts(len);
    let chosen = on_another_handshake(frame, out, &rules.mechanisms)?;
    channel.consume(len);
    *mechanism = Some(chosen.mechanism.name().clone());
    if chosen.mechanism.name() != previous.mechanism {
        // As at a broker: the handshake is answered as a good one, and what comes next is not.
        channel.frame().await?;
        return Err(Refusal::delayed(GateFailureReason::MechanismChanged));
    }
    Exchange::start(chosen, peer, Some(previous.principal)).run(channel).await
}

/// Sends what was answered before the refusal, waits, and sends the refusal itself. The client may leave at any time.
async fn refuse<S>(channel: &mut Channel<'_, S>, refusal: &Refusal, rules: &GateRules)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !refusal.leaves_a_writable_connection() {
        return;
    }
    if !matches!(timeout_at(rules.deadline, channel.flush()).await, Ok(Ok(()))) {
        return;
    }
    if refusal.close == Close::AfterDelay && !rules.failure_delay.is_zero() {
        // Too many are waiting already: this one's connection is worth more than its delay.
        if let Some(_waiting) = rules.failure_delays.enter() {
            let end = Instant::now() + rules.failure_delay;
            tokio::time::sleep_until(end.min(rules.deadline)).await;
        }
    }
    if let Some(reply) = &refusal.reply {
        channel.answer(reply);
        // Whether it arrives is no longer of interest: the connection ends either way.
        let _ = timeout_at(rules.deadline, channel.flush()).await;
    }
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;
