use std::collections::BTreeMap;

use super::super::lines::{Entry, MAX_LINE};
use super::super::plan::{Counts, OnConflict, plan};
use super::super::{Failure, sources};
use super::{entry, line};
use crate::scram::ScramMechanism::{Sha256, Sha512};
use crate::scram::{ScramCredential, ScramMechanism};
use crate::store::{Change, StoreError, View};

fn read(text: &str) -> Result<Vec<Entry>, String> {
    let mut counted = 0;
    let read = sources::from_lines("f", text.as_bytes(), |bytes| counted += bytes);
    if read.is_ok() {
        assert_eq!(counted, text.len() as u64);
    }
    read.map_err(|failure| match failure {
        Failure::Failed(text) | Failure::Damaged(text) => text,
    })
}

const HEADER: &str = "{\"kind\":\"header\",\"version\":1}\n";

#[test]
fn all_faults_are_told_with_their_lines() {
    let good = line(&[]);
    let other = line(&[("mechanism", "\"SCRAM-SHA-512\"")]);
    let long = line(&[("user", &format!("\"{}\"", "u".repeat(1025)))]);
    let longest = line(&[("user", &format!("\"{}\"", "u".repeat(1024)))]);
    assert_eq!(read(&format!("{HEADER}{good}\n{longest}")).unwrap().len(), 2);
    let nul = line(&[("user", "\"a\\u0000\"")]);
    let empty = line(&[("user", "\"\"")]);
    let told = read(&format!("{HEADER}{good}\n{other}\n\n{good}\n{HEADER}{long}\n{nul}\n{empty}\n")).unwrap_err();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "f: line 3: user 'alice': a key has not the length of the mechanism's hash",
            "f: line 4: no JSON, at column 0",
            "f: line 5: user 'alice' has its SCRAM-SHA-256 in line 2",
            "f: line 6: a second header",
            "f: line 7: a user's name is longer than 1024 bytes",
            "f: line 8: user 'a\\0': the name contains NUL",
            "f: line 9: a user's name is empty",
        ]
    );
    let many = read(&format!("{HEADER}{}", "x\n".repeat(50))).unwrap_err();
    assert_eq!((many.lines().count(), many.lines().last()), (21, Some("and 30 more")));
}

#[test]
fn the_header_comes_first_and_its_number_holds() {
    let good = line(&[]);
    assert_eq!(read(&good).unwrap_err(), "f: line 1: expected a header, {\"kind\":\"header\",\"version\":1}");
    assert_eq!(read("").unwrap_err(), "f: line 1: no JSON, at column 0");
    assert_eq!(read(HEADER).unwrap().len(), 0);
    let with =
        |records: u64| format!("{{\"kind\":\"header\",\"version\":1,\"revision\":3,\"records\":{records}}}\n{good}\n");
    assert_eq!(read(&with(1)).unwrap().len(), 1);
    let told = read(&with(2)).unwrap_err();
    assert_eq!(told, "f: it should have 2 credentials, says its header, and has 1: it is not whole");
    assert!(read(&with(0)).unwrap_err().starts_with("f: it should have 0 credentials"));
}

#[test]
fn a_line_without_end_is_not_read_to_its_end() {
    let endless = std::io::BufReader::new(std::io::repeat(b' '));
    let mut counted = 0;
    let read = sources::from_lines("f", endless, |bytes| counted += bytes);
    let Err(Failure::Failed(told)) = read else { panic!("{read:?}") };
    assert_eq!(told, format!("f: line 1: longer than {MAX_LINE} bytes"));
    assert_eq!(counted, MAX_LINE as u64 + 1);
}

/// A store in memory.
#[derive(Default)]
struct Users(BTreeMap<(String, ScramMechanism), ScramCredential>);

impl Users {
    fn of(entries: &[Entry]) -> Self {
        let key = |entry: &Entry| ((entry.user.clone(), entry.mechanism), entry.credential.clone());
        Self(entries.iter().map(key).collect())
    }
}

impl View for Users {
    fn scram(&self, user: &str, mechanism: ScramMechanism) -> Result<Option<ScramCredential>, StoreError> {
        Ok(self.0.get(&(user.to_owned(), mechanism)).cloned())
    }
}

#[test]
fn what_is_there_decides_what_is_changed() {
    let there = Users::of(&[entry("same", Sha256, 1), entry("other", Sha256, 1)]);
    let incoming =
        [entry("new", Sha256, 2), entry("same", Sha256, 1), entry("same", Sha512, 1), entry("other", Sha256, 2)];
    let planned = |on_conflict| {
        let (changes, counts) = plan(&incoming, on_conflict, &there).unwrap();
        let users: Vec<_> = changes
            .iter()
            .map(|change| match change {
                Change::SetScram { user, mechanism, .. } => (user.clone(), *mechanism),
                Change::RemoveScram { .. } => panic!("an import removes nothing"),
            })
            .collect();
        (users, counts)
    };
    let new = [("new".to_owned(), Sha256), ("same".to_owned(), Sha512)];
    let (users, counts) = planned(OnConflict::Refuse);
    assert!(users.is_empty());
    assert_eq!(counts.conflicts, ["'other' (SCRAM-SHA-256)"]);
    let (users, counts) = planned(OnConflict::Skip);
    assert_eq!(users, new);
    assert_eq!(counts, Counts { new: 2, skipped: 1, same: 1, ..Counts::default() });
    let (users, counts) = planned(OnConflict::Replace);
    assert_eq!(users[..2], new);
    assert_eq!(users[2..], [("other".to_owned(), Sha256)]);
    assert_eq!(counts, Counts { new: 2, replaced: 1, same: 1, ..Counts::default() });
    assert_eq!(counts.all(), 4);
}

#[test]
fn many_conflicts_are_counted() {
    let entries: Vec<Entry> = (10..30).map(|n| entry(&format!("u{n}"), Sha256, 1)).collect();
    let there = Users::of(&(10..30).map(|n| entry(&format!("u{n}"), Sha256, 2)).collect::<Vec<_>>());
    let (_, counts) = plan(&entries, OnConflict::Refuse, &there).unwrap();
    let told = counts.conflicts_in_words();
    assert!(
        told.starts_with("'u10' (SCRAM-SHA-256), ") && told.ends_with("'u19' (SCRAM-SHA-256) and 10 more"),
        "{told}"
    );
}
