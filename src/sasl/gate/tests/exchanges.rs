//! Mechanisms of several rounds, slow ones, broken ones; when answers are sent; the bound on the failure delay.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;
use crate::principal::KafkaPrincipal;
use crate::sasl::mechanism::{AuthnError, BoxFuture, Mechanism, Outage, Rejection, ServerExchange, Step, Verified};
use crate::sasl::shared::FactoryInput;

/// Says what each token asks for: `again`, `yes`, `no`, `bad`, `down`, `slow` (a second, then yes) or `never`.
struct Obedient(MechanismName);

impl Mechanism for Obedient {
    fn name(&self) -> &MechanismName {
        &self.0
    }

    fn max_token_len(&self) -> usize {
        100
    }

    fn start(&self, _peer: &Peer) -> Box<dyn ServerExchange> {
        Box::new(Round(1))
    }
}

struct Round(u8);

impl ServerExchange for Round {
    fn step(self: Box<Self>, token: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>> {
        let yes = || {
            let verified = Verified::new(KafkaPrincipal::user("obeyed"));
            Ok(Step::Success { token: Bytes::from_static(b"bye"), verified })
        };
        Box::pin(async move {
            match &token[..] {
                b"again" => Ok(Step::Challenge { token: vec![b'#', self.0].into(), next: Box::new(Round(self.0 + 1)) }),
                b"yes" => yes(),
                b"slow" => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    yes()
                }
                b"never" => std::future::pending().await,
                b"down" => Err(AuthnError::Unavailable(Outage("store"))),
                b"bad" => Err(AuthnError::Malformed(Rejection::text("malformed"))),
                _ => Err(AuthnError::Rejected(Rejection::text("rejected"))),
            }
        })
    }
}

async fn obedient(name: &'static str) -> Arc<Mechanisms> {
    let mut registry = Registry::new();
    let factory = move |_: &FactoryInput<'_>| {
        Ok(Arc::new(Obedient(MechanismName::new(name).expect("name"))) as Arc<dyn Mechanism>)
    };
    registry.register(name, factory).expect("registered");
    let config = MechanismConfig {
        name: name.to_owned(),
        jaas: JaasContext::default(),
        properties: HashMap::new(),
        oauthbearer: None,
    };
    build(&registry, vec![config]).await
}

/// The answer to a handshake of a listener that has `name` alone.
fn hs_ok(name: &str) -> Vec<u8> {
    frame([&[0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, name.len() as u8], name.as_bytes()].concat())
}

/// A SaslAuthenticate v1 answer with a token.
fn sa_token(token: &[u8]) -> Vec<u8> {
    let length = (token.len() as u32).to_be_bytes();
    frame([&[0, 0, 0, 1, 0, 0, 0, 0], &length[..], token, &[0; 8]].concat())
}

#[tokio::test(start_paused = true)]
async fn several_rounds_and_every_ending() {
    let mechanisms = obedient("X").await;
    let run = async |tokens: &[&[u8]]| {
        let requests: Vec<u8> = tokens.iter().flat_map(|token| sa(token)).collect();
        run_with(&rules(mechanisms.clone()), &[hs("X"), requests].concat()).await
    };
    let (again, yes) = (&b"again"[..], &b"yes"[..]);
    let begun = [hs_ok("X"), sa_token(b"#\x01"), sa_token(b"#\x02")].concat();

    let outcome = run(&[again, again, yes]).await;
    assert_eq!(outcome.sent, [&begun[..], &sa_token(b"bye")].concat());
    let (principal, mechanism) = outcome.result.expect("authenticated").proof.into_parts();
    assert_eq!((principal.to_string().as_str(), mechanism.as_str()), ("User:obeyed", "X"));

    let refused = |text: &str| [&begun[..], &sa_58(1, text)].concat();
    let outcome = run(&[again, again, b"no", yes]).await;
    outcome.assert_refused(GateFailureReason::RejectedCredentials, &refused("rejected"), DELAY);
    let outcome = run(&[again, again, b"bad", yes]).await;
    outcome.assert_refused(GateFailureReason::MalformedToken, &refused("malformed"), DELAY);
    // An outage is not the client's fault: no answer, no delay, so that it tries again.
    let outcome = run(&[again, again, b"down", yes]).await;
    outcome.assert_refused(GateFailureReason::Unavailable, &begun, AT_ONCE);
    assert_eq!(outcome.result.expect_err("refused").outage.map(|outage| outage.0), Some("store"));
    // A mechanism that never ends is ended.
    let outcome = run(&[again, again, b"never", yes]).await;
    outcome.assert_refused(GateFailureReason::Deadline, &begun, DEADLINE);
    assert_eq!(outcome.result.expect_err("refused").mechanism.map(|m| m.to_string()).as_deref(), Some("X"));
}

#[tokio::test(start_paused = true)]
async fn raw_tokens() {
    let mechanisms = obedient("X").await;
    let tokens = [frame(b"again"), frame(b"again"), frame(b"yes")].concat();
    let outcome = run_with(&rules(mechanisms), &[hs_v(0, "X"), tokens].concat()).await;
    let answers = [frame(b"#\x01"), frame(b"#\x02"), frame(b"bye")].concat();
    assert_eq!(outcome.sent, [hs_ok("X"), answers].concat());
    assert!(outcome.result.is_ok());
}

#[tokio::test(start_paused = true)]
async fn gssapi_may_begin_without_a_handshake() {
    let rules = rules(obedient("GSSAPI").await);
    // `again` and `yes` are no Kafka headers, as GSSAPI's tokens are none.
    let outcome = run_with(&rules, &[frame(b"again"), frame(b"yes")].concat()).await;
    assert_eq!(outcome.sent, [frame(b"#\x01"), frame(b"bye")].concat());
    assert!(outcome.result.is_ok());
    // Not after a Kafka request.
    let outcome = run_with(&rules, &[hdr2(18, 99, &[]), frame(b"yes")].concat()).await;
    assert_eq!(outcome.result.expect_err("refused").reason, GateFailureReason::MalformedRequest);
    // A Kafka request that does not belong is not a token.
    let outcome = run_with(&rules, &hdr1(3, 1, b"yes")).await;
    outcome.assert_refused(GateFailureReason::UnexpectedRequest, &[], AT_ONCE);
}

/// What a client is sent, with the times of arrival; it stops at the end of the stream.
async fn arrivals(client: &mut DuplexStream) -> Vec<(Duration, Vec<u8>)> {
    let begin = Instant::now();
    let mut all = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = client.read(&mut chunk).await {
        all.push((begin.elapsed(), chunk[..read].to_vec()));
    }
    all
}

/// Runs the gate on `input` and gives what arrived when.
async fn timed(rules: &GateRules, input: &[u8]) -> Vec<(Duration, Vec<u8>)> {
    let (mut client, mut server) = tokio::io::duplex(65_536);
    client.write_all(input).await.expect("write");
    let (versions, peer) = (api_versions(), peer());
    let gate = async {
        let _ = authenticate(&mut server, rules, &versions, &peer).await;
        drop(server);
    };
    let ((), arrived) = tokio::join!(gate, arrivals(&mut client));
    arrived
}

#[tokio::test(start_paused = true)]
async fn only_the_refusal_is_withheld() {
    let rules = rules(plain_only().await);
    let arrived = timed(&rules, &[hs("PLAIN"), sa(b"\0alice\0wrong")].concat()).await;
    assert_eq!(arrived, [(AT_ONCE, HS_OK.to_vec()), (DELAY, sa_58(1, WRONG))]);
    let arrived = timed(&rules, &hs("SCRAM-SHA-256")).await;
    assert_eq!(arrived, [(DELAY, HS_33.to_vec())]);
    // Without a delay.
    let rules = GateRules { failure_delay: Duration::ZERO, ..rules };
    let arrived = timed(&rules, &hs("SCRAM-SHA-256")).await;
    assert_eq!(arrived, [(AT_ONCE, HS_33.to_vec())]);
    // The delay ends at the deadline.
    let deadline = Instant::now() + Duration::from_secs(1);
    let rules = GateRules { failure_delay: Duration::from_secs(60), deadline, ..rules };
    let arrived = timed(&rules, &hs("SCRAM-SHA-256")).await;
    assert_eq!(arrived, [(Duration::from_secs(1), HS_33.to_vec())]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_mechanism_holds_back_no_earlier_answer() {
    let arrived = timed(&rules(obedient("X").await), &[hs("X"), sa(b"slow")].concat()).await;
    assert_eq!(arrived, [(AT_ONCE, hs_ok("X")), (Duration::from_secs(1), sa_token(b"bye"))]);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_delayed_failures_is_bounded() {
    let rules = GateRules { failure_delays: Arc::new(FailureDelays::new(2)), ..rules(plain_only().await) };
    let input = hs("GSSAPI");
    let one = || async { run_with(&rules, &input).await.after };
    let (first, second, third, fourth) = tokio::join!(one(), one(), one(), one());
    assert_eq!([first, second, third, fourth], [DELAY, DELAY, AT_ONCE, AT_ONCE]);
    assert_eq!(rules.failure_delays.waiting(), 0);
    run_with(&rules, &input).await.assert_refused(GateFailureReason::UnsupportedMechanism, HS_33, DELAY);
    // A client that is dropped inside the delay leaves it.
    let gone = tokio::time::timeout(DELAY / 2, run_with(&rules, &input)).await;
    assert!(gone.is_err());
    assert_eq!(rules.failure_delays.waiting(), 0);
}

/// A stream that counts writes and gives its input in one read.
struct Counting {
    input: Vec<u8>,
    writes: usize,
    fail_writes: bool,
}

impl AsyncRead for Counting {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        buf.put_slice(&std::mem::take(&mut self.input));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writes += 1;
        Poll::Ready(if self.fail_writes { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(buf.len()) })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn answers_to_pipelined_frames_are_one_write() {
    let rules = rules(plain_only().await);
    let input = [hdr1(18, 0, &[]), hs("PLAIN"), sa(ALICE)].concat();
    let mut io = Counting { input: input.clone(), writes: 0, fail_writes: false };
    assert!(authenticate(&mut io, &rules, &api_versions(), &peer()).await.is_ok());
    assert_eq!(io.writes, 1);
    // A login that cannot be answered is none.
    let mut io = Counting { input, writes: 0, fail_writes: true };
    let failure = authenticate(&mut io, &rules, &api_versions(), &peer()).await.expect_err("refused");
    assert_eq!((failure.reason, failure.bytes_out, io.writes), (GateFailureReason::Io, 0, 1));
}

/// What a client that has left asked for is dropped, and one that waits may go on talking, but not without end.
#[tokio::test(start_paused = true)]
async fn a_slow_verdict_is_not_awaited_for_nobody() {
    let rules = rules(obedient("X").await);
    let (mut client, mut server) = tokio::io::duplex(1 << 20);
    client.write_all(&[hs("X"), sa(b"never")].concat()).await.expect("fits");
    let leaves = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(client);
    };
    let begin = Instant::now();
    let (versions, peer) = (api_versions(), peer());
    let (result, ()) = tokio::join!(authenticate(&mut server, &rules, &versions, &peer), leaves);
    assert_eq!(result.expect_err("refused").reason, GateFailureReason::PeerClosed);
    assert_eq!(begin.elapsed(), Duration::from_secs(2));

    let (mut client, mut server) = tokio::io::duplex(1 << 20);
    let login = [hs("X"), sa(b"slow")].concat();
    let behind = vec![7; 100_000];
    client.write_all(&[&login[..], &behind].concat()).await.expect("fits");
    let authenticated = authenticate(&mut server, &rules, &versions, &peer).await.expect("authenticated");
    assert!(authenticated.unread.len() <= 2 * 4096, "{}", authenticated.unread.len());
    assert_eq!(authenticated.bytes_in, (login.len() + authenticated.unread.len()) as u64);
}
