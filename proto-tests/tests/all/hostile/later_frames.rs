//! H-040 to H-076: API keys, versions and order before authentication; a few rows behind it.

use proto_tests::hostile::{Case, Ending::*, Expect, Listener, Reply, Step};
use proto_tests::wire::bytes::{
    accepted, api_versions3, authenticate, blob, cat, framed, handshake, handshake_reply, hdr1, hdr2, i16s, i32s,
    refused, string, version_fallback,
};

use super::{Differ, after_handshake, after_login, exactly, listed, nothing, row, send, versions0, versions3};

const AFTER: &str = "SaslAuthenticate request received after successful authentication";
const THREE: &str = "Invalid SASL/PLAIN response: expected 3 tokens, got";
/// What doorkeeper says of a token that it does not look into because of its length.
pub const TOO_LONG: &str =
    "Authentication failed during authentication due to invalid credentials with SASL mechanism PLAIN";
const WRONG: &str = "Authentication failed: Invalid username or password";

pub fn cases() -> Vec<Case> {
    [order(), versions(), mechanisms(), tokens(), pipelines(), no_sasl(), after()].into_iter().flatten().collect()
}

fn order() -> Vec<Case> {
    let key = |key: i16, version: i16| framed(&cat(&[&hdr1(key, version), &[0; 16]]));
    let unread = |id: &str, steps| row(id, steps, nothing(AtOnce));
    let mut all = Vec::new();
    for k in [-1, 200, 32_767] {
        all.push(unread(&format!("H-040 key {k} first"), send(key(k, 0))));
    }
    for (k, v) in [(4, 0), (6, 0), (58, 0)] {
        all.push(unread(&format!("H-045 key {k} first"), send(key(k, v))));
    }
    let twice = |second: Vec<u8>| vec![Step::Send(versions3()), Step::Skip(1), Step::Send(second)];
    all.extend([
        row("H-041 key -1 after ApiVersions", twice(key(-1, 0)), nothing(AtOnce)),
        unread("H-042 Metadata first", send(metadata1())),
        unread("H-043 Produce acks=0 first", send(cat(&[&key(0, 3), &versions3(), &handshake(1, b"PLAIN")]))),
        unread("H-044 SaslAuthenticate first", send(authenticate(b"\0alice\0alice-secret"))),
        row("H-051 ApiVersions twice", twice(versions3()), nothing(AtOnce)),
        row(
            "H-053 ApiVersions after the handshake",
            after_handshake(versions0()),
            exactly(framed(&cat(&[&i32s(1), &i16s(34), &i32s(0)])), Delayed),
        ),
        row("H-054 Metadata after the handshake", after_handshake(metadata1()), exactly(metadata1_refused(), Delayed))
            // Doorkeeper does not read the body before the login, so its refusal names no topic.
            .but_front(exactly(framed(&cat(&[&i32s(1), &i32s(0), &i32s(-1), &i32s(0)])), Delayed)),
        row(
            "H-055 handshake twice",
            after_handshake(handshake(1, b"PLAIN")),
            exactly(framed(&cat(&[&i32s(1), &i16s(34), &i32s(0)])), Delayed),
        ),
        row(
            "H-055b CreateTopics bomb after the handshake",
            after_handshake(framed(&cat(&[&hdr1(19, 2), &i32s(i32::MAX), &[0; 64]]))),
            nothing(Closed),
        )
        .not_kafka(),
    ]);
    all
}

fn metadata1() -> Vec<u8> {
    framed(&cat(&[&hdr1(3, 1), &i32s(1), &string(b"x")]))
}

/// Metadata v1 about one topic that gets error 34: no brokers, controller -1.
fn metadata1_refused() -> Vec<u8> {
    framed(&cat(&[&i32s(1), &i32s(0), &i32s(-1), &i32s(1), &i16s(34), &string(b"x"), &[0], &i32s(0)]))
}

fn versions() -> Vec<Case> {
    let mut all: Vec<Case> =
        (0..=2).map(|v| row(&format!("H-046 ApiVersions v{v}"), send(framed(&hdr1(18, v))), listed(1))).collect();
    for v in [3, 4] {
        let body = cat(&[&hdr2(18, v), &[2, b't', 2, b'1', 0]]);
        all.push(row(&format!("H-046 ApiVersions v{v}"), send(framed(&body)), listed(1)));
    }
    let unknown = framed(&cat(&[&hdr2(18, 99), b"anything"]));
    all.extend([
        row("H-047 ApiVersions v99", send(unknown.clone()), exactly(version_fallback(), Open)),
        row("H-048 ApiVersions v-1", send(framed(&hdr1(18, -1))), exactly(version_fallback(), Open)),
        row(
            "H-049 ApiVersions v99 1000 times",
            send(unknown.repeat(1000)),
            exactly(version_fallback().repeat(1000), Open),
        )
        .but_front(Expect { reply: Reply::AtMost(3), end: Closed }),
        row("H-050 software name of 30000", send(api_versions3(&[b'n'; 30_000], b"1")), listed(1)),
        row("H-052 software name null", send(framed(&cat(&[&hdr2(18, 3), &[0, 2, b'1', 0]]))), nothing(AtOnce)),
    ]);
    let bad = exactly(framed(&cat(&[&i32s(1), &i16s(42), &[1], &i32s(0), &[0]])), Open);
    for name in ["a b", "", "-a", "a-", "ä"] {
        all.push(row(
            &format!("H-050 software name {name:?}"),
            send(api_versions3(name.as_bytes(), b"1")),
            bad.clone(),
        ));
        all.push(row(
            &format!("H-050 software version {name:?}"),
            send(api_versions3(b"t", name.as_bytes())),
            bad.clone(),
        ));
    }
    all
}

fn mechanisms() -> Vec<Case> {
    let mut all = Vec::new();
    for v in [2, -1, 32_767] {
        all.push(row(&format!("H-056 SaslHandshake v{v}"), send(handshake(v, b"PLAIN")), nothing(AtOnce)));
    }
    all.push(row("H-057 mechanism null", send(framed(&cat(&[&hdr1(17, 1), &i16s(-1)]))), nothing(AtOnce)));
    for name in ["", "plain", "PLAIN ", "PLAIN\0", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "ANONYMOUS", "EXTERNAL"] {
        let expect = exactly(handshake_reply(33), Delayed);
        all.push(row(&format!("H-058 mechanism {name:?}"), send(handshake(1, name.as_bytes())), expect));
    }
    all.extend([
        row("H-059 mechanism of 32767", send(handshake(1, &[b'A'; 32_767])), exactly(handshake_reply(33), Delayed)),
        row(
            "H-060 mechanism longer than the frame",
            send(framed(&cat(&[&hdr1(17, 1), &i16s(6), b"PLAIN"]))),
            nothing(AtOnce),
        ),
        row("H-061 GSSAPI is not enabled", send(handshake(1, b"GSSAPI")), exactly(handshake_reply(33), Delayed)),
        row("H-061 v0", send(handshake(0, b"GSSAPI")), exactly(handshake_reply(33), Delayed)),
    ]);
    all
}

fn tokens() -> Vec<Case> {
    let raw = |token: &[u8]| vec![Step::Send(handshake(0, b"PLAIN")), Step::Skip(1), Step::Send(framed(token))];
    let sa1 = |tail: &[u8]| after_handshake(framed(&cat(&[&hdr1(36, 1), tail])));
    vec![
        row(
            "H-062 SaslAuthenticate after handshake v0",
            raw(&authenticate(b"\0alice\0alice-secret")[4..]),
            nothing(Delayed),
        ),
        row("H-062b right raw token", raw(b"\0alice\0alice-secret"), exactly(vec![0; 4], Open)),
        row("H-062c wrong raw token", raw(b"\0alice\0wrong-pass-canary"), nothing(Delayed)),
        row("H-063 raw token after handshake v1", after_handshake(framed(b"\0alice\0alice-secret")), nothing(AtOnce)),
        row("H-064 SaslAuthenticate v2 null", after_handshake(framed(&cat(&[&hdr2(36, 2), &[0, 0]]))), nothing(AtOnce)),
        row("H-065 token length -1", sa1(&i32s(-1)), nothing(AtOnce)),
        row("H-066 token longer than the frame", sa1(&cat(&[&i32s(6), b"12345"])), nothing(AtOnce)),
        row("H-066 token length 2^31-1", sa1(&i32s(i32::MAX)), nothing(AtOnce)),
        row(
            "H-067 SaslAuthenticate v99",
            after_handshake(framed(&cat(&[&hdr2(36, 99), &blob(b"x")]))),
            nothing(AtOnce),
        ),
        row(
            "H-067 SaslAuthenticate v-1",
            after_handshake(framed(&cat(&[&hdr1(36, -1), &blob(b"x")]))),
            nothing(AtOnce),
        ),
        row(
            "H-068 token of length 0",
            after_handshake(authenticate(b"")),
            exactly(refused(58, &format!("{THREE} 1")), Delayed),
        ),
        row(
            "H-069 token of 524000",
            after_handshake(authenticate(&[b'a'; 524_000])),
            exactly(refused(58, &format!("{THREE} 1")), Delayed),
        )
        .but_front(exactly(refused(58, TOO_LONG), Delayed)),
    ]
}

fn pipelines() -> Vec<Case> {
    let mut all = Vec::new();
    for id in [0, 7, -1, i32::MIN, i32::MAX] {
        let mut frame = versions0();
        frame[8..12].copy_from_slice(&i32s(id));
        let expect = Expect { reply: Reply::Frames(vec![cat(&[&i32s(id), &i16s(0)])]), end: Open };
        all.push(row(&format!("H-070 correlation id {id}"), send(frame), expect));
    }
    let all_in_one = |password: &[u8], more: usize| {
        cat(&[
            &versions3(),
            &handshake(1, b"PLAIN"),
            &authenticate(&cat(&[b"\0alice\0", password])),
            &metadata1().repeat(more),
        ])
    };
    let ok = |head: Vec<u8>| head[4..].to_vec();
    all.extend([
        row(
            "H-071 request in the segment of the token",
            send(all_in_one(b"alice-secret", 1)),
            Expect {
                reply: Reply::Frames(vec![
                    cat(&[&i32s(1), &i16s(0)]),
                    ok(handshake_reply(0)),
                    ok(accepted()),
                    i32s(1).to_vec(),
                ]),
                end: Open,
            },
        ),
        row(
            "H-072 100 requests behind a wrong token",
            send(all_in_one(b"wrong-pass-canary", 100)),
            Expect {
                reply: Reply::Frames(vec![cat(&[&i32s(1), &i16s(0)]), ok(handshake_reply(0)), ok(refused(58, WRONG))]),
                end: Delayed,
            },
        ),
        row(
            "H-074 client leaves inside the delay",
            [after_handshake(authenticate(b"\0a\0b")), vec![Step::Reset]].concat_steps(),
            nothing(Gone),
        ),
    ]);
    all
}

fn no_sasl() -> Vec<Case> {
    let mut all = vec![
        row(
            "H-075 SaslHandshake without SASL",
            send(handshake(1, b"PLAIN")),
            exactly(framed(&cat(&[&i32s(1), &i16s(34), &i32s(0)])), Open),
        ),
        row("H-076 SaslAuthenticate without SASL", send(authenticate(b"x")), exactly(refused(34, AFTER), Open)),
        row("H-232 unknown key without SASL", send(framed(&hdr1(200, 0))), nothing(AtOnce)),
        row("H-001 size -1 without SASL", send(vec![0xff; 4]), nothing(AtOnce)),
        row(
            "H-230 frame of 100 MiB and 1 without SASL",
            send(((100 << 20) + 1i32).to_be_bytes().to_vec()),
            nothing(AtOnce),
        ),
        row("H-006 empty frame without SASL", send(vec![0; 4]), nothing(AtOnce)),
    ];
    all.iter_mut().for_each(|case| case.listener = Listener::Plaintext);
    all
}

/// H-128 and H-230 to H-240: behind a login, where nothing but the connection is at stake.
fn after() -> Vec<Case> {
    let closes = |id: &str, frame: Vec<u8>| row(id, after_login(frame), nothing(AtOnce));
    vec![
        row(
            "H-128 SaslAuthenticate after success",
            after_login(authenticate(b"\0alice\0alice-secret")),
            exactly(refused(34, AFTER), Open),
        ),
        row(
            "H-235 SaslHandshake after success",
            after_login(handshake(1, b"PLAIN")),
            exactly(framed(&cat(&[&i32s(1), &i16s(34), &i32s(0)])), Open),
        ),
        row("H-233 ApiVersions after success", after_login(versions3()), listed(1)),
        row(
            "H-233 ApiVersions v99 after success",
            after_login(framed(&cat(&[&hdr2(18, 99), b"x"]))),
            exactly(version_fallback(), Open),
        ),
        closes("H-230 frame of 100 MiB and 1", ((100 << 20) + 1i32).to_be_bytes().to_vec()),
        closes("H-230 size -1", vec![0xff; 4]),
        closes("H-232 key 200", framed(&hdr1(200, 0))),
        closes("H-232 key -1", framed(&hdr1(-1, 0))),
        closes("H-232 LeaderAndIsr", framed(&hdr1(4, 0))),
        closes("H-232 Vote of the controllers", framed(&cat(&[&hdr2(52, 0), &[1, 1, 0]]))),
        closes("H-232 Metadata v14", framed(&cat(&[&hdr2(3, 14), &[0, 0, 0, 0]]))),
        closes("H-232 Metadata v-1", framed(&cat(&[&hdr1(3, -1), &i32s(0)]))),
        closes("H-232 Produce v2", framed(&cat(&[&hdr1(0, 2), &i16s(1), &i32s(1000), &i32s(0)]))),
        closes("H-232 SaslHandshake v2", framed(&cat(&[&hdr1(17, 2), &string(b"PLAIN")]))),
        closes("H-240 Metadata of 2^31-1 topics", framed(&cat(&[&hdr1(3, 1), &i32s(i32::MAX)]))),
        closes("H-240 Metadata cut short", framed(&cat(&[&hdr1(3, 1), &i32s(2), &string(b"x")]))),
        closes("H-240 FindCoordinator null key", framed(&cat(&[&hdr1(10, 0), &i16s(-1)]))),
    ]
}

trait ConcatSteps {
    fn concat_steps(self) -> Vec<Step>;
}

impl ConcatSteps for [Vec<Step>; 2] {
    fn concat_steps(self) -> Vec<Step> {
        self.into_iter().flatten().collect()
    }
}
