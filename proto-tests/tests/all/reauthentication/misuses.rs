//! What a known client may send to authenticate anew, and what not: each row at a broker and at doorkeeper.

use std::sync::OnceLock;

use libtest_mimic::Trial;
use proto_tests::Result;
use proto_tests::guarded::{BRIEF_SESSIONS, SESSIONS};
use proto_tests::hostile::{Case, Ending, Expect, Listener, Reply, Step, run_all};
use proto_tests::scram::{Hash, Round};
use proto_tests::wire::bytes::{
    api_versions3, authenticate, blob, cat, framed, handshake, hdr1, hdr2, i16s, i32s, refused, string,
};

use super::{ALICE, BOB, front, know_users};
use crate::free;
use crate::scram::judge;

const AT_FRONT: usize = 0;
const AT_KAFKA: usize = 1;

pub fn trials() -> Vec<Trial> {
    let mut all = Vec::new();
    for (i, case) in cases().iter().enumerate() {
        all.push(free(&format!("reauthentication::misuses::front::{}", case.id), move || {
            verdicts(AT_FRONT)?[i].clone()
        }));
        all.push(free(&format!("reauthentication::misuses::kafka::{}", case.id), move || {
            verdicts(AT_KAFKA)?[i].clone()
        }));
    }
    all
}

fn verdicts(target: usize) -> Result<&'static Vec<Result<()>>> {
    static SEEN: [OnceLock<Result<Vec<Result<()>>>>; 2] = [OnceLock::new(), OnceLock::new()];
    let run = || {
        let [long, brief] = if target == AT_FRONT {
            ["SESSIONS", "BRIEF"].map(|listener| front().map(|front| front.at(listener)))
        } else {
            let broker = judge()?;
            know_users(broker.sasl)?;
            [Ok(broker.sessions), Ok(broker.brief_sessions)]
        };
        let (long, brief) = (long?, brief?);
        Ok(run_all(cases(), |case| {
            let to = if is_brief(case) { brief } else { long };
            Some((to, if target == AT_FRONT { case.front.clone() } else { case.kafka.clone()? }))
        }))
    };
    SEEN[target].get_or_init(run).as_ref().map_err(Clone::clone)
}

/// Rows at the listener whose sessions end while one waits.
const BRIEF: &str = "over: ";

fn is_brief(case: &Case) -> bool {
    case.id.starts_with(BRIEF)
}

// ---- what rows are made of ----

/// The same at both.
fn row(id: &str, steps: impl IntoIterator<Item = Vec<Step>>, both: Expect) -> Case {
    let steps = steps.into_iter().flatten().collect();
    Case { id: id.into(), listener: Listener::Sasl, steps, front: both.clone(), kafka: Some(both) }
}

/// Doorkeeper does otherwise.
fn but_front(mut case: Case, front: Expect) -> Case {
    case.front = front;
    case
}

/// A broker does otherwise.
fn but_kafka(mut case: Case, kafka: Expect) -> Case {
    case.kafka = Some(kafka);
    case
}

/// After a login as alice by PLAIN.
fn known(id: &str, then: impl IntoIterator<Item = Vec<u8>>, both: Expect) -> Case {
    row(id, [login(), sends(then)], both)
}

/// The same, when the session is over.
fn over(id: &str, then: impl IntoIterator<Item = Vec<u8>>, both: Expect) -> Case {
    row(&format!("{BRIEF}{id}"), [login(), wait(AFTER_BRIEF), sends(then)], both)
}

const AFTER_BRIEF: u64 = BRIEF_SESSIONS.0 + 400;

fn sends(all: impl IntoIterator<Item = Vec<u8>>) -> Vec<Step> {
    vec![Step::Send(all.into_iter().flatten().collect())]
}

fn wait(millis: u64) -> Vec<Step> {
    vec![Step::Wait(millis)]
}

fn shake(mechanism: &str) -> Vec<u8> {
    handshake(1, mechanism.as_bytes())
}

fn plain((user, password): (&str, &str)) -> Vec<u8> {
    format!("\0{user}\0{password}").into_bytes()
}

/// SaslHandshake and SaslAuthenticate.
fn log_in(user: (&str, &str)) -> Vec<u8> {
    cat(&[&shake("PLAIN"), &authenticate(&plain(user))])
}

fn login() -> Vec<Step> {
    vec![Step::Send(log_in(ALICE)), Step::Skip(2)]
}

fn versions0() -> Vec<u8> {
    framed(&hdr1(18, 0))
}

/// An answer of which the rest differs between the two.
fn good() -> Vec<u8> {
    cat(&[&i32s(1), &i16s(0)])
}

fn frames<const N: usize>(heads: [Vec<u8>; N], end: Ending) -> Expect {
    Expect { reply: Reply::Frames(heads.into()), end }
}

fn nothing(end: Ending) -> Expect {
    Expect { reply: Reply::Nothing, end }
}

fn exactly(bytes: Vec<u8>, end: Ending) -> Expect {
    Expect { reply: Reply::Exactly(bytes), end }
}

/// The frame of an answer, which is compared whole.
fn whole(answer: Vec<u8>) -> Vec<u8> {
    answer[4..].to_vec()
}

/// SaslAuthenticate v1 that accepts, and says how long that holds.
fn accepted_for(millis: u64) -> Vec<u8> {
    cat(&[&i32s(1), &i16s(0), &string(b""), &i32s(0), &(millis as i64).to_be_bytes()])
}

/// SaslHandshake where it does not belong.
fn shaken_34() -> Vec<u8> {
    cat(&[&i32s(1), &i16s(34), &i32s(0)])
}

const TOO_LATE: &str = "SaslAuthenticate request received after successful authentication";
const CHANGED: &str = "Cannot change principals during re-authentication from User.alice: User.bob";
const WRONG: &str = "Authentication failed: Invalid username or password";

fn cases() -> &'static [Case] {
    static ALL: OnceLock<Vec<Case>> = OnceLock::new();
    ALL.get_or_init(|| {
        [accepted(), refusals(), misplaced(), raw(), scram_rows(), ended()].into_iter().flatten().collect()
    })
}

fn accepted() -> Vec<Case> {
    use Ending::Open;
    let done = || [good(), accepted_for(SESSIONS.0)];
    let [first, second] = done();
    let bytewise = vec![Step::Bytewise(log_in(ALICE))];
    vec![
        row("the login tells the session", [sends([log_in(ALICE)])], frames(done(), Open)),
        known("once", [log_in(ALICE)], frames(done(), Open)),
        row("byte by byte", [login(), bytewise], frames(done(), Open)),
        known(
            "between requests sent at once",
            [versions0(), log_in(ALICE), versions0()],
            frames([good(), first.clone(), second.clone(), good()], Open),
        ),
        row(
            "again after a second",
            [login(), sends([log_in(ALICE)]), vec![Step::Skip(2)], wait(1_200), sends([log_in(ALICE)])],
            frames(done(), Open),
        ),
        row(
            "again within a second",
            [login(), sends([log_in(ALICE)]), vec![Step::Skip(2)], sends([shake("PLAIN"), versions0()])],
            frames([shaken_34(), good()], Open),
        ),
        row(
            "again within a second, with a token",
            [login(), sends([log_in(ALICE)]), vec![Step::Skip(2)], sends([log_in(ALICE)])],
            frames([shaken_34(), whole(refused(34, TOO_LATE))], Open),
        ),
    ]
}

fn refusals() -> Vec<Case> {
    use Ending::{AtOnce, Delayed, Open};
    let says = |user, text: &str| {
        known(&format!("refused: {text}"), [log_in(user)], frames([good(), whole(refused(58, text))], Delayed))
    };
    vec![
        says((ALICE.0, "not-hers"), WRONG),
        says(BOB, CHANGED),
        known(
            "a token of one part",
            [shake("PLAIN"), authenticate(b"x")],
            frames([good(), whole(refused(58, "Invalid SASL/PLAIN response: expected 3 tokens, got 1"))], Delayed),
        ),
        // What comes behind a refusal changes nothing. A broker serves it until it closes: its refusal has left the exchange complete.
        but_kafka(
            known(
                "somebody else, and herself behind it",
                [log_in(BOB), authenticate(&plain(ALICE)), versions0()],
                frames([good(), whole(refused(58, CHANGED))], Delayed),
            ),
            frames([good(), whole(refused(34, TOO_LATE)), good(), whole(refused(58, CHANGED))], Delayed),
        ),
        known("another mechanism, and nothing more", [shake("SCRAM-SHA-256")], frames([good()], Open))
            .until_deadline([good()]),
        known(
            "another mechanism, and a token",
            [shake("SCRAM-SHA-256"), authenticate(b"n,,n=alice,r=x")],
            frames([good()], Delayed),
        ),
        known(
            "another mechanism, and the token of the first",
            [shake("SCRAM-SHA-256"), authenticate(&plain(ALICE))],
            frames([good()], Delayed),
        ),
        known("another mechanism, and ApiVersions", [shake("SCRAM-SHA-256"), versions0()], frames([good()], Delayed)),
        known("a mechanism that is not enabled", [shake("OAUTHBEARER"), authenticate(b"x")], nothing(AtOnce)),
        known("a mechanism in lower case", [shake("plain"), authenticate(&plain(ALICE))], nothing(AtOnce)),
        known("no mechanism", [shake("")], nothing(AtOnce)),
    ]
}

fn misplaced() -> Vec<Case> {
    use Ending::{AtOnce, Closed, Delayed, Open};
    let inside = |id: &str, request: Vec<u8>, answer: Vec<u8>| {
        known(&format!("inside: {id}"), [shake("PLAIN"), request], frames([good(), answer], Delayed))
    };
    let versions_34 = |rest: &[u8]| cat(&[&i32s(1), &i16s(34), rest]);
    let oversized = 524_289_u32.to_be_bytes().to_vec();
    vec![
        inside("ApiVersions v0", versions0(), versions_34(&i32s(0))),
        inside("ApiVersions v3", api_versions3(b"t", b"1"), versions_34(&[1, 0, 0, 0, 0, 0])),
        inside("SaslHandshake", shake("PLAIN"), shaken_34()),
        known("inside: nothing", [shake("PLAIN")], frames([good()], Open)).until_deadline([good()]),
        known("inside: SaslAuthenticate v3", [shake("PLAIN"), framed(&hdr2(36, 3))], frames([good()], AtOnce)),
        known("inside: no request", [shake("PLAIN"), framed(&[0xff; 20])], frames([good()], AtOnce)),
        known("inside: a frame that is too large", [shake("PLAIN"), oversized], frames([good()], Delayed)),
        known("inside: a negative size", [shake("PLAIN"), vec![0xff; 4]], frames([good()], Delayed)),
        known("a token without handshake", [authenticate(&plain(ALICE))], exactly(refused(34, TOO_LATE), Open)),
        known("SaslHandshake v2", [handshake(2, b"PLAIN")], nothing(AtOnce)),
        known("SaslHandshake that is cut short", [framed(&cat(&[&hdr1(17, 1), &i16s(9), b"PLAIN"]))], nothing(AtOnce)),
        known("SaslHandshake without mechanism", [framed(&cat(&[&hdr1(17, 1), &i16s(-1)]))], nothing(Closed)),
    ]
}

/// SaslHandshake v0, after which tokens come as they are.
fn raw() -> Vec<Case> {
    use Ending::{Delayed, Open};
    let shake0 = || handshake(0, b"PLAIN");
    let token = |user| framed(&plain(user));
    vec![
        known("raw", [shake0(), token(ALICE)], frames([good(), vec![]], Open)),
        known("raw, and a request", [shake0(), token(ALICE), versions0()], frames([good(), vec![], good()], Open)),
        known("raw: a wrong password", [shake0(), token((ALICE.0, "not-hers"))], frames([good()], Delayed)),
        known("raw: somebody else", [shake0(), token(BOB)], frames([good()], Delayed)),
        known("raw: SaslAuthenticate", [shake0(), authenticate(&plain(ALICE))], frames([good()], Delayed)),
        row(
            "raw login, then not raw",
            [vec![Step::Send(cat(&[&shake0(), &token(ALICE)])), Step::Skip(2)], sends([log_in(ALICE)])],
            frames([good(), accepted_for(SESSIONS.0)], Open),
        ),
    ]
}

/// SCRAM's two rounds, up to the last answer.
fn rounds(hash: Hash, (user, password): (&str, &str)) -> Vec<Step> {
    let (bare, password) = (format!("n={user},r=rows"), password.to_owned());
    let own = bare.clone();
    let answer = move |frame: &[u8]| {
        // Behind correlation id, error code and an empty message stands the token with its size; behind it the lifetime.
        let token = frame.get(12..).and_then(|rest| rest.split_last_chunk::<8>()).ok_or("no token")?.0;
        Ok(authenticate(Round::new(hash, "n,,", &own, "rows", token)?.finish(&password).as_bytes()))
    };
    vec![
        Step::Send(cat(&[&shake(hash.mechanism()), &authenticate(format!("n,,{bare}").as_bytes())])),
        Step::Skip(1),
        Step::Answer(Box::new(answer)),
    ]
}

/// After a login of alice by SCRAM.
fn scram_rows() -> Vec<Case> {
    use Ending::{Delayed, Open};
    let failed = |hash: Hash| {
        format!(
            "Authentication failed during re-authentication due to invalid credentials with SASL mechanism {}",
            hash.mechanism()
        )
    };
    let mut all = Vec::new();
    for (hash, session) in [(Hash::Sha256, SESSIONS.0), (Hash::Sha512, SESSIONS.1)] {
        let name = hash.mechanism();
        let login = || [rounds(hash, ALICE), vec![Step::Skip(1)]];
        let after = |then: Vec<Step>| login().into_iter().chain([then]);
        let ends = (session as i64).to_be_bytes();
        let done = move |frame: &[u8]| {
            if frame.ends_with(&ends) { Ok(versions0()) } else { Err(format!("another session in {frame:?}")) }
        };
        let last_says = |mut steps: Vec<Step>| {
            steps.push(Step::Answer(Box::new(done)));
            steps
        };
        all.push(row(
            &format!("{name}: the login tells the session"),
            [last_says(rounds(hash, ALICE))],
            frames([good()], Open),
        ));
        all.push(row(&format!("{name}: once"), after(last_says(rounds(hash, ALICE))), frames([good()], Open)));
        let wrong = exactly(refused(58, &failed(hash)), Delayed);
        all.push(row(&format!("{name}: a wrong password"), after(rounds(hash, (ALICE.0, "not-hers"))), wrong));
        let other = exactly(refused(58, CHANGED), Delayed);
        all.push(row(&format!("{name}: somebody else"), after(rounds(hash, BOB)), other));
        let plain = frames([good()], Delayed);
        all.push(row(&format!("{name}: then PLAIN"), after(sends([log_in(ALICE)])), plain));
    }
    all
}

/// What happens when the session is over.
fn ended() -> Vec<Case> {
    use Ending::{AtOnce, Open};
    let renewed = || [good(), accepted_for(BRIEF_SESSIONS.0)];
    let [first, second] = renewed();
    let v0 = |token: &[u8]| framed(&cat(&[&hdr1(36, 0), &blob(token)]));
    let old_login = || vec![Step::Send(cat(&[&shake("PLAIN"), &v0(&plain(ALICE))])), Step::Skip(2)];
    let raw_login = || vec![Step::Send(cat(&[&handshake(0, b"PLAIN"), &framed(&plain(ALICE))])), Step::Skip(2)];
    let brief = |id: &str, steps: [Vec<Step>; 3], both| row(&format!("{BRIEF}{id}"), steps, both);
    // Its sessions are shorter than the time that must lie between two re-authentications.
    let soon = || [rounds(Hash::Sha512, ALICE), vec![Step::Skip(1)]].into_iter().flatten();
    let too_soon = soon().chain(soon()).chain(wait(BRIEF_SESSIONS.1 + 200)).collect();
    vec![
        brief("and within a second", [too_soon, sends([shake("SCRAM-SHA-512")]), vec![]], nothing(AtOnce)),
        over("nothing comes", [], nothing(Open)),
        over("a request", [versions0()], nothing(AtOnce)),
        over("two requests", [versions0(), versions0()], nothing(AtOnce)),
        over("a token", [authenticate(&plain(ALICE))], nothing(AtOnce)),
        over("an unknown API", [framed(&hdr1(1000, 0))], nothing(AtOnce)),
        over("a handshake", [shake("PLAIN")], frames([first.clone()], Open)).until_deadline([first.clone()]),
        over("SaslHandshake v2", [handshake(2, b"PLAIN")], nothing(AtOnce)),
        over("anew", [log_in(ALICE)], frames(renewed(), Open)),
        over("anew, and a request", [log_in(ALICE), versions0()], frames([first, second, good()], Open)),
        over("anew as somebody else", [log_in(BOB)], frames([good(), whole(refused(58, CHANGED))], Ending::Delayed)),
        brief("an old client asks", [old_login(), wait(AFTER_BRIEF), sends([versions0()])], nothing(AtOnce)),
        brief("a raw client asks", [raw_login(), wait(AFTER_BRIEF), sends([versions0()])], nothing(AtOnce)),
        brief("a raw client, anew", [raw_login(), wait(AFTER_BRIEF), sends([log_in(ALICE)])], frames(renewed(), Open)),
        brief("an old client asks in time", [old_login(), wait(200), sends([versions0()])], frames([good()], Open)),
    ]
}

trait Bounded {
    /// Where a broker waits for ever, doorkeeper closes at its deadline.
    fn until_deadline<const N: usize>(self, heads: [Vec<u8>; N]) -> Self;
}

impl Bounded for Case {
    fn until_deadline<const N: usize>(self, heads: [Vec<u8>; N]) -> Self {
        but_front(self, frames(heads, Ending::Closed))
    }
}
