//! A known client authenticates anew, or tries to: what is answered, byte for byte, and when it ends (KIP-368). A running broker is
//! held against the same in `proto-tests`.

use std::borrow::Cow;

use bytes::Bytes;

use super::*;
use crate::sasl::mechanism::{AuthnError, BoxFuture, Mechanism, Rejection, ServerExchange, Step, Verified};
use crate::sasl::shared::FactoryInput;

/// Lets everyone in who says a name and for how many seconds, such as `alice 5`; `alice` alone is for ever. The rest is refused in
/// Kafka's general words.
struct Naming(MechanismName);

impl Mechanism for Naming {
    fn name(&self) -> &MechanismName {
        &self.0
    }

    fn max_token_len(&self) -> usize {
        100
    }

    fn start(&self, _peer: &Peer) -> Box<dyn ServerExchange> {
        Box::new(Named)
    }

    fn must_reject(&self) -> Vec<Bytes> {
        vec![Bytes::new()]
    }
}

struct Named;

impl ServerExchange for Named {
    fn step(self: Box<Self>, token: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>> {
        let said = String::from_utf8_lossy(&token).into_owned();
        let (name, seconds) = said.split_once(' ').unwrap_or((&said, ""));
        let lifetime = (!seconds.is_empty()).then(|| Duration::from_secs(seconds.parse().expect("seconds")));
        let verified = Verified { lifetime, ..Verified::new(KafkaPrincipal::user(name)) };
        let result = match name {
            "" => Err(AuthnError::Rejected(Rejection::InvalidCredentials)),
            "worded" => Err(AuthnError::Rejected(Rejection::Text(Cow::Borrowed("its own words")))),
            _ => Ok(Step::Success { token: Bytes::new(), verified }),
        };
        Box::pin(std::future::ready(result))
    }
}

/// The mechanisms `X` and `Y`, with these limits on sessions in milliseconds.
async fn naming(limits: [&str; 2]) -> Arc<Mechanisms> {
    let mut registry = Registry::new();
    let mut enabled = Vec::new();
    for (name, limit) in ["X", "Y"].into_iter().zip(limits) {
        let factory = move |_: &FactoryInput<'_>| {
            Ok(Arc::new(Naming(MechanismName::new(name).expect("name"))) as Arc<dyn Mechanism>)
        };
        registry.register(name, factory).expect("registered");
        let properties = HashMap::from([("connections.max.reauth.ms".to_owned(), limit.to_owned())]);
        enabled.push(MechanismConfig {
            name: name.to_owned(),
            jaas: JaasContext::default(),
            properties,
            oauthbearer: None,
        });
    }
    build(&registry, enabled).await
}

/// The answer to a good handshake.
const XY: &[u8] = &[0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 1, b'X', 0, 1, b'Y'];

/// `alice`, who has used `X`, sends `already_read`, which the relay has read, and `input`.
async fn again(mechanisms: Arc<Mechanisms>, already_read: &[u8], input: &[u8]) -> Outcome {
    let (mut client, mut server) = tokio::io::duplex(8 << 20);
    client.write_all(input).await.expect("fits");
    let begin = Instant::now();
    let (principal, mechanism) = (KafkaPrincipal::user("alice"), MechanismName::new("X").expect("name"));
    let previous = Previous { principal: &principal, mechanism: &mechanism };
    let rules = rules(mechanisms);
    let result = reauthenticate(&mut server, BytesMut::from(already_read), &rules, previous, &peer()).await;
    let after = begin.elapsed();
    drop(server);
    Outcome { result, sent: read_all(&mut client).await, after }
}

fn lifetime_of(sent: &[u8]) -> i64 {
    i64::from_be_bytes(*sent.last_chunk().expect("SaslAuthenticate v1"))
}

#[tokio::test(start_paused = true)]
async fn a_session_lasts_until_the_earlier_of_its_two_ends() {
    let hour = 3_600_000;
    let table = [
        // Limits of the mechanism, what the credential says, what the client is told.
        ("0", "alice", None),
        ("-1", "alice", None),
        ("5000", "alice", Some(5000)),
        ("0", "alice 3600", Some(hour)),
        ("-7", "alice 3600", Some(hour)),
        ("5000", "alice 3600", Some(5000)),
        ("5000", "alice 3", Some(3000)),
        // The credential has ended within the clock skew: known, and over at once.
        ("5000", "alice 0", Some(0)),
        ("9223372036854775807", "alice", Some(i64::MAX)),
    ];
    for (limit, token, told) in table {
        let mechanisms = naming([limit, "7"]).await;
        for first in [true, false] {
            let outcome = if first {
                run_with(&rules(mechanisms.clone()), &[hs("X"), sa(token.as_bytes())].concat()).await
            } else {
                again(mechanisms.clone(), &hs("X"), &sa(token.as_bytes())).await
            };
            assert_eq!(lifetime_of(&outcome.sent), told.unwrap_or_default(), "{limit} {token}");
            let ends = outcome.result.expect("authenticated").proof.ends();
            // A limit that no clock reaches is none.
            let expected = told.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms as u64)));
            assert_eq!(ends, expected, "{limit} {token}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_also_where_the_client_cannot_be_told() {
    let mechanisms = naming(["5000", "0"]).await;
    let table = [
        (hs_v(0, "X"), frame(b"alice"), frame([]), false),
        (hs("X"), sa_v(0, b"alice"), sa_ok(0), false),
        (hs("X"), sa_v(1, b"alice"), frame([&[0; 3][..], &[1], &[0; 14], &[0x13, 0x88]].concat()), true),
    ];
    for (handshake, token, answer, can_reauthenticate) in table {
        let outcome = run_with(&rules(mechanisms.clone()), &[handshake.clone(), token.clone()].concat()).await;
        assert_eq!(outcome.sent, [XY, &answer].concat());
        let authenticated = outcome.result.expect("authenticated");
        assert_eq!(authenticated.can_reauthenticate, can_reauthenticate);
        assert_eq!(authenticated.proof.ends(), Some(Instant::now() + Duration::from_secs(5)));
        // It may change its mind from one time to the next.
        let outcome = again(mechanisms.clone(), &handshake, &token).await;
        assert_eq!(outcome.sent, [XY, &answer].concat());
        assert!(outcome.result.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_principal_by_the_same_mechanism() {
    let mechanisms = naming(["0", "0"]).await;
    let behind = [sa(b"alice"), b"behind".to_vec()].concat();
    // However the bytes are spread over what the relay has read and what comes.
    let all = [hs("X"), behind.clone()].concat();
    for cut in [0, 4, 9, hs("X").len(), hs("X").len() + 5, all.len()] {
        let outcome = again(mechanisms.clone(), &all[..cut], &all[cut..]).await;
        assert_eq!(outcome.sent, [XY, &sa_ok(1)].concat(), "{cut}");
        let authenticated = outcome.result.expect("authenticated");
        assert_eq!(authenticated.unread[..], *b"behind");
        let read = (all.len() - cut) as u64;
        assert_eq!((authenticated.bytes_in, authenticated.bytes_out), (read, outcome.sent.len() as u64));
    }

    let changed = "Cannot change principals during re-authentication from User.alice: User.bob";
    let outcome = again(mechanisms.clone(), &hs("X"), &sa(b"bob")).await;
    outcome.assert_refused(GateFailureReason::PrincipalChanged, &[XY, &sa_58(1, changed)].concat(), DELAY);
    // There is no way to say so to a client of raw tokens.
    let outcome = again(mechanisms.clone(), &hs_v(0, "X"), &frame(b"bob")).await;
    outcome.assert_refused(GateFailureReason::PrincipalChanged, XY, DELAY);

    // Another mechanism is answered as a good one; what comes next is not, whatever it is.
    for next in [sa(b"alice"), frame(b"alice"), hdr1(18, 0, &[]), frame([])] {
        let outcome = again(mechanisms.clone(), &hs("Y"), &next).await;
        outcome.assert_refused(GateFailureReason::MechanismChanged, XY, DELAY);
        assert_eq!(outcome.result.expect_err("refused").mechanism.map(|m| m.to_string()).as_deref(), Some("Y"));
    }
    // One that is not enabled, or not any more, gets no answer at all.
    for other in ["Z", "x", ""] {
        let outcome = again(mechanisms.clone(), &hs(other), &sa(b"alice")).await;
        outcome.assert_refused(GateFailureReason::UnsupportedMechanism, &[], AT_ONCE);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_said_in_other_words_than_at_a_login() {
    let mechanisms = naming(["0", "0"]).await;
    let table = [
        (&b""[..], "Authentication failed during re-authentication due to invalid credentials with SASL mechanism X"),
        (b"worded", "its own words"),
        (
            &[b'a'; 101],
            "Authentication failed during re-authentication due to invalid credentials with SASL mechanism X",
        ),
    ];
    for (token, text) in table {
        let outcome = again(mechanisms.clone(), &hs("X"), &sa(token)).await;
        assert_eq!((outcome.sent, outcome.after), ([XY, &sa_58(1, text)].concat(), DELAY));
    }
    let login = "Authentication failed during authentication due to invalid credentials with SASL mechanism X";
    let outcome = run_with(&rules(mechanisms), &[hs("X"), sa(b"")].concat()).await;
    outcome.assert_refused(GateFailureReason::RejectedCredentials, &[XY, &sa_58(1, login)].concat(), DELAY);
}

#[tokio::test(start_paused = true)]
async fn nothing_else_belongs_between_handshake_and_proof() {
    let mechanisms = naming(["0", "0"]).await;
    let answered = |reply: &[u8]| [XY, reply].concat();
    let outcome = again(mechanisms.clone(), &hs("X"), &hdr1(18, 0, &[])).await;
    let reply = frame([0, 0, 0, 1, 0, 34, 0, 0, 0, 0]);
    outcome.assert_refused(GateFailureReason::UnexpectedRequest, &answered(&reply), DELAY);
    let outcome = again(mechanisms.clone(), &hs("X"), &hs("X")).await;
    outcome.assert_refused(GateFailureReason::UnexpectedRequest, &answered(HS_34), DELAY);
    let outcome = again(mechanisms.clone(), &hs("X"), &hdr1(1, 4, &[])).await;
    outcome.assert_refused(GateFailureReason::UnexpectedRequest, XY, DELAY);
    let outcome = again(mechanisms.clone(), &hs("X"), &(MAX_RECEIVE_SIZE + 1).to_be_bytes()).await;
    outcome.assert_refused(GateFailureReason::InvalidReceiveSize, XY, DELAY);
    // What looks like another protocol is a size after all: the client has spoken Kafka before.
    let outcome = again(mechanisms.clone(), &hs("X"), b"GET / HTTP/1.1\r\n").await;
    outcome.assert_refused(GateFailureReason::InvalidReceiveSize, XY, DELAY);
    // The client says nothing more.
    let outcome = again(mechanisms.clone(), &hs("X"), &[]).await;
    outcome.assert_refused(GateFailureReason::Deadline, XY, DEADLINE);
    let outcome = again(mechanisms.clone(), &hs("X")[..9], &[]).await;
    outcome.assert_refused(GateFailureReason::Deadline, &[], DEADLINE);
    // Its handshake promises more than it holds.
    let outcome = again(mechanisms, &hdr1(17, 1, &[0, 9, b'X']), &[]).await;
    outcome.assert_refused(GateFailureReason::MalformedRequest, &[], AT_ONCE);
}
