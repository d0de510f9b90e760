//! Which files of a directory count, and how they must follow each other.

use super::build::{batch, good, remove, snapshot};
use super::*;

fn name(offset: i64, epoch: u32) -> String {
    format!("{offset:020}-{epoch:010}.checkpoint")
}

#[test]
fn the_newest_snapshot_counts_and_what_follows_it() {
    let (old, new) = (snapshot(&[&good("old")]), snapshot(&[&good("new"), &good("gone")]));
    let before = batch(0, 0, &[&good("before"), &good("before")]);
    let after = [batch(2, 0, &[&good("x")]), batch(3, 0, &[&remove("gone"), &good("y")])].concat();
    let scratch = Scratch::with(&[
        (&name(0, 0), &old),
        (&name(2, 1), &old),
        (&name(3, 1), &new),
        (&format!("{}.part", name(9, 1)), b"being written"),
        (&format!("{}.deleted", name(1, 1)), b"going"),
        ("leader-epoch-checkpoint", b"0\n"),
        (&segment(0), &before),
        (&segment(2), &after),
        (&segment(5), b""),
    ]);
    let found = scratch.read().unwrap();
    assert_eq!(found.snapshot, Some(scratch.file(&name(3, 1))));
    assert_eq!(names(&found), ["new", "y"]);
    assert_eq!((found.batches_after_snapshot, found.end_offset), (1, Some(5)));
    assert!(found.notes.is_empty(), "{:?}", found.notes);
    // The same by any of the three ways to name the place.
    assert_eq!(keys(&found), keys(&read(&scratch.0.join(METADATA_DIRECTORY)).unwrap()));
    let copied = scratch.0.join("copied");
    fs::rename(scratch.0.join(METADATA_DIRECTORY), &copied).unwrap();
    assert_eq!(keys(&found), keys(&read(&copied).unwrap()));
}

#[test]
fn nothing_may_be_missing_between_the_files() {
    let a = batch(0, 0, &[&good("a")]);
    let gap = |files: &[(&str, &[u8])]| Scratch::with(files).problem();
    let text = |expected: i64, at: usize, found: i64| {
        format!(
            "the record of offset {expected} should come next, at byte {at}, and there is {found}: something is missing or damaged"
        )
    };
    // No snapshot, and the log has lost its beginning; a snapshot, and the log begins behind it.
    assert_eq!(gap(&[(&segment(5), &batch(5, 0, &[&good("a")]))]), text(0, 0, 5));
    let snapshot = snapshot(&[&good("s")]);
    assert_eq!(gap(&[(&name(3, 1), &snapshot), (&segment(5), &batch(5, 0, &[&good("a")]))]), text(3, 0, 5));
    // A segment is missing; a batch is missing; a segment does not begin as its name says.
    assert_eq!(gap(&[(&segment(0), &a), (&segment(2), &batch(2, 0, &[&good("a")]))]), text(1, 0, 2));
    assert_eq!(gap(&[(&segment(0), &[a.clone(), batch(2, 0, &[&good("a")])].concat())]), text(1, a.len(), 2));
    assert_eq!(gap(&[(&segment(0), &batch(1, 0, &[&good("a")]))]), text(0, 0, 1));
    assert_eq!(gap(&[(&segment(0), &[a.clone(), a.clone()].concat())]), text(1, a.len(), 0));
    // The log ends before the snapshot does, as on a broker that has just fetched one: that is whole.
    let found = Scratch::with(&[(&name(3, 1), &snapshot), (&segment(0), &a)]).read().unwrap();
    assert_eq!((names(&found), found.end_offset), (vec!["s"], Some(3)));
}

#[test]
fn the_end_of_the_last_segment_may_be_cut_or_zeros() {
    let a = batch(0, 0, &[&good("a")]);
    let b = batch(1, 0, &[&good("b")]);
    let cut = [&a, &b[..b.len() - 1]].concat();
    let zeros = [&a[..], &[0; 10_000]].concat();
    let found = Scratch::with(&[(&segment(0), &cut)]).read().unwrap();
    assert_eq!(names(&found), ["a"]);
    assert!(
        found.notes[0]
            .ends_with(&format!("ends with {} bytes of a batch that is not whole; they were left out", b.len() - 1))
    );
    let found = Scratch::with(&[(&segment(0), &zeros)]).read().unwrap();
    assert_eq!((names(&found), found.end_offset), (vec!["a"], Some(1)));
    assert!(found.notes[0].ends_with("ends with zeros; they were left out"));
    let mut dirty = zeros.clone();
    *dirty.last_mut().unwrap() = 1;
    let want = format!("has a batch of an impossible length, 0 bytes, at byte {}", a.len());
    assert_eq!(Scratch::with(&[(&segment(0), &dirty)]).problem(), want);
    for early in [&cut, &zeros] {
        let problem = Scratch::with(&[(&segment(0), early), (&segment(1), &b)]).problem();
        assert_eq!(problem, "ends in the middle of a batch, at byte 0");
    }
}
