//! H-170 to H-184: what a client may say in an OAUTHBEARER exchange. Each row runs at a real broker and at doorkeeper, both with the
//! unsecured validator; where doorkeeper is stricter, the row says so.

use bytes::Bytes;
use libtest_mimic::Trial;
use proto_tests::bearer::Listener;
use proto_tests::jose;
use proto_tests::oauthbearer::{INVALID, Outcome, exchange, step};
use proto_tests::wire::{Conn, End};
use proto_tests::{Result, check, check_eq, progress};
use serde_json::json;
use std::time::Duration;

use super::{Target, each};

pub fn trials() -> Vec<Trial> {
    [
        each("exchange::first_messages", first_messages),
        each("exchange::after_a_refusal", after_a_refusal),
        each("exchange::silence_after_a_refusal", silence),
        each("exchange::required_scope", required_scope),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const GENERIC: &str =
    "Authentication failed during authentication due to invalid credentials with SASL mechanism OAUTHBEARER";

/// What has to come of a first message.
#[derive(Clone)]
enum Want {
    In,
    Refused,
    Error(String),
    Closed,
    /// Not run there: the regular expression of the broker's parser overflows the stack, and the client is left without an answer.
    Hangs,
}

struct Row {
    id: &'static str,
    message: Vec<u8>,
    kafka: Want,
    /// Where it differs.
    front: Option<Want>,
}

fn row(id: &'static str, message: impl AsRef<[u8]>, kafka: Want) -> Row {
    Row { id, message: message.as_ref().to_vec(), kafka, front: None }
}

impl Row {
    fn but_front(mut self, want: Want) -> Row {
        self.front = Some(want);
        self
    }
}

fn alice() -> String {
    jose::unsecured(&json!({"sub": "alice", "iat": jose::now(), "exp": jose::now() + 600}))
}

fn other_id(authzid: &str) -> Want {
    Want::Error(format!(
        "Authentication failed: Client requested an authorization id ({authzid}) that is different from the token's principal name (alice)"
    ))
}

fn rows() -> Vec<Row> {
    let token = alice();
    let malformed = || Want::Error(GENERIC.to_owned());
    let bad = |id, message: String| row(id, message, malformed());
    let auth = format!("auth=Bearer {token}");
    let with = |pair: &str| format!("n,,\x01{auth}\x01{pair}\x01\x01");
    let mut rows = vec![
        row("H-170", format!("n,,\x01{auth}\x01\x01"), Want::In),
        row("H-170 own authzid", format!("n,a=alice,\x01{auth}\x01\x01"), Want::In),
        row("H-170 extensions", with("host=kafka\x01port=9092\x01trace=a b\t\r\n\"\\"), Want::In),
        row("H-171", format!("n,a=other,\x01{auth}\x01\x01"), other_id("other")),
        row("H-171 case", format!("n,a=Alice,\x01{auth}\x01\x01"), other_id("Alice")),
        row("H-171 escaped", format!("n,a==2Calice,\x01{auth}\x01\x01"), other_id("=2Calice")),
        bad("H-171 bad escape", format!("n,a=al=ice,\x01{auth}\x01\x01")),
        bad("H-171 empty", format!("n,a=,\x01{auth}\x01\x01")),
        bad("H-172 y", format!("y,,\x01{auth}\x01\x01")),
        bad("H-172 p", format!("p=tls-unique,,\x01{auth}\x01\x01")),
        bad("H-172 nothing", String::new()),
        bad("H-173 one", format!("n,,\x01{auth}\x01")),
        bad("H-173 none", format!("n,,\x01{auth}")),
        bad("H-173 three", format!("n,,\x01{auth}\x01\x01\x01")),
        bad("H-174 no auth", "n,,\x01host=a\x01\x01".to_owned()),
        bad("H-174 no pair", "n,,\x01\x01".to_owned()),
        // Of two the last wins in Kafka, whoever reads the first.
        row("H-174 two", format!("n,,\x01auth=Bearer a.b.c\x01{auth}\x01\x01"), Want::In).but_front(malformed()),
        row("H-175 lower", format!("n,,\x01auth=bearer {token}\x01\x01"), Want::In),
        row("H-175 upper", format!("n,,\x01auth=BEARER {token}\x01\x01"), Want::In),
        row("H-175 two blanks", format!("n,,\x01auth=Bearer  {token}\x01\x01"), Want::In),
        bad("H-175 tab", format!("n,,\x01auth=Bearer\t{token}\x01\x01")),
        bad("H-175 no blank", format!("n,,\x01auth=Bearer{token}\x01\x01")),
        bad("H-175 blank behind", format!("n,,\x01auth=Bearer {token} \x01\x01")),
        row("H-176", "n,,\x01auth=Basic dXNlcjpw\x01\x01", Want::Closed).but_front(malformed()),
        bad("H-177 CRLF", format!("n,,\x01auth=Bearer {token}\r\nSet-Cookie: x\x01\x01")),
        bad("H-177 quote", "n,,\x01auth=Bearer \"}\x01\x01".to_owned()),
        bad("H-177 script", "n,,\x01auth=Bearer </script>\x01\x01".to_owned()),
        bad("H-178 empty value", with("host=")),
        bad("H-178 digit", with("1a=x")),
        bad("H-178 dash", with("a-b=x")),
        bad("H-178 blank", with("a b=x")),
        bad("H-178 no name", with("=x")),
        bad("H-178 no sign", with("host")),
        bad("H-179 NUL", with("a=\0")),
        bad("H-179 DEL", with("a=\x7f")),
        bad("H-179 UTF-8", with("a=\u{e4}")),
        row("H-179 no UTF-8", [with("a=").as_bytes(), b"\xff"].concat(), malformed()),
        row("H-180 32 extensions", with(&many(32)), Want::In),
        row("H-180 5000 extensions", with(&many(5000)), Want::Hangs).but_front(malformed()),
        row("H-180 400 KiB", with(&format!("a={}", "v".repeat(400 << 10))), Want::In).but_front(malformed()),
    ];
    for (id, token) in [
        ("H-184 .", "."),
        ("H-184 ..", ".."),
        ("H-184 two parts", "a.b"),
        ("H-184 four", "a.b.c.d"),
        ("H-184 five", "a.b.c.d.e"),
    ] {
        rows.push(row(id, format!("n,,\x01auth=Bearer {token}\x01\x01"), Want::Refused));
    }
    rows.push(bad("H-184 no token", "n,,\x01auth=Bearer \x01\x01".to_owned()));
    rows
}

/// So many extensions with names of their own.
fn many(count: usize) -> String {
    let name = |n: usize| n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect::<String>();
    (0..count).map(|n| format!("x{}=1", name(n))).collect::<Vec<_>>().join("\x01")
}

fn first_messages(target: Target) -> Result<()> {
    let at = target.at(Listener::Unsecured)?;
    let (mut wrong, rows) = (Vec::new(), rows());
    for Row { id, message, kafka, front } in &rows {
        let want = match (target, front) {
            (Target::Front, Some(front)) => front,
            _ => kafka,
        };
        if matches!(want, Want::Hangs) {
            continue;
        }
        let got = exchange(&mut Conn::open(at)?, Bytes::copy_from_slice(message)).map_err(|e| format!("{id}: {e}"))?;
        let is_so = match (&got, want) {
            (Outcome::In(_), Want::In) | (Outcome::Closed, Want::Closed) => true,
            (Outcome::Refused { challenge, code, text }, Want::Refused) => {
                (challenge.as_str(), *code, text.as_deref()) == (INVALID, 58, Some(INVALID))
            }
            (Outcome::Error { code: 58, text }, Want::Error(want)) => text.as_deref() == Some(want),
            _ => false,
        };
        if !is_so {
            wrong.push(format!("{id}: {got:?}"));
        }
    }
    progress(format!("{}: {} rows", target.name(), rows.len()));
    check!(wrong.is_empty(), "not as they should be:\n{}", wrong.join("\n"));
    Ok(())
}

/// H-181, H-182. Kafka judges whatever comes next, as often as it comes.
fn after_a_refusal(target: Target) -> Result<()> {
    let at = target.at(Listener::Unsecured)?;
    let good = Bytes::from(format!("n,,\x01auth=Bearer {}\x01\x01", alice()));
    let bad = Bytes::from_static(b"n,,\x01auth=Bearer a.b.c\x01\x01");
    let refused = || -> Result<Conn> {
        let mut conn = Conn::open(at)?;
        conn.handshake("OAUTHBEARER")?;
        let reply = step(&mut conn, bad.clone())?;
        check_eq!((reply.error_code, &reply.auth_bytes[..]), (0, INVALID.as_bytes()), "what a bad token gives");
        Ok(conn)
    };
    let mut conn = refused()?;
    let last = step(&mut conn, Bytes::from_static(b"\x01"))?;
    check_eq!((last.error_code, last.error_message.as_deref()), (58, Some(INVALID)), "what the acknowledgement gives");
    check_eq!(conn.outcome(Duration::from_secs(20)).end, End::Closed, "the end behind it");

    let mut conn = refused()?;
    match target {
        Target::Kafka => {
            for n in 0..100 {
                let reply = step(&mut conn, bad.clone())?;
                check_eq!(reply.error_code, 0, "bad token {n} on the same connection");
            }
            check_eq!(step(&mut conn, good)?.error_code, 0, "a good one behind them");
        }
        Target::Front => {
            let reply = step(&mut conn, good)?;
            check_eq!(
                (reply.error_code, reply.error_message.as_deref()),
                (58, Some(GENERIC)),
                "a good token behind a bad one"
            );
            check_eq!(conn.outcome(Duration::from_secs(20)).end, End::Closed, "the end behind it");
        }
    }
    for other in [&b""[..], b"\x01\x01", b"\x02"] {
        let reply = step(&mut refused()?, Bytes::from_static(other))?;
        check_eq!(
            (reply.error_code, reply.error_message.as_deref()),
            (58, Some(GENERIC)),
            "{other:?} behind a bad token"
        );
    }
    // Nothing to be acknowledged.
    let mut conn = Conn::open(at)?;
    conn.handshake("OAUTHBEARER")?;
    let reply = step(&mut conn, Bytes::from_static(b"\x01"))?;
    check_eq!((reply.error_code, reply.error_message.as_deref()), (58, Some(GENERIC)), "0x01 at first");
    Ok(())
}

/// H-183. A broker waits as long as `connections.max.idle.ms` says; doorkeeper till its deadline.
fn silence(target: Target) -> Result<()> {
    let mut conn = Conn::open(target.at(Listener::Unsecured)?)?;
    conn.handshake("OAUTHBEARER")?;
    step(&mut conn, Bytes::from_static(b"n,,\x01auth=Bearer a.b.c\x01\x01"))?;
    let (limit, end) = match target {
        Target::Kafka => (Duration::from_secs(3), End::Open),
        Target::Front => (Duration::from_secs(40), End::Closed),
    };
    let seen = conn.outcome(limit);
    check_eq!((seen.end, seen.bytes.len()), (end, 0), "what silence gives");
    Ok(())
}

fn required_scope(target: Target) -> Result<()> {
    let at = target.at(Listener::Options)?;
    let now = jose::now();
    let show = |claims: serde_json::Value| {
        let message = format!("n,,\x01auth=Bearer {}\x01\x01", jose::unsecured(&claims));
        exchange(&mut Conn::open(at)?, message.into())
    };
    let told = r#"{"status":"insufficient_scope", "scope":"[read, write]"}"#;
    for roles in [json!("read"), json!(["write"]), json!([]), json!("read write")] {
        let got = show(json!({"name": "alice", "roles": roles, "exp": now + 60}))?;
        let want = Outcome::Refused { challenge: told.into(), code: 58, text: Some(told.into()) };
        check_eq!(got, want, "roles {roles}");
    }
    // The skew of 5 s, and a session that has no time left.
    let late = show(json!({"name": "alice", "roles": ["write", "read"], "exp": now - 2}))?;
    check_eq!(late, Outcome::In(0), "a token that has ended within the skew");
    let gone = show(json!({"name": "alice", "roles": ["write", "read"], "exp": now - 60}))?;
    check!(matches!(gone, Outcome::Refused { .. }), "one that has ended before: {gone:?}");
    Ok(())
}
