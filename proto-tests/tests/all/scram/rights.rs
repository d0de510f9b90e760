//! Who may describe and change credentials: at a broker with an authorizer and at doorkeeper the same people, with the same words.
//! And what nobody is told: salts and keys.

use std::time::Duration;

use kafka_protocol::messages::DescribeUserScramCredentialsResponse;
use libtest_mimic::Trial;
use proto_tests::hostile::hex;
use proto_tests::scram::{self, Hash, log_in};
use proto_tests::wire::requests::{alter_scram, deletion, describe_scram, upsertion};
use proto_tests::wire::{Conn, End, bytes, frame_of};
use proto_tests::{Result, check, check_eq};

use super::{Target, both, credential, front};
use crate::free;

pub fn trials() -> Vec<Trial> {
    let mut all = vec![
        free("scram::rights::others_are_refused", others),
        free("scram::rights::null_list_of_others", null_list),
        free("scram::rights::malformed", malformed),
    ];
    all.extend(both("rights::no_salt_and_no_key", no_keys));
    all
}

const REFUSED: &str = "Cluster authorization failed.";

/// How a caller comes.
type Come = fn(Target) -> Result<Conn>;

/// Anonymous ones, users of PLAIN and users of SCRAM: the same answers at both.
fn others() -> Result<()> {
    let callers: [(&str, Come); 3] = [
        ("anonymous", |target| Conn::open(target.plaintext()?)),
        ("a user of PLAIN", |target| Conn::login(target.sasl()?, "alice", "alice-secret")),
        ("a user of SCRAM", |target| {
            target.give("no-admin", Hash::Sha256, "secret")?;
            let mut conn = target.open()?;
            log_in(&mut conn, Hash::Sha256, "no-admin", "secret")?;
            Ok(conn)
        }),
    ];
    for target in Target::BOTH {
        target.give("of-others", Hash::Sha256, "secret")?;
    }
    for (who, come) in callers {
        let (mut kafka, mut front) = (come(Target::Kafka)?, come(Target::Front)?);
        for asked in [&["of-others"][..], &["of-others", "nobody", "of-others"], &[""]] {
            let request = describe_scram(Some(asked));
            let (straight, through) = (kafka.call(0, &request)?, front.call(0, &request)?);
            check_eq!(straight.error_code, 31, "{who} at kafka: {straight:?}");
            check_eq!(
                straight.results.iter().filter(|r| r.error_code == 31 && r.user.is_empty()).count(),
                straight.results.len(),
                "{straight:?}"
            );
            check_eq!(through, straight, "{who} asks for {asked:?}");
        }
        let alterations = [
            alter_scram(vec![], vec![]),
            alter_scram(vec![deletion("of-others", 1)], vec![]),
            alter_scram(
                vec![deletion("zoe", 1), deletion("of-others", 2), deletion("of-others", 1)],
                vec![credential("eve", Hash::Sha256, "secret"), credential("zoe", Hash::Sha256, "secret")],
            ),
            alter_scram(vec![], vec![upsertion("", 9, 1, b"", b"")]),
        ];
        for request in alterations {
            let (straight, through) = (kafka.call(0, &request)?, front.call(0, &request)?);
            let mut straight = straight;
            for result in &mut straight.results {
                // The controller's own request, printed, which is nobody's business outside of it.
                let said = result.error_message.take().unwrap_or_default();
                let inside = said.starts_with("Request Request(") && said.ends_with(") needs ALTER permission.");
                check!(result.error_code == 31 && inside, "{who} at kafka: {} {said:?}", result.error_code);
                result.error_message = Some(proto_tests::wire::requests::text(REFUSED));
            }
            // In the order of the names, both.
            check_eq!(through, straight, "{who} asks for {request:?}");
        }
        // The connection is as good as before.
        check!(front.call(12, &proto_tests::wire::requests::metadata(&[])).is_ok(), "{who} cannot go on");
    }
    // Nothing was done.
    for target in Target::BOTH {
        log_in(&mut target.open()?, Hash::Sha256, "of-others", "secret")?;
        for hash in Hash::BOTH {
            scram::is_refused(&mut target.open()?, hash, "eve", "secret")?;
        }
    }
    Ok(())
}

/// Without a list of users a broker never answers one who may not ask; doorkeeper does.
fn null_list() -> Result<()> {
    let ask = |target: Target| -> Result<_> {
        let mut conn = Conn::login(target.sasl()?, "alice", "alice-secret")?;
        conn.send(&frame_of(0, 7, &describe_scram(None))?)?;
        Ok(conn)
    };
    let seen = ask(Target::Kafka)?.outcome(Duration::from_secs(3));
    check_eq!((seen.end, hex(&seen.bytes)), (End::Open, hex(&[])), "at kafka");
    let want = DescribeUserScramCredentialsResponse::default().with_error_code(31).with_error_message(None);
    let mut conn = ask(Target::Front)?;
    let reply = conn.answer::<kafka_protocol::messages::DescribeUserScramCredentialsRequest>(0, 7)?;
    check_eq!(reply, want, "at the front");
    Ok(())
}

/// Lists that may not be null, and are: a broker closes, doorkeeper takes them as empty ones.
const NULL_LISTS: [&str; 2] = ["no list of deletions", "no list of upsertions"];

/// Requests that do not parse close the connection, whoever sends them, and nothing of them is done.
fn malformed() -> Result<()> {
    use bytes::{cat, compact, framed, hdr2, i32s, uvarint};
    let put = |name: &[u8], salt: &[u8]| cat(&[name, &[1], &i32s(4096), salt, &compact(&[7; 32]), &[0]]);
    let good = put(&compact(b"malformed"), &compact(b"salt"));
    let alter = |body: &[u8]| framed(&cat(&[&hdr2(51, 0), body]));
    let describe = |body: &[u8]| framed(&cat(&[&hdr2(50, 0), body]));
    // The frame that the others spoil.
    let whole = alter(&cat(&[&[1, 2], &good, &[0]]));
    let rows = [
        ("a null name", alter(&cat(&[&[1, 2], &put(&[0], &compact(b"salt")), &[0]]))),
        ("a null salt", alter(&cat(&[&[1, 2], &put(&compact(b"malformed"), &[0]), &[0]]))),
        (NULL_LISTS[0], alter(&cat(&[&[0, 2], &put(&compact(b"null-list"), &compact(b"salt")), &[0]]))),
        (NULL_LISTS[1], alter(&[1, 0, 0])),
        ("2^31 upsertions", alter(&cat(&[&[1], &uvarint(u32::MAX >> 1), &good, &[0]]))),
        ("2^31 deletions", alter(&cat(&[&uvarint(u32::MAX >> 1), &good, &[0]]))),
        ("cut short", alter(&[&[1, 2], &good[..good.len() - 3]].concat())),
        ("an empty body", alter(&[])),
        ("a name longer than the frame", alter(&cat(&[&[1, 2], &put(&[200, 1, b'm'], &compact(b"s")), &[0]]))),
        ("2^31 users described", describe(&cat(&[&uvarint(u32::MAX >> 1), &compact(b"u"), &[0, 0]]))),
        ("a null user described", describe(&[2, 0, 0, 0])),
        ("a description cut short", describe(&[2, 5, b'u'])),
    ];
    let mut wrong = Vec::new();
    for (name, frame) in rows {
        for target in Target::BOTH {
            let mut conn = target.admin()?;
            conn.send(&frame)?;
            // What stays open is looked at for a second.
            let open = target == Target::Front && NULL_LISTS.contains(&name);
            let seen = conn.outcome(Duration::from_secs(if open { 1 } else { 20 }));
            if open {
                if seen.end != End::Open || seen.bytes.is_empty() {
                    wrong.push(format!("{name} at the front: {:?} {}", seen.end, hex(&seen.bytes)));
                }
            } else if seen.end != End::Closed || !seen.bytes.is_empty() {
                wrong.push(format!("{name} at {}: {:?} {}", target.name(), seen.end, hex(&seen.bytes)));
            }
        }
    }
    check!(wrong.is_empty(), "{}", wrong.join("\n"));
    for target in Target::BOTH {
        let reply = target.admin()?.call(0, &describe_scram(Some(&["malformed"])))?;
        check_eq!(reply.results[0].error_code, 91, "a malformed request was done at {}", target.name());
        let mut conn = target.admin()?;
        conn.send(&whole)?;
        check!(conn.frame()?.windows(9).any(|w| w == b"malformed"), "the whole frame at {}", target.name());
    }
    Ok(())
}

/// SEC-34: the bytes of every answer to an administrator hold no salt and no key, and doorkeeper's log neither.
fn no_keys(target: Target) -> Result<()> {
    let (user, salt) = ("no-keys", b"a-salt-that-nobody-sees");
    let mut secrets = vec![salt.to_vec()];
    let mut answers = Vec::new();
    let mut conn = target.admin()?;
    for hash in Hash::BOTH {
        let salted = hash.salted(b"password-that-nobody-sees", salt, 4096);
        let request = alter_scram(vec![], vec![upsertion(user, hash.number(), 4096, salt, &salted)]);
        secrets.extend([hash.client_key(&salted), hash.stored_key(&salted), hash.server_key(&salted), salted]);
        // Twice in one request too: the words of a refusal hold none.
        let twice = alter_scram(vec![], [&request.upsertions[..], &request.upsertions[..]].concat());
        for request in [request, twice] {
            conn.send(&frame_of(0, 7, &request)?)?;
            answers.extend_from_slice(&conn.frame()?);
        }
        target.settled("the user", || log_in(&mut target.open()?, hash, user, "password-that-nobody-sees"))?;
    }
    for request in [describe_scram(None), describe_scram(Some(&[user])), describe_scram(Some(&[user, user]))] {
        conn.send(&frame_of(0, 7, &request)?)?;
        answers.extend_from_slice(&conn.frame()?);
    }
    let gone = alter_scram(vec![deletion(user, 1)], vec![]);
    conn.send(&frame_of(0, 7, &gone)?)?;
    answers.extend_from_slice(&conn.frame()?);
    check!(answers.windows(user.len()).filter(|w| *w == user.as_bytes()).count() >= 7, "the user is in the answers");
    let log = match target {
        Target::Kafka => Vec::new(),
        Target::Front => front()?.lock().map_err(|e| e.to_string())?.process.output().into_bytes(),
    };
    for secret in secrets {
        // A part of a secret is one too.
        for form in [secret[..16].to_vec(), scram::encode(&secret)[..20].into(), hex(&secret)[1..33].into()] {
            for (what, bytes) in [("an answer", &answers), ("the log", &log)] {
                check!(!bytes.windows(form.len()).any(|w| w == form), "{what} holds {}", hex(&form));
            }
        }
    }
    let password = b"password-that-nobody-sees";
    check!(!log.windows(password.len()).any(|w| w == password), "the log holds a password");
    Ok(())
}
