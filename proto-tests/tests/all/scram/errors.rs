//! DescribeUserScramCredentials and AlterUserScramCredentials, row by row: the same request to a broker and to doorkeeper, the answers
//! compared field by field. What differs is said in the row.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use kafka_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use kafka_protocol::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};
use libtest_mimic::Trial;
use proto_tests::wire::Conn;
use proto_tests::wire::requests::{alter_scram, deletion, describe_scram, upsertion};
use proto_tests::{Result, check, check_eq};

use super::Target;
use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("scram::errors::alter", alter),
        free("scram::errors::describe", describe),
        free("scram::errors::ten_thousand_users", many),
    ]
}

/// A result: the user, the code, the message.
type Fault = (String, i16, Option<String>);

/// One request, and what comes of it.
struct Row {
    name: &'static str,
    request: AlterUserScramCredentialsRequest,
    kafka: Vec<Fault>,
    /// Where it differs.
    front: Option<Vec<Fault>>,
    /// Credentials that are there afterwards, of all that the row could have made: user and mechanisms.
    left: Vec<(&'static str, Vec<i8>)>,
    left_at_front: Option<Vec<(&'static str, Vec<i8>)>>,
}

impl Row {
    /// All that it names, and those with which every row begins.
    fn users(&self) -> Vec<String> {
        let deleted = self.request.deletions.iter().map(|d| d.name.to_string());
        deleted
            .chain(self.request.upsertions.iter().map(|u| u.name.to_string()))
            .chain(["both", "one"].map(Into::into))
            .collect()
    }

    fn but_front(mut self, results: Vec<Fault>, left: Vec<(&'static str, Vec<i8>)>) -> Row {
        (self.front, self.left_at_front) = (Some(results), Some(left));
        self
    }
}

const TWICE: &str = "A user credential cannot be altered twice in the same request";
const EMPTY: &str = "Username must not be empty";
const UNKNOWN: &str = "Unknown SCRAM mechanism";
const GONE: &str = "Attempt to delete a user credential that does not exist";
const FEW: &str = "Too few iterations";
const MANY: &str = "Too many iterations";

const LONG: &str = "Username must not be longer than 1024 bytes or contain NUL";

/// A user name of that many bytes.
fn name_of(bytes: usize) -> &'static str {
    static N: OnceLock<String> = OnceLock::new();
    &N.get_or_init(|| "n".repeat(2000))[..bytes]
}

fn fault(user: &str, code: i16, message: &str) -> Fault {
    (user.into(), code, Some(message.into()))
}

fn good(user: &str) -> Fault {
    (user.into(), 0, None)
}

fn put(user: &str, mechanism: i8, iterations: i32) -> ScramCredentialUpsertion {
    upsertion(user, mechanism, iterations, b"salt of the rows", &[7; 32])
}

/// Every row begins with `both` having both mechanisms, `one` having SHA-256, and no other user.
fn rows() -> Vec<Row> {
    let row = |name, deletions, upsertions, kafka, left| Row {
        name,
        request: alter_scram(deletions, upsertions),
        kafka,
        front: None,
        left,
        left_at_front: None,
    };
    let (del, start) = (deletion, vec![("both", vec![1, 2]), ("one", vec![1])]);
    let with = |user, mechanisms: &[i8]| [&[(user, mechanisms.to_vec())], &start[..]].concat();
    let mut all = vec![
        row("nothing at all", vec![], vec![], vec![], start.clone()),
        row("a new user", vec![], vec![put("a", 1, 4096)], vec![good("a")], with("a", &[1])),
        row("the most iterations", vec![], vec![put("a", 2, 16384)], vec![good("a")], with("a", &[2])),
        row("over the old one", vec![], vec![put("one", 1, 5000)], vec![good("one")], start.clone()),
        row("a deletion", vec![del("both", 2)], vec![], vec![good("both")], vec![("both", vec![1]), ("one", vec![1])]),
        row("the last one deleted", vec![del("one", 1)], vec![], vec![good("one")], vec![("both", vec![1, 2])]),
        // The same user and the same mechanism.
        row(
            "given twice",
            vec![],
            vec![put("a", 1, 4096), put("a", 1, 5000)],
            vec![fault("a", 92, TWICE)],
            start.clone(),
        ),
        row(
            "given three times",
            vec![],
            vec![put("a", 1, 4096), put("a", 1, 4096), put("a", 1, 4096)],
            vec![fault("a", 92, TWICE)],
            start.clone(),
        ),
        row("deleted twice", vec![del("one", 1), del("one", 1)], vec![], vec![fault("one", 92, TWICE)], start.clone()),
        row(
            "deleted and given",
            vec![del("one", 1)],
            vec![put("one", 1, 4096)],
            vec![fault("one", 92, TWICE)],
            start.clone(),
        ),
        // The same user and another mechanism: doorkeeper takes it, so that the command of Kafka's own documents works.
        row(
            "both mechanisms given",
            vec![],
            vec![put("a", 1, 4096), put("a", 2, 4096)],
            vec![fault("a", 92, TWICE)],
            start.clone(),
        )
        .but_front(vec![good("a")], with("a", &[1, 2])),
        row(
            "both mechanisms deleted",
            vec![del("both", 1), del("both", 2)],
            vec![],
            vec![fault("both", 92, TWICE)],
            start.clone(),
        )
        .but_front(vec![good("both")], vec![("one", vec![1])]),
        row(
            "one mechanism deleted, the other given",
            vec![del("one", 1)],
            vec![put("one", 2, 4096)],
            vec![fault("one", 92, TWICE)],
            start.clone(),
        )
        .but_front(vec![good("one")], vec![("both", vec![1, 2]), ("one", vec![2])]),
        row(
            "two mechanisms, one of them wrong: neither",
            vec![],
            vec![put("a", 1, 4096), put("a", 2, 10)],
            vec![fault("a", 92, TWICE)],
            start.clone(),
        )
        .but_front(vec![fault("a", 93, FEW)], start.clone()),
        row("no name given", vec![], vec![put("", 1, 4096)], vec![fault("", 93, EMPTY)], start.clone()),
        row("no name deleted", vec![del("", 1)], vec![], vec![fault("", 93, EMPTY)], start.clone()),
        row("deletion of nobody", vec![del("nobody", 1)], vec![], vec![fault("nobody", 91, GONE)], start.clone()),
        row("deletion of the other one", vec![del("one", 2)], vec![], vec![fault("one", 91, GONE)], start.clone()),
        row("4095", vec![], vec![put("a", 1, 4095)], vec![fault("a", 93, FEW)], start.clone()),
        row("0", vec![], vec![put("a", 1, 0)], vec![fault("a", 93, FEW)], start.clone()),
        row("-1", vec![], vec![put("a", 2, -1)], vec![fault("a", 93, FEW)], start.clone()),
        row("16385", vec![], vec![put("a", 2, 16385)], vec![fault("a", 93, MANY)], start.clone()),
        row("2^31-1", vec![], vec![put("a", 1, i32::MAX)], vec![fault("a", 93, MANY)], start.clone()),
        // Which fault is told when there are several.
        row("no name, no mechanism, few", vec![], vec![put("", 9, 1)], vec![fault("", 93, EMPTY)], start.clone()),
        row("no mechanism, few", vec![], vec![put("a", 9, 1)], vec![fault("a", 33, UNKNOWN)], start.clone()),
        row(
            "no mechanism to delete",
            vec![del("nobody", 9)],
            vec![],
            vec![fault("nobody", 33, UNKNOWN)],
            start.clone(),
        ),
        row(
            "a fault, then the same user again",
            vec![],
            vec![put("a", 1, 10), put("a", 1, 4096)],
            vec![fault("a", 93, FEW)],
            start.clone(),
        ),
        row(
            "a deletion of nobody, then given",
            vec![del("a", 1)],
            vec![put("a", 1, 4096)],
            vec![fault("a", 91, GONE)],
            start.clone(),
        ),
        row(
            "two faults of one user",
            vec![del("a", 1)],
            vec![put("a", 2, 99999)],
            vec![fault("a", 91, GONE)],
            start.clone(),
        ),
        row(
            "the good ones among bad ones",
            vec![del("nobody", 1), del("one", 1)],
            vec![put("", 1, 4096), put("a", 1, 4096), put("b", 3, 4096), put("c", 1, 1), put("d", 2, 99999)],
            vec![
                fault("", 93, EMPTY),
                good("a"),
                fault("b", 33, UNKNOWN),
                fault("c", 93, FEW),
                fault("d", 93, MANY),
                fault("nobody", 91, GONE),
                good("one"),
            ],
            vec![("a", vec![1]), ("both", vec![1, 2])],
        ),
        // Names that no rule forbids.
        row("a comma", vec![], vec![put("a,b=c d", 1, 4096)], vec![good("a,b=c d")], with("a,b=c d", &[1])),
        row(
            "not ASCII",
            vec![],
            vec![put("a\u{fc}\u{20ac}\u{1f600}", 1, 4096)],
            vec![good("a\u{fc}\u{20ac}\u{1f600}")],
            with("a\u{fc}\u{20ac}\u{1f600}", &[1]),
        ),
        row("a line break", vec![], vec![put("a\r\nb", 1, 4096)], vec![good("a\r\nb")], with("a\r\nb", &[1])),
        row("only a blank", vec![], vec![put(" ", 1, 4096)], vec![good(" ")], with(" ", &[1])),
        // Bytes that have any length.
        row(
            "an empty salted password",
            vec![],
            vec![upsertion("a", 1, 4096, b"salt", b"")],
            vec![("a".into(), -1, None)],
            start.clone(),
        )
        .but_front(vec![fault("a", 93, "Salted password must not be empty")], start.clone()),
        row(
            "a salted password of one byte",
            vec![],
            vec![upsertion("a", 1, 4096, b"salt", b"x")],
            vec![good("a")],
            with("a", &[1]),
        ),
        row(
            "one of 64 bytes for SHA-256",
            vec![],
            vec![upsertion("a", 1, 4096, b"salt", &[9; 64])],
            vec![good("a")],
            with("a", &[1]),
        ),
        row("an empty salt", vec![], vec![upsertion("a", 1, 4096, b"", &[7; 32])], vec![good("a")], with("a", &[1]))
            .but_front(vec![fault("a", 93, "Salt must have 1 to 1024 bytes")], start.clone()),
        row(
            "a salt of 1025 bytes",
            vec![],
            vec![upsertion("a", 1, 4096, &[1; 1025], &[7; 32])],
            vec![good("a")],
            with("a", &[1]),
        )
        .but_front(vec![fault("a", 93, "Salt must have 1 to 1024 bytes")], start.clone()),
        row("a NUL in the name", vec![], vec![put("a\0", 1, 4096)], vec![good("a\0")], with("a\0", &[1]))
            .but_front(vec![fault("a\0", 93, LONG)], start.clone()),
        row(
            "a name of 1024 bytes",
            vec![],
            vec![put(name_of(1024), 1, 4096)],
            vec![good(name_of(1024))],
            with(name_of(1024), &[1]),
        ),
        row(
            "a name of 1025 bytes",
            vec![],
            vec![put(name_of(1025), 1, 4096)],
            vec![good(name_of(1025))],
            with(name_of(1025), &[1]),
        )
        .but_front(vec![fault(name_of(1025), 93, LONG)], start.clone()),
    ];
    for number in [0, 3, 127, -1, -128] {
        all.push(row(
            "no such mechanism",
            vec![],
            vec![put("a", number, 4096)],
            vec![fault("a", 33, UNKNOWN)],
            start.clone(),
        ));
    }
    all
}

/// Leaves `both` with both mechanisms, `one` with SHA-256, and no other user.
fn begin(target: Target, conn: &mut Conn) -> Result<()> {
    let users = left(conn)?;
    let mut rounds: [Vec<_>; 2] = Default::default();
    for (user, mechanisms) in &users {
        for (round, mechanism) in rounds.iter_mut().zip(mechanisms) {
            round.push(deletion(user, *mechanism));
        }
    }
    // A broker takes one change of a user in a request.
    for deletions in rounds {
        target.alter(deletions, vec![])?;
    }
    target.alter(vec![], vec![put("both", 1, 4096), put("one", 1, 4096)])?;
    target.alter(vec![], vec![put("both", 2, 4096)])?;
    let want = [("both".to_owned(), vec![1, 2]), ("one".to_owned(), vec![1])];
    target.settled("the users that a row begins with", || {
        check_eq!(left(conn)?, want, "users");
        Ok(())
    })
}

/// The users of the rows and their mechanisms, sorted. (Other trials have users too.)
fn left(conn: &mut Conn) -> Result<Vec<(String, Vec<i8>)>> {
    static NAMES: OnceLock<BTreeSet<String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| rows().iter().flat_map(Row::users).collect());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reply = conn.call(0, &describe_scram(Some(&names)))?;
    check_eq!((reply.error_code, reply.error_message.as_deref()), (0, Some("")), "description");
    check_eq!(reply.results.len(), names.len(), "users described");
    let mut users = Vec::new();
    for row in reply.results.into_iter().filter(|row| row.error_code != 91) {
        check_eq!((row.error_code, row.error_message.as_deref()), (0, Some("")), "description of {:?}", row.user);
        let mut mechanisms: Vec<i8> = row.credential_infos.iter().map(|c| c.mechanism).collect();
        mechanisms.sort();
        users.push((row.user.to_string(), mechanisms));
    }
    users.sort();
    Ok(users)
}

fn alter() -> Result<()> {
    let mut conns = [Target::Kafka.admin()?, Target::Front.admin()?];
    let mut wrong = Vec::new();
    for row in rows() {
        for (target, conn) in Target::BOTH.into_iter().zip(&mut conns) {
            if let Err(why) = alter_row(target, conn, &row) {
                wrong.push(format!("{} at {}: {why}", row.name, target.name()));
            }
        }
    }
    check!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn alter_row(target: Target, conn: &mut Conn, row: &Row) -> Result<()> {
    begin(target, conn)?;
    let reply = conn.call(0, &row.request)?;
    let differs = row.front.is_some() && target == Target::Front;
    let want = if differs { row.front.as_ref().unwrap_or(&row.kafka) } else { &row.kafka };
    let seen = reply
        .results
        .iter()
        .map(|r| (r.user.to_string(), r.error_code, r.error_message.as_ref().map(ToString::to_string)));
    let mut seen: Vec<Fault> = seen.collect();
    // A broker's order is that of its hash tables: first what it did, then what it refused, each in an order of its own.
    seen.sort();
    let mut want = want.clone();
    want.sort();
    check_eq!(seen, want, "results");
    check_eq!(reply.throttle_time_ms, 0, "throttled");
    let left_there = if differs { row.left_at_front.as_ref().unwrap_or(&row.left) } else { &row.left };
    let want: Vec<(String, Vec<i8>)> = left_there.iter().map(|(u, m)| ((*u).to_owned(), m.clone())).collect();
    let want: BTreeSet<_> = want.into_iter().collect();
    target.settled("what the row leaves", || {
        check_eq!(left(conn)?.into_iter().collect::<BTreeSet<_>>(), want, "users afterwards");
        Ok(())
    })
}

/// The same bytes of a description at both, but for the order of the users when all are asked for.
fn describe() -> Result<()> {
    let users = ["describe-a", "describe-b", "describe, c=d", "describe-\u{fc}"];
    for target in Target::BOTH {
        let all = users.iter().map(|u| put(u, 1, 4096)).collect();
        target.alter(vec![], all)?;
        target.alter(vec![], vec![put("describe-a", 2, 16384)])?;
        let mut conn = target.admin()?;
        target.settled("the users to be there", || {
            let reply = conn.call(0, &describe_scram(Some(&users)))?;
            check_eq!(reply.results.iter().map(|r| r.credential_infos.len()).sum::<usize>(), 5, "credentials");
            Ok(())
        })?;
    }
    let gone =
        |user: &str| fault(user, 91, &format!("Attempt to describe a user credential that does not exist: {user}"));
    let twice = |user: &str| {
        fault(
            user,
            92,
            &format!("Cannot describe SCRAM credentials for the same user twice in a single request: {user}"),
        )
    };
    // A description that succeeds has an empty message, where an alteration that does has none.
    let good = |user: &str| fault(user, 0, "");
    let rows: Vec<(&[&str], Vec<Fault>)> = vec![
        (&["describe-a"], vec![good("describe-a")]),
        (&["describe-b", "describe-a"], vec![good("describe-b"), good("describe-a")]),
        (&users, users.map(good).into()),
        (&["describe-nobody"], vec![gone("describe-nobody")]),
        (&["describe-b", "describe-b"], vec![twice("describe-b")]),
        (&["describe-b", "describe-a", "describe-b", "describe-b"], vec![twice("describe-b"), good("describe-a")]),
        (&["describe-nobody", "describe-nobody"], vec![twice("describe-nobody")]),
        (&[""], vec![gone("")]),
        (&["describe-nobody", "", "describe-a"], vec![gone("describe-nobody"), gone(""), good("describe-a")]),
        (&["DESCRIBE-A", "describe-a ", " describe-a"], ["DESCRIBE-A", "describe-a ", " describe-a"].map(gone).into()),
    ];
    let mut wrong = Vec::new();
    let (mut kafka, mut front) = (Target::Kafka.admin()?, Target::Front.admin()?);
    for (asked, want) in rows {
        let request = describe_scram(Some(asked));
        let (straight, through) = (sorted(kafka.call(0, &request)?), sorted(front.call(0, &request)?));
        let seen: Vec<Fault> = straight
            .results
            .iter()
            .map(|r| (r.user.to_string(), r.error_code, r.error_message.as_ref().map(ToString::to_string)))
            .collect();
        let want: Vec<Fault> = BTreeSet::from_iter(want).into_iter().collect();
        if seen != want {
            wrong.push(format!("{asked:?} at kafka: {seen:?}"));
        }
        if straight != through {
            wrong.push(format!("{asked:?}\n  kafka: {straight:?}\n  front: {through:?}"));
        }
    }
    // All: without a list, and with an empty one. Each gives the same set.
    for request in [describe_scram(None), describe_scram(Some(&[]))] {
        let (straight, through) = (sorted(kafka.call(0, &request)?), sorted(front.call(0, &request)?));
        let mine = |reply: &DescribeUserScramCredentialsResponse| -> Vec<_> {
            reply.results.iter().filter(|r| r.user.starts_with("describe")).cloned().collect()
        };
        check_eq!(mine(&straight).len(), users.len(), "users of this trial at kafka");
        if mine(&straight) != mine(&through)
            || (through.error_code, &through.error_message) != (0, &straight.error_message)
        {
            wrong.push(format!("all\n  kafka: {straight:?}\n  front: {through:?}"));
        }
    }
    check!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// A broker's order of users and of mechanisms is that of its hash tables: it changes from run to run.
fn sorted(mut reply: DescribeUserScramCredentialsResponse) -> DescribeUserScramCredentialsResponse {
    reply.results.sort_by(|a, b| a.user.cmp(&b.user));
    for result in &mut reply.results {
        result.credential_infos.sort_by_key(|info| info.mechanism);
    }
    reply
}

/// H-264: 10,000 users in one request, and away with them.
fn many() -> Result<()> {
    const USERS: usize = 10_000;
    for target in Target::BOTH {
        let name = |i: usize| format!("many-{i:05}");
        let mut conn = target.admin()?;
        let all = (0..USERS).map(|i| put(&name(i), 1, 4096)).collect();
        let reply = conn.call(0, &alter_scram(vec![], all))?;
        let answered: BTreeSet<String> = reply.results.iter().map(|r| r.user.to_string()).collect();
        check_eq!((reply.results.len(), answered.len()), (USERS, USERS), "users answered at {}", target.name());
        check!(reply.results.iter().all(|r| r.error_code == 0), "some were refused at {}", target.name());
        let mut count = |want: usize| {
            target.settled("all users to be there", || {
                let reply = conn.call(0, &describe_scram(None))?;
                let mine = reply.results.iter().filter(|r| r.user.starts_with("many-")).count();
                check_eq!(mine, want, "users at {}", target.name());
                Ok(())
            })
        };
        count(USERS)?;
        target.alter((0..USERS).map(|i| deletion(&name(i), 1)).collect(), vec![])?;
        count(0)?;
    }
    Ok(())
}
