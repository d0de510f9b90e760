//! H-110 to H-127: PLAIN tokens.

use proto_tests::hostile::{Case, Ending::*};
use proto_tests::wire::bytes::{accepted, authenticate, cat, refused};

use super::later_frames::TOO_LONG;
use super::{Differ, after_handshake, exactly, row};

const WRONG: &str = "Authentication failed: Invalid username or password";
/// Where Kafka puts U+FFFD in the place of such bytes, doorkeeper refuses: two names must never become one.
const NOT_UTF8: &str = "Invalid SASL/PLAIN response: not UTF-8";
const AUTHZID: &str = "Authentication failed: Client requested an authorization id that is different from username";

pub fn cases() -> Vec<Case> {
    let got = |n: u8| format!("Invalid SASL/PLAIN response: expected 3 tokens, got {n}");
    let no_user = "Authentication failed: username not specified";
    let no_password = "Authentication failed: password not specified";
    let refuse = |id: &str, token: &[u8], message: &str| {
        row(id, after_handshake(authenticate(token)), exactly(refused(58, message), Delayed))
    };
    let big = vec![b'u'; 260_000];
    let mut all = vec![
        refuse("H-110 empty", b"", &got(1)),
        refuse("H-111 two parts", b"alice\0alice-secret", &got(2)),
        refuse("H-112 four parts", b"\0alice\0alice-secret\0", &got(4)),
        refuse("H-112 five parts", b"\0alice\0alice-secret\0\0", &got(4)),
        refuse("H-113 empty user", b"\0\0alice-secret", no_user),
        refuse("H-114 empty password", b"\0alice\0", no_password),
        refuse("H-114 empty password that is right", b"\0empty\0", no_password),
        refuse("H-115 other authzid", b"bob\0alice\0alice-secret", AUTHZID),
        refuse("H-115 other authzid and wrong password", b"bob\0alice\0wrong-pass-canary", WRONG),
        row(
            "H-116 own authzid",
            after_handshake(authenticate(b"alice\0alice\0alice-secret")),
            exactly(accepted(), Open),
        ),
        row("H-116 no authzid", after_handshake(authenticate(b"\0alice\0alice-secret")), exactly(accepted(), Open)),
        refuse("H-117 user not UTF-8", b"\0al\xffice\0alice-secret", WRONG)
            .but_front(exactly(refused(58, NOT_UTF8), Delayed)),
        row(
            "H-117 user not UTF-8 that a lossy reading makes a known one",
            after_handshake(authenticate(b"\0lossy\xff\0lossy-secret")),
            exactly(accepted(), Open),
        )
        .but_front(exactly(refused(58, NOT_UTF8), Delayed)),
        refuse("H-118 overlong NUL in the user", b"\0alice\xc0\x80\0alice-secret", WRONG)
            .but_front(exactly(refused(58, NOT_UTF8), Delayed)),
        refuse("H-118 surrogate in the user", b"\0alice\xed\xa0\x80\0alice-secret", WRONG)
            .but_front(exactly(refused(58, NOT_UTF8), Delayed)),
        refuse("H-119 user and password of 260000", &cat(&[b"\0", &big, b"\0", &big]), WRONG)
            .but_front(exactly(refused(58, TOO_LONG), Delayed)),
        refuse("H-121 two NULs", b"\0\0", no_user),
        refuse("H-121 524000 NULs", &[0; 524_000], &got(4)).but_front(exactly(refused(58, TOO_LONG), Delayed)),
        refuse("H-122 password of another user", b"\0bob\0alice-secret", WRONG),
        refuse("H-122 unknown user", b"\0nobody\0alice-secret", WRONG),
        refuse("H-122 password with a tail", b"\0alice\0alice-secret ", WRONG),
        refuse("H-122 password cut short", b"\0alice\0alice-secre", WRONG),
        refuse("H-122 the entry's own username option", b"\0username\0front", WRONG),
    ];
    for user in ["Alice", "ALICE", "alice ", " alice", "\u{ff41}lice", "alice\u{301}", "user_alice"] {
        let token = cat(&[b"\0", user.as_bytes(), b"\0alice-secret"]);
        all.push(refuse(&format!("H-120 user {user:?}"), &token, WRONG));
    }
    all
}
