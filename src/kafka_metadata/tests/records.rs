//! What records amount to.

use super::build::{ABORT, BEGIN, END, batch, good, remove, set, snapshot};
use super::*;

fn log(values: &[&[u8]]) -> Scratch {
    Scratch::with(&[(&segment(0), &batch(0, 0, values))])
}

#[test]
fn the_last_record_wins() {
    let found = log(&[&good("a"), &good("b"), &remove("a"), &good("c"), &remove("c"), &good("c")]).read().unwrap();
    assert_eq!(names(&found), ["b", "c"]);
    // Kafka removes what is not there without a word.
    assert_eq!(names(&log(&[&remove("a"), &good("b")]).read().unwrap()), ["b"]);
}

#[test]
fn a_transaction_counts_when_it_has_ended() {
    let ended = log(&[BEGIN, &good("a"), END, &good("b")]).read().unwrap();
    assert_eq!((names(&ended), ended.notes.len()), (vec!["a", "b"], 0));
    let aborted = log(&[&good("b"), BEGIN, &good("a"), &remove("b"), ABORT]).read().unwrap();
    assert_eq!((names(&aborted), aborted.notes.len()), (vec!["b"], 0));
    let open = log(&[&good("b"), BEGIN, &good("a"), &remove("b")]).read().unwrap();
    assert_eq!(names(&open), ["b"]);
    assert_eq!(open.notes, ["the log ends within a transaction; its changes were left out"]);
    for wrong in [&[END][..], &[ABORT], &[BEGIN, BEGIN]] {
        assert_eq!(log(wrong).problem(), "has a transaction that begins or ends out of turn, at byte 0");
    }
    let scratch = Scratch::with(&[(SNAPSHOT_NAME, &snapshot(&[BEGIN, &good("a")]))]);
    assert_eq!(scratch.problem(), "is not a whole snapshot");
}

#[test]
fn other_records_are_passed_over_and_new_versions_of_ours_are_not() {
    let other = [1, 12, 200, 1, 0xff, 0xff];
    assert_eq!(names(&log(&[&other, &good("a")]).read().unwrap()), ["a"]);
    let version = |mut record: Vec<u8>| {
        record[2] = 1;
        log(&[&record]).problem()
    };
    let want =
        "has a record about a SCRAM credential of version 1, which is not known: a newer Kafka wrote it, at byte 0";
    assert_eq!((version(good("a")), version(remove("a"))), (want.into(), want.into()));
    assert!(log(&[&[2, 11, 0]]).problem().starts_with("has a record in a frame of version 2, which is not known"));
    for malformed in [&[][..], &[1], &[1, 11], &[1, 11, 0], &[1, 11, 0, 0], &[1, 22, 0, 2, 0xff, 1, 0]] {
        assert_eq!(log(&[malformed]).problem(), "has a record that is malformed, at byte 0", "{malformed:?}");
    }
    let longer = [good("a"), vec![0]].concat();
    assert_eq!(log(&[&longer]).problem(), "has a record that is malformed, at byte 0");
    let tagged = [&good("a")[..good("a").len() - 1], &[1, 9, 2, 0, 0]].concat();
    assert_eq!(names(&log(&[&tagged]).read().unwrap()), ["a"]);
}

#[test]
fn a_credential_that_cannot_be_taken_is_told_with_its_user() {
    let key = [7; 32];
    let records = [
        set("few", 1, b"salt", &key, 4095),
        set("negative", 1, b"salt", &key, -1),
        set("salt", 1, b"", &key, 4096),
        set("short", 2, b"salt", &key, 4096),
        set("third\n", 3, b"salt", &key, 4096),
        set("", 1, b"salt", &key, 4096),
        good("good"),
        set("mended", 1, b"salt", &key, 1),
        good("mended"),
        set("gone", 1, b"salt", &key, 1),
        remove("gone"),
    ];
    let values: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    let found = log(&values).read().unwrap();
    assert_eq!(names(&found), ["good", "mended"]);
    let told: Vec<_> = found.unusable.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "user '': the name is empty",
            "user 'few': SCRAM-SHA-256: fewer than 4096 iterations",
            "user 'negative': SCRAM-SHA-256: fewer than 4096 iterations",
            "user 'salt': SCRAM-SHA-256: the salt is empty or longer than 1024 bytes",
            "user 'short': SCRAM-SHA-512: a key has not the length of the mechanism's hash",
            "user 'third\\n': a credential of the SCRAM mechanism 3, which is not known",
        ]
    );
}
