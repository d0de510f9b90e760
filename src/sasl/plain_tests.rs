use std::net::{Ipv4Addr, SocketAddr};

use super::*;
use crate::config::{JaasContext, JaasModule, ListenerName, MechanismConfig};
use crate::sasl::Occasion;

const LISTENER: &str = "CLIENTS";

fn module(class: &str, options: &[(&str, &str)]) -> JaasModule {
    let options = options.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect();
    JaasModule { class: class.to_owned(), options }
}

fn build(modules: Vec<JaasModule>) -> Result<Arc<dyn Mechanism>, MechanismError> {
    let jaas = JaasContext { modules };
    let config = MechanismConfig { name: "PLAIN".to_owned(), jaas, properties: HashMap::new(), oauthbearer: None };
    factory(&FactoryInput::alone(&config, &ListenerName::new(LISTENER)))
}

/// The one who logs in, or the text that the client gets.
fn login(mechanism: &dyn Mechanism, token: &[u8]) -> Result<String, String> {
    let peer = Peer { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), listener: ListenerName::new(LISTENER) };
    let verdict = mechanism.start(&peer).step(Bytes::copy_from_slice(token));
    let waker = std::task::Waker::noop();
    let mut verdict = verdict;
    match verdict.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
        std::task::Poll::Ready(Ok(Step::Success { token, verified })) => {
            assert!(token.is_empty());
            Ok(verified.principal.to_string())
        }
        std::task::Poll::Ready(Err(AuthnError::Malformed(why) | AuthnError::Rejected(why))) => {
            Err(why.message(mechanism.name(), Occasion::Authentication).into_owned())
        }
        _ => panic!("PLAIN has one round and judges at once"),
    }
}

fn users(options: &[(&str, &str)]) -> Arc<dyn Mechanism> {
    build(vec![module(LOGIN_MODULE, options)]).expect("mechanism")
}

fn refused(text: &str) -> Result<String, String> {
    Err(text.to_owned())
}

fn told(why: Rejection) -> Result<String, String> {
    Err(why.message(&name(), Occasion::Authentication).into_owned())
}

fn logged_in(user: &str) -> Result<String, String> {
    Ok(format!("User:{user}"))
}

#[test]
fn rfc_4616_samples() {
    // RFC 4616 §4: tim, then Kurt for Ursel. Kafka lets nobody act for another.
    let plain = users(&[("user_tim", "tanstaaftanstaaf"), ("user_Kurt", "xipj3plmq")]);
    assert_eq!(login(&*plain, b"\0tim\0tanstaaftanstaaf"), logged_in("tim"));
    assert_eq!(login(&*plain, b"Kurt\0Kurt\0xipj3plmq"), logged_in("Kurt"));
    assert_eq!(login(&*plain, b"Ursel\0Kurt\0xipj3plmq"), told(OTHER_AUTHZID));
}

#[test]
fn every_text_is_kafkas() {
    // H-110 to H-116, H-121, H-122.
    let plain = users(&[("user_alice", "secret"), ("user_bob", "other")]);
    let parts = |n| refused(&format!("Invalid SASL/PLAIN response: expected 3 tokens, got {n}"));
    let no_user = refused("Authentication failed: username not specified");
    let no_password = refused("Authentication failed: password not specified");
    let wrong = refused("Authentication failed: Invalid username or password");
    let other = refused("Authentication failed: Client requested an authorization id that is different from username");
    for (token, expected) in [
        (&b""[..], parts(1)),
        (b"alice", parts(1)),
        (b"alice\0secret", parts(2)),
        (b"\0alice\0secret\0", parts(4)),
        (b"\0alice\0secret\0\0\0\0", parts(4)),
        (b"\0\0\0", parts(4)),
        (b"\0", parts(2)),
        (b"\0\0", no_user.clone()),
        (b"\0\0secret", no_user.clone()),
        (b"alice\0\0secret", no_user),
        (b"\0alice\0", no_password.clone()),
        (b"\0nobody\0", no_password),
        (b"\0alice\0wrong!", wrong.clone()),
        (b"\0alice\0secre", wrong.clone()),
        (b"\0alice\0secrets", wrong.clone()),
        (b"\0alice\0secretsecret", wrong.clone()),
        (b"\0alice\0ssssss", wrong.clone()),
        (b"\0alice\0other", wrong.clone()),
        (b"\0bob\0secret", wrong.clone()),
        (b"\0nobody\0secret", wrong.clone()),
        // An authorization id is only spoken of to those who know the password.
        (b"bob\0alice\0wrong", wrong.clone()),
        (b"bob\0alice\0secret", other.clone()),
        (b"ALICE\0alice\0secret", other.clone()),
        (b"alice \0alice\0secret", other),
        (b"alice\0alice\0secret", logged_in("alice")),
        (b"\0alice\0secret", logged_in("alice")),
    ] {
        assert_eq!(login(&*plain, token), expected, "{:?}", token.escape_ascii().to_string());
    }
    assert_eq!(login(&*plain, &vec![0; 524_000]), parts(4));
}

#[test]
fn what_is_not_utf8_is_refused() {
    // H-117, H-118: lossy decoding makes one user of two byte strings.
    let plain = users(&[("user_al\u{fffd}ice", "secret"), ("user_alice", "sec\u{fffd}")]);
    let not_utf8 = refused("Invalid SASL/PLAIN response: not UTF-8");
    for token in [
        &b"\0al\xffice\0secret"[..],
        b"\0al\xc0\x80ice\0secret",
        b"\0al\xed\xa0\x80ice\0secret",
        b"\0alice\0sec\xff",
        b"\xff\0alice\0secret",
    ] {
        assert_eq!(login(&*plain, token), not_utf8, "{:?}", token.escape_ascii().to_string());
    }
    assert_eq!(login(&*plain, "\0al\u{fffd}ice\0secret".as_bytes()), logged_in("al\u{fffd}ice"));
}

#[test]
fn names_are_never_normalised() {
    // H-120: NFC, NFD, full width, case, spaces.
    let names = ["caf\u{e9}", "cafe\u{301}", "ab", "\u{ff41}\u{ff42}", "AB", "ab ", " ab", "a b"];
    for known in names {
        let option = format!("user_{known}");
        let plain = users(&[(option.as_str(), "secret")]);
        for name in names {
            let expected = if name == known { logged_in(name) } else { told(WRONG) };
            assert_eq!(login(&*plain, format!("\0{name}\0secret").as_bytes()), expected, "{name:?} for {known:?}");
        }
    }
}

#[test]
fn lengths_have_limits() {
    // H-119.
    let name = "n".repeat(MAX_USERNAME_LEN);
    let password = "p".repeat(MAX_PASSWORD_LEN);
    let option = format!("user_{name}");
    let plain = users(&[(option.as_str(), password.as_str())]);
    assert_eq!(login(&*plain, format!("{name}\0{name}\0{password}").as_bytes()), logged_in(&name));
    assert_eq!(plain.max_token_len(), format!("{name}\0{name}\0{password}").len());
    assert_eq!(login(&*plain, format!("\0{name}n\0{password}").as_bytes()), told(WRONG));
    assert_eq!(login(&*plain, format!("\0{name}\0{password}p").as_bytes()), told(WRONG));
    let too_long = build(vec![module(LOGIN_MODULE, &[(&format!("{option}n"), "secret")])]).err().expect("refused");
    assert!(too_long.0.len() < 200, "{too_long}");
}

#[test]
fn an_empty_stored_password_lets_nobody_in() {
    // H-114.
    let plain = users(&[("user_alice", ""), ("user_bob", "secret")]);
    assert_eq!(login(&*plain, b"\0alice\0"), told(NO_PASSWORD));
    assert_eq!(login(&*plain, b"\0alice\0secret"), told(WRONG));
    assert_eq!(login(&*plain, b"\0bob\0secret"), logged_in("bob"));
}

#[test]
fn only_user_options_make_users() {
    let plain = users(&[("username", "admin"), ("password", "admin-secret"), ("userx", "u"), ("user_a_b", "secret")]);
    assert_eq!(login(&*plain, b"\0admin\0admin-secret"), told(WRONG));
    assert_eq!(login(&*plain, b"\0name\0admin"), told(WRONG));
    assert_eq!(login(&*plain, b"\0a_b\0secret"), logged_in("a_b"));
}

#[test]
fn nobodys_password_lets_nobody_in() {
    let plain = users(&[]);
    for name in ["nobody", "ANONYMOUS", "alice"] {
        let token = format!("\0{name}\0nobody has this password");
        assert_eq!(login(&*plain, token.as_bytes()), told(WRONG));
    }
}

#[test]
fn other_login_modules_and_missing_ones_are_start_errors() {
    let other = "org.apache.kafka.common.security.scram.ScramLoginModule";
    let text = |modules| build(modules).err().expect("refused").0;
    let expected = format!("its JAAS configuration has no {LOGIN_MODULE}, but [{other:?}]");
    assert_eq!(text(vec![module(other, &[("user_alice", "secret")])]), expected);
    assert_eq!(text(Vec::new()), format!("its JAAS configuration has no {LOGIN_MODULE}, but []"));
    // A section of the static file serves other mechanisms too; their options define no PLAIN user.
    let plain = build(vec![module(other, &[("user_alice", "secret")]), module(LOGIN_MODULE, &[])]).expect("mechanism");
    assert_eq!(login(&*plain, b"\0alice\0secret"), told(WRONG));
    assert!(text(vec![module(LOGIN_MODULE, &[("user_", "secret")])]).contains("no possible user"));
    // The first entry counts.
    let first = module(LOGIN_MODULE, &[("user_alice", "secret")]);
    let second = module(LOGIN_MODULE, &[("user_alice", "other"), ("user_bob", "other")]);
    let plain = build(vec![first, second]).expect("mechanism");
    assert_eq!(login(&*plain, b"\0alice\0secret"), logged_in("alice"));
    assert_eq!(login(&*plain, b"\0alice\0other"), told(WRONG));
    assert_eq!(login(&*plain, b"\0bob\0other"), told(WRONG));
}

#[test]
fn same_password_is_equality_for_all_lengths() {
    let stored: Vec<u8> = (0..128).map(|i| i as u8).collect();
    for stored_len in [1, 2, 31, 128] {
        for given_len in 0..=128 {
            let same = bool::from(same_password(&stored[..given_len], &stored[..stored_len]));
            assert_eq!(same, given_len == stored_len, "{given_len} {stored_len}");
        }
        for position in 0..stored_len {
            let mut given = stored[..stored_len].to_vec();
            given[position] ^= 1;
            assert!(!bool::from(same_password(&given, &stored[..stored_len])));
        }
    }
}
