//! H-130 to H-162: hostile messages of SCRAM, each at a broker and at doorkeeper. The client of a row makes an honest exchange but for
//! what the row says.

use std::sync::OnceLock;

use libtest_mimic::Trial;
use proto_tests::hostile::{Case, Ending, Expect, Listener, Reply, Step, run_all};
use proto_tests::scram::{Hash, Round, encode, refusal};
use proto_tests::wire::bytes::{authenticate, cat, handshake, i16s, i32s, refused, string};
use proto_tests::{Context, Result, check, check_eq};

use super::{Target, both, credential, front};
use crate::free;

/// The user of the rows, who has both hashes; and one with SHA-256 only.
const USER: &str = "hostile";
const ONLY_256: &str = "hostile-256";
const PASSWORD: &str = "hostile-secret";
const AUTHZID: &str = "Authentication failed: Client requested an authorization id that is different from username";

pub fn trials() -> Vec<Trial> {
    let mut all: Vec<Trial> = Vec::new();
    for (i, case) in cases().iter().enumerate() {
        all.push(free(&format!("scram::hostile::front::{}", case.id), move || verdicts(Target::Front)?[i].clone()));
        if case.kafka.is_some() {
            all.push(free(&format!("scram::hostile::kafka::{}", case.id), move || verdicts(Target::Kafka)?[i].clone()));
        }
    }
    all.extend(both("hostile::replay", replay));
    all.push(free("scram::hostile::front::survives_them_all", afterwards));
    all
}

fn verdicts(target: Target) -> Result<&'static Vec<Result<()>>> {
    static SEEN: [OnceLock<Result<Vec<Result<()>>>>; 2] = [OnceLock::new(), OnceLock::new()];
    let run = || {
        let others = [",", "=", "=2C", "=3D"].map(|user| (user, Hash::Sha256));
        let users = [(USER, Hash::Sha256), (ONLY_256, Hash::Sha256)];
        for round in [[&users[..], &others].concat(), vec![(USER, Hash::Sha512)]] {
            target.alter(vec![], round.iter().map(|(user, hash)| credential(user, *hash, PASSWORD)).collect())?;
        }
        for hash in Hash::BOTH {
            target.settled("the users", || proto_tests::scram::log_in(&mut target.open()?, hash, USER, PASSWORD))?;
        }
        let to = target.sasl()?;
        Ok(run_all(cases(), |case| {
            Some((to, if target == Target::Front { case.front.clone() } else { case.kafka.clone()? }))
        }))
    };
    SEEN[target as usize].get_or_init(run).as_ref().map_err(Clone::clone)
}

/// Doorkeeper lives, and its log holds no secret and no huge line.
fn afterwards() -> Result<()> {
    verdicts(Target::Front)?;
    proto_tests::scram::log_in(&mut Target::Front.open()?, Hash::Sha256, USER, PASSWORD)?;
    let mut front = front()?.lock().map_err(|e| e.to_string())?;
    check_eq!(front.process.ended().map(|s| s.to_string()), None, "doorkeeper has ended");
    let output = front.process.output();
    check!(!output.contains(PASSWORD), "the log holds a password");
    let longest = output.lines().map(str::len).max().unwrap_or(0);
    check!(longest <= 4096, "a log line of {longest} bytes");
    let peak = front.process.peak_resident()?;
    check!(peak < 300 << 20, "doorkeeper took {} MiB for the corpus", peak >> 20);
    Ok(())
}

// ---- what rows are made of ----

/// SASL's bytes of a reply to SaslAuthenticate v1 (behind size and correlation id), error code 0.
fn token_of(frame: &[u8]) -> Result<&[u8]> {
    let rest = frame.strip_prefix(&cat(&[&i32s(1), &i16s(0)])[..]).ok_or("not accepted")?;
    let rest = rest.strip_prefix(&string(b"")[..]).ok_or("a message")?;
    let (size, rest) = rest.split_first_chunk::<4>().ok_or("no token")?;
    rest.get(..u32::from_be_bytes(*size) as usize).ok_or_else(|| "a token cut short".into())
}

/// The outcomes that a login can have.
#[derive(Clone)]
enum Out {
    /// The token is refused as a wrong password is.
    Refused,
    /// With other words.
    RefusedWith(&'static str),
    /// The token is answered, and more may follow.
    Goes(&'static str),
    /// Closed without an answer.
    Closes,
}

use Out::{Closes, Goes, Refused, RefusedWith};

/// A challenge, and a success.
const CHALLENGE: Out = Goes("r=");
const ACCEPTED: Out = Goes("v=");

impl Out {
    fn expect(&self, hash: Hash) -> Expect {
        match self {
            Refused => Expect { reply: Reply::Exactly(refused(58, &refusal(hash))), end: Ending::Delayed },
            RefusedWith(text) => Expect { reply: Reply::Exactly(refused(58, text)), end: Ending::Delayed },
            Closes => Expect { reply: Reply::Nothing, end: Ending::AtOnce },
            Goes(start) => Expect {
                // The token's length differs: only the fields before it are compared, and that it is there.
                reply: Reply::Token(cat(&[&i32s(1), &i16s(0), &string(b"")]), start.as_bytes().to_vec()),
                end: Ending::Open,
            },
        }
    }
}

/// Not shown to the broker, because it goes another way, or because it would hurt the other rows: a broker's pattern for first
/// messages overflows the stack of a network thread at a name of 100 KiB or at 10,000 extensions. That client is then neither
/// answered nor disconnected, and what has come from others at the same moment may be lost.
fn not_kafka(mut case: Case) -> Case {
    case.kafka = None;
    case
}

fn case(id: &str, hash: Hash, steps: Vec<Step>, kafka: Out, front: Out) -> Case {
    Case {
        id: format!("{id} {}", hash.mechanism()),
        listener: Listener::Sasl,
        steps,
        front: front.expect(hash),
        kafka: Some(kafka.expect(hash)),
    }
}

/// A first message that is not answered with a challenge, or whose challenge is all that is looked at.
fn first(id: &str, message: impl AsRef<[u8]>, kafka: Out, front: Out) -> Case {
    let hash = Hash::Sha256;
    let steps = vec![
        Step::Send(handshake(1, hash.mechanism().as_bytes())),
        Step::Skip(1),
        Step::Send(authenticate(message.as_ref())),
    ];
    case(id, hash, steps, kafka, front)
}

/// An exchange with a first message of those parts, whose last message is what `last` makes of the challenge.
fn whole(
    id: &str,
    hash: Hash,
    gs2: &str,
    bare: &str,
    last: impl Fn(&Round) -> Vec<u8> + Send + Sync + 'static,
    (kafka, front): (Out, Out),
) -> Case {
    let (own_gs2, own_bare) = (gs2.to_owned(), bare.to_owned());
    // The client's nonce is what stands behind the last `r=`, up to the extensions.
    let nonce = bare.rsplit("r=").next().and_then(|n| n.split(',').next()).unwrap_or_default().to_owned();
    let answer = move |frame: &[u8]| {
        let round = Round::new(hash, &own_gs2, &own_bare, &nonce, token_of(frame)?).context("the challenge")?;
        Ok(authenticate(&last(&round)))
    };
    let steps = vec![
        Step::Send(handshake(1, hash.mechanism().as_bytes())),
        Step::Skip(1),
        Step::Send(authenticate(format!("{gs2}{bare}").as_bytes())),
        Step::Answer(Box::new(answer)),
    ];
    case(id, hash, steps, kafka, front)
}

/// The same with the honest first message of [`USER`].
fn last(id: &str, out: (Out, Out), last: impl Fn(&Round) -> Vec<u8> + Send + Sync + 'static) -> Case {
    whole(id, Hash::Sha256, "n,,", &format!("n={USER},r=rows"), last, out)
}

fn same(out: Out) -> (Out, Out) {
    (out.clone(), out)
}

fn honest(round: &Round) -> Vec<u8> {
    round.finish(PASSWORD).into_bytes()
}

/// All rows, built once.
fn cases() -> &'static [Case] {
    static ALL: OnceLock<Vec<Case>> = OnceLock::new();
    ALL.get_or_init(|| {
        let all =
            [formats(), names(), nonces_of_first(), extensions(), nonces_of_last(), bindings(), proofs(), order()];
        all.into_iter().flatten().collect()
    })
}

/// H-130 to H-136: what is no client-first message.
fn formats() -> Vec<Case> {
    let no = |id: &str, message: &str| first(id, message, Refused, Refused);
    let big = "a".repeat(500 << 10);
    vec![
        no("H-130 empty", ""),
        no("H-130 one byte", "n"),
        first("H-130 500 KiB of a", &big, Refused, Refused),
        first("H-130 500 KiB of commas", ",".repeat(500 << 10), Refused, Refused),
        not_kafka(first("H-130 500 KiB of =2C", format!("n,,n={}", "=2C".repeat(170_000)), Refused, Refused)),
        no("H-131 y", &format!("y,,n={USER},r=x")),
        no("H-131 p=tls-unique", &format!("p=tls-unique,,n={USER},r=x")),
        no("H-131 p=tls-exporter", &format!("p=tls-exporter,,n={USER},r=x")),
        no("H-131 N", &format!("N,,n={USER},r=x")),
        no("H-131 nothing", &format!(",,n={USER},r=x")),
        first("H-132 another authzid", format!("n,a=bob,n={USER},r=x"), RefusedWith(AUTHZID), RefusedWith(AUTHZID)),
        first("H-132 empty authzid", format!("n,a=,n={USER},r=x"), Refused, Refused),
        whole(
            "H-133 own authzid",
            Hash::Sha256,
            &format!("n,a={USER},"),
            &format!("n={USER},r=x"),
            honest,
            same(ACCEPTED),
        ),
        whole("H-133 honest", Hash::Sha256, "n,,", &format!("n={USER},r=x"), honest, same(ACCEPTED)),
        whole("H-133 honest", Hash::Sha512, "n,,", &format!("n={USER},r=x"), honest, same(ACCEPTED)),
        no("H-134 something else for an authzid", &format!("n,x=something,n={USER},r=x")),
        // A broker goes on, and leaves it out of the text that the proof covers.
        first("H-135 m=", format!("n,,m=name,n={USER},r=x"), CHALLENGE, Refused),
        no("H-135 m alone", &format!("n,,m,n={USER},r=x")),
        no("H-135 m empty", &format!("n,,m=,n={USER},r=x")),
        no("H-135 m with a comma", &format!("n,,m=a,b,n={USER},r=x")),
        no("H-136 order", &format!("n,,r=x,n={USER}")),
        no("H-136 no nonce", &format!("n,,n={USER}")),
        no("H-136 no name", "n,,r=x"),
        no("H-161 e=", "e=other-error"),
        no("H-161 v=", "v=AAAA"),
        no("H-152 client-final first", "c=biws,r=x,p=AAAA"),
    ]
}

/// H-137 to H-140: user names.
fn names() -> Vec<Case> {
    let no = |id: &str, name: &[u8]| first(id, [&b"n,,n="[..], name, b",r=x"].concat(), Refused, Refused);
    let mut all = vec![
        no("H-139 empty", b""),
        no("H-140 not UTF-8", b"al\xffice"),
        no("H-140 overlong", b"al\xc0\xafice"),
        first("H-140 NUL", b"n,,n=a\0b,r=x", Refused, Refused),
        not_kafka(first("H-140 100 KiB", format!("n,,n={},r=x", "a".repeat(100 << 10)), Refused, Refused)),
    ];
    for name in ["=", "=2", "=2c", "=41", "a=b", "=3d", "==2C"] {
        all.push(no(&format!("H-137 {name:?}"), name.as_bytes()));
    }
    for (sent, user) in [("=2C", ","), ("=3D", "="), ("=3D2C", "=2C"), ("=3D3D", "=3D")] {
        all.push(whole(
            &format!("H-138 {sent} is {user}"),
            Hash::Sha256,
            "n,,",
            &format!("n={sent},r=x"),
            honest,
            same(ACCEPTED),
        ));
    }
    // A broker takes an authzid as it stands, without =2C and =3D.
    all.push(first("H-138 authzid as the name is sent", "n,a==2C,n==2C,r=x", RefusedWith(AUTHZID), CHALLENGE));
    all.push(first("H-138 authzid as the name is", "n,a==2C,n==3D2C,r=x", CHALLENGE, RefusedWith(AUTHZID)));
    all
}

/// H-141: the client's nonce.
fn nonces_of_first() -> Vec<Case> {
    let with = |id: &str, nonce: &[u8], kafka, front| {
        first(id, [format!("n,,n={USER},r=").as_bytes(), nonce].concat(), kafka, front)
    };
    let mut all = vec![
        with("H-141 1024 bytes", &[b'x'; 1024], CHALLENGE, CHALLENGE),
        with("H-141 100 KiB", &[b'x'; 100 << 10], CHALLENGE, Refused),
        with("H-141 all that is printable", b"!\"#$%&'()*+-./09:;<=>?@AZ[\\]^_`az{|}~", CHALLENGE, CHALLENGE),
    ];
    let bad: [(&str, &[u8]); 8] = [
        ("empty", b""),
        ("a comma", b"a,b"),
        ("ends with a comma", b"a,"),
        ("a blank", b"a b"),
        ("0x7F", b"a\x7f"),
        ("0x80", b"a\x80"),
        ("NUL", b"a\0"),
        ("a line break", b"a\n"),
    ];
    all.extend(bad.map(|(id, nonce)| with(&format!("H-141 {id}"), nonce, Refused, Refused)));
    all
}

/// H-142 to H-144, H-153: extensions.
fn extensions() -> Vec<Case> {
    let with = |id: &str, tail: &str, kafka, front| first(id, format!("n,,n={USER},r=x{tail}"), kafka, front);
    let mut all: Vec<Case> = [",ext", ",ext=a,b", ",ext=,", ",ext =v", ",=v", ",ext=", ",e1=v"]
        .into_iter()
        .map(|tail| with(&format!("H-142 {tail:?}"), tail, Refused, Refused))
        .collect();
    let letters = |n: u8| -> String { (0..n).map(|i| format!(",x{}=v", char::from(b'a' + i))).collect() };
    let full = |id: &str, tail: &str, out| whole(id, Hash::Sha256, "n,,", &format!("n={USER},r=x{tail}"), honest, out);
    all.extend([
        full("H-143 one unknown", ",ext=v", same(ACCEPTED)),
        with("H-143 16 of them", &letters(16), CHALLENGE, CHALLENGE),
        with("H-143 17 of them", &letters(17), CHALLENGE, Refused),
        not_kafka(with("H-143 10000 of them", &",ext=v".repeat(10_000), Refused, Refused)),
        full("H-144 tokenauth=false", ",tokenauth=false", same(ACCEPTED)),
        // There is no such token, as there is no such user.
        with("H-144 tokenauth=true", ",tokenauth=true", Refused, CHALLENGE),
        with("H-144 tokenauth=TRUE", ",tokenauth=TRUE", Refused, CHALLENGE),
        with("H-144 tokenauth=true twice", ",tokenauth=true,tokenauth=true", Refused, CHALLENGE),
        not_kafka(full("H-144 tokenauth=true with the user's own password", ",tokenauth=true", same(Refused))),
        // RFC 5802: the proof covers what was sent. A broker leaves the extensions out of it.
        last("H-153 proof with the extension", (Refused, ACCEPTED), |r| {
            r.prove(PASSWORD, &format!("{},ext=v", r.without_proof())).into_bytes()
        }),
        last("H-153 proof without the extension", (ACCEPTED, Refused), |r| {
            let proof = encode(&r.proof(PASSWORD, &r.without_proof()));
            format!("{},ext=v,p={proof}", r.without_proof()).into_bytes()
        }),
    ]);
    all
}

/// H-145 to H-147: the nonce of the last message.
fn nonces_of_last() -> Vec<Case> {
    let with = |id: &str, out, nonce: fn(&Round) -> String| {
        last(id, out, move |r| r.prove(PASSWORD, &format!("c={},r={}", r.binding(), nonce(r))).into_bytes())
    };
    vec![
        with("H-145 equal", same(ACCEPTED), |r| r.nonce.clone()),
        with("H-145 the client's prepended (librdkafka before 2.6.1)", (Refused, ACCEPTED), |r| {
            format!("{}{}", r.client_nonce, r.nonce)
        }),
        with("H-146 the client's prepended twice", same(Refused), |r| format!("{0}{0}{1}", r.client_nonce, r.nonce)),
        with("H-146 another prefix", same(Refused), |r| format!("zzzz{}", r.nonce)),
        with("H-147 the client's alone", same(Refused), |r| r.client_nonce.clone()),
        with("H-147 the server's alone", same(Refused), |r| r.nonce[r.client_nonce.len()..].to_owned()),
        with("H-147 cut short", same(Refused), |r| r.nonce[..r.nonce.len() - 1].to_owned()),
        with("H-147 longer", same(Refused), |r| format!("{}x", r.nonce)),
        with("H-147 another server's", same(Refused), |r| {
            let own = r.nonce.len() - r.client_nonce.len();
            format!("{}{}", r.client_nonce, "z".repeat(own))
        }),
        with("H-147 upper case", same(Refused), |r| r.nonce.to_uppercase()),
        with("H-147 empty", same(Refused), |_| String::new()),
    ]
}

/// H-148, SEC-25: the channel binding, with a proof that covers it.
fn bindings() -> Vec<Case> {
    let with = |id: &str, out, binding: &'static str| {
        last(id, out, move |r| r.prove(PASSWORD, &format!("c={binding},r={}", r.nonce)).into_bytes())
    };
    vec![
        with("H-148 y,,", (ACCEPTED, Refused), "eSws"),
        with("H-148 n,a=hostile,", (ACCEPTED, Refused), "bixhPWhvc3RpbGUs"),
        with("H-148 p=tls-unique,,", (ACCEPTED, Refused), "cD10bHMtdW5pcXVlLCw="),
        with("H-148 biws and more", (ACCEPTED, Refused), "biwsAAAA"),
        with("H-148 not base64", same(Refused), "biw!"),
        with("H-148 no padding", same(Refused), "biwsAA"),
        with("H-148 empty", (ACCEPTED, Refused), ""),
    ]
}

/// H-149 to H-151, H-154: proofs.
fn proofs() -> Vec<Case> {
    let with = |id: &str, out, make: fn(&Round, Vec<u8>) -> String| {
        last(id, out, move |r| {
            let proof = r.proof(PASSWORD, &r.without_proof());
            format!("{},p={}", r.without_proof(), make(r, proof)).into_bytes()
        })
    };
    let text = |id: &str, out, make: fn(&Round) -> String| last(id, out, move |r| make(r).into_bytes());
    vec![
        with("H-149 empty", (Closes, Refused), |_, _| String::new()),
        with("H-149 1 byte", (Closes, Refused), |_, p| encode(&p[..1])),
        with("H-149 31 bytes", (Closes, Refused), |_, p| encode(&p[..31])),
        with("H-149 33 bytes", (Closes, Refused), |_, p| encode(&[&p[..], &[0]].concat())),
        with("H-149 64 bytes", (Closes, Refused), |_, p| encode(&[&p[..], &p[..]].concat())),
        with("H-149 not base64", same(Refused), |_, p| encode(&p).replace('=', "!")),
        with("H-149 a blank in it", same(Refused), |_, p| format!("{} {}", &encode(&p)[..8], &encode(&p)[8..])),
        with("H-149 a line break behind it", same(Refused), |_, p| encode(&p) + "\n"),
        with("H-149 no padding", same(Refused), |_, p| encode(&p).trim_end_matches('=').to_owned()),
        with("H-150 zeros", same(Refused), |_, _| encode(&[0; 32])),
        with("H-150 the stored key", same(Refused), |r, _| {
            encode(&r.hash.stored_key(&r.hash.salted(PASSWORD.as_bytes(), &r.salt, r.iterations)))
        }),
        with("H-150 the client's signature", same(Refused), |r, _| {
            encode(&r.client_signature(PASSWORD, &r.without_proof()))
        }),
        with("H-150 one bit", same(Refused), |_, mut p| {
            p[31] ^= 1;
            encode(&p)
        }),
        with("H-154 another password", same(Refused), |r, _| encode(&r.proof("hostile-secret ", &r.without_proof()))),
        text("H-151 p not last", same(Refused), |r| {
            format!("p={},{}", encode(&r.proof(PASSWORD, &r.without_proof())), r.without_proof())
        }),
        text("H-151 two of them", (Closes, Refused), |r| format!("{0},{1}", r.finish(PASSWORD), "p=AAAA")),
        text("H-151 an extension behind it", same(Refused), |r| r.finish(PASSWORD) + ",ext=v"),
        text("H-151 no proof", same(Refused), Round::without_proof),
        text("H-151 empty message", same(Refused), |_| String::new()),
        text("H-151 r before c", same(Refused), |r| r.prove(PASSWORD, &format!("r={},c={}", r.nonce, r.binding()))),
        // A password that is right for the other hash: the user has no credential of this one.
        // A broker refuses in the first round: that is how names can be found out.
        not_kafka(whole(
            "H-154 no credential of this hash",
            Hash::Sha512,
            "n,,",
            &format!("n={ONLY_256},r=x"),
            honest,
            same(Refused),
        )),
        not_kafka(whole("H-158 nobody", Hash::Sha256, "n,,", "n=nobody-at-all,r=x", honest, same(Refused))),
        first("H-158 nobody, first round", "n,,n=nobody-at-all,r=x", Refused, CHALLENGE),
    ]
}

/// H-152, H-161, H-162: messages that are not due.
fn order() -> Vec<Case> {
    let text = |id: &str, out, make: fn(&Round) -> String| last(id, out, move |r| make(r).into_bytes());
    vec![
        text("H-152 client-first twice", same(Refused), |r| format!("n,,{}", r.client_first_bare)),
        text("H-161 e= in the second round", same(Refused), |_| "e=other-error".into()),
        text("H-161 v= in the second round", same(Refused), |r| r.server_final(PASSWORD, &r.without_proof())),
    ]
}

/// H-156: a recorded exchange does not work again.
fn replay(target: Target) -> Result<()> {
    use kafka_protocol::messages::SaslAuthenticateRequest;
    let user = "replayed";
    target.give(user, Hash::Sha256, PASSWORD)?;
    let token = |text: &str| SaslAuthenticateRequest::default().with_auth_bytes(text.to_owned().into());
    let mut conn = target.open()?;
    conn.handshake("SCRAM-SHA-256")?;
    let bare = format!("n={user},r=recorded");
    let reply = conn.call(1, &token(&format!("n,,{bare}")))?;
    let round = Round::new(Hash::Sha256, "n,,", &bare, "recorded", &reply.auth_bytes)?;
    let recorded = round.finish(PASSWORD);
    check_eq!(conn.call(1, &token(&recorded))?.error_code, 0, "the exchange that is recorded");
    for _ in 0..3 {
        let mut conn = target.open()?;
        conn.handshake("SCRAM-SHA-256")?;
        let reply = conn.call(1, &token(&format!("n,,{bare}")))?;
        let fresh = Round::new(Hash::Sha256, "n,,", &bare, "recorded", &reply.auth_bytes)?;
        check!(fresh.nonce != round.nonce, "the server's nonce came twice");
        check_eq!(conn.call(1, &token(&recorded))?.error_code, 58, "the recorded message");
    }
    Ok(())
}
