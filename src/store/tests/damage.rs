//! Processes that are killed, and files that change by themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::child::{WRITERS, after, pair};
use super::*;

/// For each writer the number of its last change that was begun, and of its last that was acknowledged.
fn told(lines: &[String]) -> BTreeMap<u32, (u32, Option<u32>)> {
    let mut told = BTreeMap::new();
    for line in lines {
        let words: Vec<_> = line.split(' ').collect();
        let [what, writer, n] = words[..] else { continue };
        let (Ok(writer), Ok(n)) = (writer.parse(), n.parse()) else { continue };
        let of: &mut (u32, Option<u32>) = told.entry(writer).or_default();
        if what == "begun" { of.0 = n } else { of.1 = Some(n) }
    }
    told
}

#[test]
fn what_was_acknowledged_outlives_kill_9() {
    let scratch = Scratch::new();
    // What each writer's pair may be: its last acknowledged change, or the one that was under way.
    let mut known: BTreeMap<u32, u32> = (0..WRITERS).map(|writer| (writer, 0)).collect();
    let mut acknowledged = 0;
    for round in 0..30_usize {
        let child = Child::start("storm", &scratch.store());
        let mut lines: Vec<_> = (0..8 + round * 7 % 83).map_while(|_| child.line()).collect();
        lines.extend(child.kill());
        assert!(lines.iter().any(|line| line == "open"), "{lines:?}");
        let store = Store::open(&scratch.store()).unwrap();
        let told = told(&lines);
        for (writer, before) in &mut known {
            let found = pair(*writer).map(|user| iterations(&store, &user));
            assert_eq!(found[0], found[1], "round {round}: half a change");
            let (begun, done) = told.get(writer).copied().unwrap_or((*before, None));
            let done = done.unwrap_or(*before);
            acknowledged += u32::from(done != *before);
            let is_begun = found[0] == after(begun);
            assert!(
                is_begun || found[0] == after(done),
                "round {round}: {found:?}, acknowledged {done}, begun {begun}"
            );
            *before = if is_begun { begun } else { done };
        }
        store.close_blocking();
    }
    assert!(acknowledged > 30, "{acknowledged}: nothing was put to the test");
}

/// A store with changes in tables and in the log, and credentials that were changed and removed.
fn lived_in(scratch: &Scratch) -> Vec<String> {
    let store = Store::open(&scratch.store()).unwrap();
    let all: Vec<_> = (0..60).map(|n| set(&format!("user-{n}"), 4096 + n)).collect();
    edit(&store, all).unwrap();
    store.close_blocking();
    // What was in the log is in a table now.
    let store = Store::open(&scratch.store()).unwrap();
    for n in 0..20 {
        edit(&store, vec![set(&format!("user-{n}"), 9000 + n), remove(&format!("user-{}", 59 - n))]).unwrap();
    }
    store.close_blocking();
    dump(&scratch.store()).unwrap()
}

#[test]
fn no_single_bit_brings_back_or_loses_a_credential() {
    let scratch = Scratch::new();
    let expected = lived_in(&scratch);
    let files: Vec<_> = files_in(&scratch.store()).into_iter().filter(|path| path.is_file()).collect();
    let mut outcomes: BTreeMap<String, [u32; 2]> = BTreeMap::new();
    // The same places each time: each file in turn, anywhere in it.
    let mut random = 12345_u64;
    let mut next = || {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        usize::try_from(random >> 33).unwrap()
    };
    for n in 0..200 {
        let file = &files[n % files.len()];
        let mut bytes = fs::read(file).unwrap();
        if bytes.is_empty() {
            continue;
        }
        let (at, bit) = (next() % bytes.len(), next() % 8);
        bytes[at] ^= 1 << bit;
        let copy = Scratch::new();
        copy_directory(&scratch.store(), &copy.store());
        fs::write(copy.store().join(file.strip_prefix(scratch.store()).unwrap()), bytes).unwrap();
        let before = snapshot(&copy.store());
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let refused = match Store::open(&copy.store()) {
            Ok(store) => {
                store.close_blocking();
                assert_eq!(dump(&copy.store()).unwrap(), expected, "{name}: bit {bit} of byte {at}");
                false
            }
            Err(refusal) => {
                assert!(refusal.0.to_lowercase().contains("bring back a backup"), "{name}: {refusal}");
                let mut now = snapshot(&copy.store());
                now.retain(|path, _| path != "LOCK");
                let mut before = before;
                before.retain(|path, _| path != "LOCK");
                assert!(now == before, "{name}: a store that is refused was changed");
                true
            }
        };
        outcomes.entry(name).or_default()[usize::from(refused)] += 1;
    }
    let refused: u32 = outcomes.values().map(|[_, refused]| refused).sum();
    println!("opened with everything, refused: {outcomes:?}");
    assert!(refused > 30, "{outcomes:?}");
}

#[test]
fn an_end_of_the_log_that_is_missing_is_told() {
    let scratch = Scratch::new();
    lived_in(&scratch);
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let log = files_in(&scratch.store()).into_iter().rfind(is_log).unwrap();
    let whole = fs::read(&log).unwrap();
    for cut in [1, 100, whole.len() / 2, whole.len()] {
        fs::write(&log, &whole[..whole.len() - cut]).unwrap();
        let refusal = Store::open(&scratch.store()).err().expect("a refusal").0;
        assert!(refusal.contains("change 22 was acknowledged, and the records end with change"), "{cut}: {refusal}");
    }
    // So is a directory that was brought back without its ACKNOWLEDGED, or with an older one.
    fs::write(&log, &whole).unwrap();
    Store::open(&scratch.store()).unwrap().close_blocking();
    let acknowledged = scratch.store().join("current/ACKNOWLEDGED");
    let older = fs::read(&acknowledged).unwrap();
    let store = Store::open(&scratch.store()).unwrap();
    for n in 0..3 {
        edit(&store, vec![set("alice", 4096 + n)]).unwrap();
    }
    store.close_blocking();
    fs::write(&acknowledged, older).unwrap();
    let refusal = Store::open(&scratch.store()).err().expect("a refusal").0;
    assert!(refusal.contains("ACKNOWLEDGED knows only change 22"), "{refusal}");
}
