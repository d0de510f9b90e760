//! Hostile and odd messages, row by row: H-130 to H-162 of the corpus, as far as they are the exchange's. What Kafka does otherwise
//! is in docs/kafka-differences.md.

use super::server::{AwaitsProof, OpeningError, ProofError};
use super::*;

/// What became of a first message.
#[derive(Debug, PartialEq, Eq)]
enum Opening {
    /// This user's, on the way to a challenge.
    User(&'static str),
    /// As before, with a delegation token.
    Token(&'static str),
    Malformed,
    OtherAuthzid,
}

fn open(message: &[u8]) -> Opening {
    match server::start(ScramMechanism::Sha256, message) {
        Ok(open) if open.is_token() => Opening::Token(open.user().to_owned().leak()),
        Ok(open) => Opening::User(open.user().to_owned().leak()),
        Err(OpeningError::Malformed(_)) => Opening::Malformed,
        Err(OpeningError::OtherAuthzid) => Opening::OtherAuthzid,
    }
}

#[test]
fn first_messages() {
    use Opening::{Malformed, OtherAuthzid, Token, User};
    let long = |prefix: &str, c: &str, n: usize| format!("{prefix}{}", c.repeat(n)).into_bytes();
    let rows: Vec<(&str, Vec<u8>, Opening)> = [
        ("H-130", "", Malformed),
        ("H-130", "a", Malformed),
        ("H-130", "n", Malformed),
        ("H-130", "n,", Malformed),
        ("H-130", "n,,", Malformed),
        ("H-131", "y,,n=u,r=x", Malformed),
        ("H-131", "p=tls-unique,,n=u,r=x", Malformed),
        ("H-131", "p=tls-exporter,,n=u,r=x", Malformed),
        ("H-131", "N,,n=u,r=x", Malformed),
        ("H-131", "nn,,n=u,r=x", Malformed),
        ("H-132", "n,a=bob,n=alice,r=x", OtherAuthzid),
        ("H-133", "n,a=alice,n=alice,r=x", User("alice")),
        ("H-133", "n,a=a=2Cb,n=a=2Cb,r=x", User("a,b")),
        ("H-133", "n,a=,n=alice,r=x", Malformed),
        ("H-134", "n,x=something,n=u,r=x", Malformed),
        ("H-134", "n,a,n=u,r=x", Malformed),
        ("H-135", "n,,m=name,n=u,r=x", Malformed),
        ("H-135", "n,,m,n=u,r=x", Malformed),
        ("H-135", "n,,m=,n=u,r=x", Malformed),
        ("H-135", "n,,m=a,b,n=u,r=x", Malformed),
        ("H-135", "n,,n=u,r=x,m=late", Malformed),
        ("H-136", "n,,r=x,n=u", Malformed),
        ("H-136", "n,,n=u", Malformed),
        ("H-136", "n,,r=x", Malformed),
        ("H-137", "n,,n==,r=x", Malformed),
        ("H-137", "n,,n==2,r=x", Malformed),
        ("H-137", "n,,n==2c,r=x", Malformed),
        ("H-137", "n,,n==41,r=x", Malformed),
        ("H-137", "n,,n=a=b,r=x", Malformed),
        ("H-138", "n,,n==2C,r=x", User(",")),
        ("H-138", "n,,n==3D,r=x", User("=")),
        ("H-138", "n,,n==3D2C,r=x", User("=2C")),
        ("H-139", "n,,n=,r=x", Malformed),
        ("H-140", "n,,n=a\0b,r=x", Malformed),
        // Kafka takes ASCII only, so that such users cannot log in.
        ("H-140", "n,,n=jörg 日本,r=x", User("jörg 日本")),
        ("H-141", "n,,n=u,r=", Malformed),
        ("H-141", "n,,n=u,r=a,b", Malformed),
        ("H-141", "n,,n=u,r=a b", Malformed),
        ("H-141", "n,,n=u,r=a\x7f", Malformed),
        ("H-141", "n,,n=u,r=a\u{80}", Malformed),
        ("H-142", "n,,n=u,r=x,ext", Malformed),
        ("H-142", "n,,n=u,r=x,ext=a,b", Malformed),
        ("H-142", "n,,n=u,r=x,ext=,", Malformed),
        ("H-142", "n,,n=u,r=x,ext=", Malformed),
        ("H-142", "n,,n=u,r=x,ext =v", Malformed),
        ("H-142", "n,,n=u,r=x,", Malformed),
        ("H-142", "n,,n=u,r=x,=v", Malformed),
        ("H-142", "n,,n=u,r=x,ext=v", User("u")),
        ("H-142", "n,,n=u,r=x,ext=v=w==", User("u")),
        ("H-144", "n,,n=id,r=x,tokenauth=true", Token("id")),
        ("H-144", "n,,n=id,r=x,tokenauth=TRUE", Token("id")),
        ("H-144", "n,,n=id,r=x,tokenauth=true,tokenauth=true", Token("id")),
        ("H-144", "n,,n=id,r=x,tokenauth=true,tokenauth=false", User("id")),
        ("H-144", "n,,n=id,r=x,tokenauth=false", User("id")),
        ("H-144", "n,,n=id,r=x,tokenauth=true ", User("id")),
        ("H-144", "n,,n=id,r=x,TokenAuth=true", User("id")),
        ("H-151", "n,,n=u,r=x,n=alice", Malformed),
        ("H-152", "c=biws,r=xy,p=AAAA", Malformed),
        ("H-161", "e=other-error", Malformed),
        ("H-161", "v=AAAA", Malformed),
    ]
    .into_iter()
    .map(|(id, message, outcome)| (id, message.as_bytes().to_vec(), outcome))
    .chain([
        ("H-130", vec![b'a'; 500 << 10], Malformed),
        ("H-130", vec![b'a'; MAX_CLIENT_MESSAGE_LEN], Malformed),
        ("H-140", [&long("n,,n=", "u", 100 << 10)[..], b",r=x"].concat(), Malformed),
        ("H-140", [&long("n,,n=", "u", MAX_USER_LEN + 1)[..], b",r=x"].concat(), Malformed),
        ("H-140", b"n,,n=\xc3,r=x".to_vec(), Malformed),
        ("H-140", b"n,,n=\xed\xa0\x80,r=x".to_vec(), Malformed),
        ("H-141", b"n,,n=u,r=a\x80".to_vec(), Malformed),
        ("H-141", long("n,,n=u,r=", "x", 100 << 10), Malformed),
        ("H-141", long("n,,n=u,r=", "x", MAX_NONCE_LEN + 1), Malformed),
        ("H-141", long("n,,n=u,r=", "x", MAX_NONCE_LEN), User("u")),
        ("H-143", long("n,,n=u,r=x", ",e=v", 10_000), Malformed),
        ("H-143", long("n,,n=u,r=x", ",ext=v", MAX_EXTENSIONS + 1), Malformed),
        ("H-143", long("n,,n=u,r=x", ",ext=v", MAX_EXTENSIONS), User("u")),
    ])
    .collect();
    for (id, message, outcome) in rows {
        let shown = String::from_utf8_lossy(&message[..message.len().min(60)]).into_owned();
        assert_eq!(open(&message), outcome, "{id} {shown:?}");
    }
}

/// An exchange that waits for the proof of "pencil", and a client's right answer to it, in parts.
fn challenged(mechanism: ScramMechanism, gs2: &str) -> (AwaitsProof, String) {
    let opening = format!("{gs2}n=u,r={CLIENT_NONCE}");
    let open = server::start(mechanism, opening.as_bytes()).unwrap();
    let (server_first, waits) = open.challenge(credential(mechanism), &nonce(SERVER_NONCE));
    (waits, server_first)
}

/// The proof that goes with exactly these messages.
fn proof(mechanism: ScramMechanism, server_first: &str, without_proof: &str) -> Vec<u8> {
    let salted = salted_password(mechanism, b"pencil", b"salt", std::num::NonZeroU32::new(4096).unwrap());
    let client_key = mechanism.hmac(salted.expose(), b"Client Key");
    let message = format!("n=u,r={CLIENT_NONCE},{server_first},{without_proof}");
    let signature = mechanism.hmac(mechanism.hash(client_key.as_ref()).as_ref(), message.as_bytes());
    client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect()
}

/// What an answer comes to whose proof fits what it says, so that the proof is never why it is refused.
fn answered(gs2: &str, without_proof: &str) -> Result<(), ProofError> {
    let mechanism = ScramMechanism::Sha256;
    let (waits, server_first) = challenged(mechanism, gs2);
    let proof = message::to_base64(&proof(mechanism, &server_first, without_proof));
    waits.verify(format!("{without_proof},p={proof}").as_bytes()).map(|_| ())
}

const MALFORMED: Result<(), &str> = Err("malformed");

fn shown(outcome: Result<(), ProofError>) -> Result<(), &'static str> {
    outcome.map_err(|error| match error {
        ProofError::Malformed(_) => "malformed",
        ProofError::ChannelBinding => "binding",
        ProofError::Nonce => "nonce",
        ProofError::Proof => "proof",
    })
}

#[test]
fn last_messages_with_a_proof_that_fits() {
    let both = format!("{CLIENT_NONCE}{SERVER_NONCE}");
    let rows: Vec<(&str, &str, String, Result<(), &str>)> = vec![
        ("H-145 equal", "n,,", format!("c=biws,r={both}"), Ok(())),
        ("H-145 librdkafka", "n,,", format!("c=biws,r={CLIENT_NONCE}{both}"), Ok(())),
        ("H-146 twice", "n,,", format!("c=biws,r={CLIENT_NONCE}{CLIENT_NONCE}{both}"), Err("nonce")),
        ("H-146 prefix", "n,,", format!("c=biws,r=x{both}"), Err("nonce")),
        ("H-146 server's", "n,,", format!("c=biws,r={SERVER_NONCE}"), Err("nonce")),
        ("H-146 other prefix", "n,,", format!("c=biws,r={}{both}", "y".repeat(CLIENT_NONCE.len())), Err("nonce")),
        ("H-147 truncated", "n,,", format!("c=biws,r={}", &both[..both.len() - 1]), Err("nonce")),
        ("H-147 client's", "n,,", format!("c=biws,r={CLIENT_NONCE}"), Err("nonce")),
        ("H-147 replaced", "n,,", format!("c=biws,r={CLIENT_NONCE}{}", "z".repeat(SERVER_NONCE.len())), Err("nonce")),
        ("H-147 suffix", "n,,", format!("c=biws,r={both}x"), Err("nonce")),
        ("H-147 empty", "n,,", "c=biws,r=".into(), Err("nonce")),
        ("H-148 not base64", "n,,", format!("c=!,r={both}"), Err("binding")),
        ("H-148 y", "n,,", format!("c=eSws,r={both}"), Err("binding")),
        ("H-148 authzid", "n,,", format!("c={},r={both}", message::to_base64(b"n,a=u,")), Err("binding")),
        ("H-148 left out", "n,a=u,", format!("c=biws,r={both}"), Err("binding")),
        ("H-148 with authzid", "n,a=u,", format!("c={},r={both}", message::to_base64(b"n,a=u,")), Ok(())),
        ("H-148 more", "n,,", format!("c=biwsAAAA,r={both}"), Err("binding")),
        ("H-148 empty", "n,,", format!("c=,r={both}"), Err("binding")),
        ("H-148 missing", "n,,", format!("r={both}"), MALFORMED),
        ("H-151 order", "n,,", format!("r={both},c=biws"), MALFORMED),
        ("H-151 two p=", "n,,", format!("c=biws,r={both},p=AAAA"), MALFORMED),
        ("H-151 two r=", "n,,", format!("c=biws,r={both},r={both}"), MALFORMED),
        ("H-153 extension", "n,,", format!("c=biws,r={both},ext=v"), Ok(())),
        ("H-153 in an odd order", "n,,", format!("c=biws,r={both},z=1,y=2,zz=3,a=4"), MALFORMED),
        ("H-153 in an odd order", "n,,", format!("c=biws,r={both},z=1,y=2,zz=3,b=4,y=5"), Ok(())),
        ("H-142 in the answer", "n,,", format!("c=biws,r={both},ext"), MALFORMED),
        ("H-143 in the answer", "n,,", format!("c=biws,r={both}{}", ",x=y".repeat(MAX_EXTENSIONS + 1)), MALFORMED),
        ("H-135 in the answer", "n,,", format!("c=biws,r={both},m=x"), MALFORMED),
        ("NUL", "n,,", format!("c=biws,r={both},ext=\0"), MALFORMED),
    ];
    for (id, gs2, without_proof, outcome) in rows {
        // What is signed knows no gs2 header but in `c=`.
        assert_eq!(shown(answered(gs2, &without_proof)), outcome, "{id}");
    }
}

#[test]
fn proofs() {
    for mechanism in ScramMechanism::ALL {
        let without_proof = format!("c=biws,r={CLIENT_NONCE}{SERVER_NONCE}");
        let verify = |proof: &str| {
            let (waits, _) = challenged(mechanism, "n,,");
            shown(waits.verify(format!("{without_proof},p={proof}").as_bytes()).map(|_| ()))
        };
        let (_, server_first) = challenged(mechanism, "n,,");
        let right = proof(mechanism, &server_first, &without_proof);
        let base64 = message::to_base64(&right);
        assert_eq!(verify(&base64), Ok(()));

        // H-149.
        assert_eq!(verify(""), MALFORMED);
        for len in 0..=128 {
            let mut other: Vec<u8> = right.iter().copied().cycle().take(len).collect();
            if len == right.len() {
                other[len - 1] ^= 1;
                assert_eq!(verify(&message::to_base64(&other)), Err("proof"));
            } else {
                assert_eq!(verify(&message::to_base64(&other)), MALFORMED, "{len}");
            }
        }
        let unpadded = base64.trim_end_matches('=');
        assert_ne!(unpadded, base64);
        let url = base64.replace('+', "-").replace('/', "_");
        // The last character before the padding has bits that mean nothing; any that are set are another spelling.
        let last = unpadded.chars().last().unwrap() as u8;
        let other_tail =
            format!("{}{}{}", &unpadded[..unpadded.len() - 1], (last + 1) as char, &base64[unpadded.len()..]);
        for (what, text) in [
            ("not base64", "!".repeat(base64.len())),
            ("a space", format!("{} {}", &base64[..4], &base64[4..])),
            ("a line break", format!("{base64}\n")),
            ("no padding", unpadded.to_owned()),
            ("more padding", format!("{base64}=")),
            ("another tail", other_tail),
            ("H-151 something behind", format!("{base64},ext=v")),
            ("H-151 a second", format!("{base64},p={base64},")),
        ] {
            assert_eq!(verify(&text), MALFORMED, "{what}");
        }
        assert!(url == base64 || verify(&url) == MALFORMED);
        // H-150.
        let kept = credential(mechanism);
        let zero = vec![0; mechanism.hash_len()];
        let signed = format!("n=u,r={CLIENT_NONCE},{server_first},{without_proof}");
        let signature = mechanism.hmac(kept.stored_key().expose(), signed.as_bytes());
        for wrong in [&zero, kept.stored_key().expose(), kept.server_key().expose(), signature.as_ref()] {
            assert_eq!(verify(&message::to_base64(wrong)), Err("proof"));
        }
    }
}

#[test]
fn what_belongs_to_another_exchange() {
    let whole = |mechanism, password: &[u8], fresh: &str| {
        let (client_first, client) = client::start(mechanism, "u", &nonce(CLIENT_NONCE)).unwrap();
        let open = server::start(mechanism, client_first.as_bytes()).unwrap();
        let (server_first, waits) = open.challenge(credential(mechanism), &nonce(fresh));
        let client = client.read(server_first.as_bytes()).unwrap();
        let keys = client::ClientKeys::derive(mechanism, password, client.salt(), client.iterations());
        (waits, client.answer(&keys).0)
    };
    for mechanism in ScramMechanism::ALL {
        let (_, recorded) = whole(mechanism, b"pencil", "first");
        let (waits, _) = whole(mechanism, b"pencil", "second");
        // H-156, H-147: a recorded answer in a new exchange.
        assert_eq!(waits.verify(recorded.as_bytes()), Err(ProofError::Nonce));
        let (waits, _) = whole(mechanism, b"pencil", "second");
        let moved = recorded.replace("first", "second");
        assert_eq!(waits.verify(moved.as_bytes()), Err(ProofError::Proof));
        let (waits, wrong) = whole(mechanism, b"pen", "third");
        assert_eq!(waits.verify(wrong.as_bytes()), Err(ProofError::Proof));
        // H-152, H-161: what is no answer.
        for message in ["n,,n=u,r=x", "e=other-error", "v=AAAA", "", "p=AAAA", ",p=AAAA", ","] {
            let (waits, _) = whole(mechanism, b"pencil", "fourth");
            assert!(matches!(waits.verify(message.as_bytes()), Err(ProofError::Malformed(_))), "{message}");
        }
    }
    // H-154: the right password, the other hash.
    let (waits, _) = whole(ScramMechanism::Sha256, b"pencil", "fifth");
    let (_, answer) = whole(ScramMechanism::Sha512, b"pencil", "fifth");
    assert!(matches!(waits.verify(answer.as_bytes()), Err(ProofError::Malformed(_))));
    // H-155: such a credential cannot be made, so none can be kept.
    for iterations in [0, 1, 4095] {
        let kept = ScramCredential::from_keys(ScramMechanism::Sha256, b"salt", &[0; 32], &[0; 32], iterations);
        assert_eq!(kept.err(), Some(CredentialError::TooFewIterations));
    }
}

/// What a server must not make a client do.
#[test]
fn servers_that_a_client_refuses() {
    use client::{ClientError, MAX_CLIENT_ITERATIONS};
    let read = |message: &[u8]| {
        let (_, waits) = client::start(ScramMechanism::Sha256, "u", &nonce("abc")).unwrap();
        waits.read(message).map(|keys| keys.iterations().get())
    };
    let text = |message: &str| read(message.as_bytes());
    assert_eq!(text("r=abcX,s=c2FsdA==,i=4096"), Ok(4096));
    assert_eq!(text("r=abcX,s=c2FsdA==,i=4096,ext=v"), Ok(4096));
    assert_eq!(text(&format!("r=abcX,s=c2FsdA==,i={MAX_CLIENT_ITERATIONS}")), Ok(MAX_CLIENT_ITERATIONS));
    for count in [0, 1, 4095, 1_000_001, 2_147_483_647, 9_999_999_999] {
        assert_eq!(text(&format!("r=abcX,s=c2FsdA==,i={count}")), Err(ClientError::Iterations(count)));
    }
    for count in ["-1", "", "+4096", "04096", "4096 ", "4e3", "99999999999", "٤٠٩٦"] {
        let error = text(&format!("r=abcX,s=c2FsdA==,i={count}"));
        assert!(matches!(error, Err(ClientError::Malformed(_))), "{count:?}: {error:?}");
    }
    // Its part of the nonce: none, or not behind ours.
    for other in ["abc", "xyz", "Xabc", "ab", "ABCX"] {
        assert_eq!(text(&format!("r={other},s=c2FsdA==,i=4096")), Err(ClientError::Nonce), "{other}");
    }
    let long_salt = message::to_base64(&[b's'; MAX_SALT_LEN + 1]);
    for malformed in [
        "",
        "r=abcX",
        "r=abcX,s=c2FsdA==",
        "s=c2FsdA==,r=abcX,i=4096",
        "r=,s=c2FsdA==,i=4096",
        "r=abc X,s=c2FsdA==,i=4096",
        "r=abcX,s=,i=4096",
        "r=abcX,s=c2FsdA,i=4096",
        "r=abcX,s=!,i=4096",
        "m=x,r=abcX,s=c2FsdA==,i=4096",
        "r=abcX,s=c2FsdA==,i=4096,m=x",
        "r=abcX,s=c2FsdA==,i=4096,",
        "r=abcX,s=c2FsdA==,i=4096\0",
        &format!("r=abcX,s={long_salt},i=4096"),
        &format!("r=abc{},s=c2FsdA==,i=4096", "x".repeat(1 << 20)),
    ] {
        let shown = malformed.get(..60).unwrap_or(malformed);
        assert!(matches!(text(malformed), Err(ClientError::Malformed(_))), "{shown:?}");
    }
    assert!(matches!(read(b"r=abc\xff,s=c2FsdA==,i=4096"), Err(ClientError::Malformed(_))));
    assert_eq!(text("e=unknown-user"), Err(ClientError::Refused("unknown-user".into())));

    let last = |message: &str| {
        let (_, waits) = client::start(ScramMechanism::Sha256, "u", &nonce("abc")).unwrap();
        let (_, waits) = waits.read(b"r=abcX,s=c2FsdA==,i=4096").unwrap().answer(&keys(ScramMechanism::Sha256));
        waits.verify(message.as_bytes())
    };
    for len in [0, 1, 31, 32, 33, 64] {
        let signature = message::to_base64(&vec![7; len]);
        assert_eq!(last(&format!("v={signature}")), Err(ClientError::ServerSignature), "{len}");
    }
    for malformed in ["", "v", "v=!", "x=AAAA", "AAAA", "ok"] {
        assert!(matches!(last(malformed), Err(ClientError::Malformed(_))), "{malformed:?}");
    }
    let refused = last(&format!("e=\u{1b}[31m{}", "x".repeat(1000)));
    assert!(
        matches!(&refused, Err(ClientError::Refused(why)) if !why.contains('\u{1b}') && why.len() < 300),
        "{refused:?}"
    );
    for user in ["", "a\0b", &"u".repeat(MAX_USER_LEN + 1)] {
        let error = client::start(ScramMechanism::Sha256, user, &nonce("abc")).map(|_| ());
        assert_eq!(error, Err(ClientError::UserName));
    }
}
