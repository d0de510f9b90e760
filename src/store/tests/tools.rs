//! Verify, backup, restore, and what is left of a damaged store.

use std::fs;
use std::path::PathBuf;

use super::*;

fn store_of(directory: &Path, changes: Vec<Vec<Change>>) {
    let store = Store::open(directory).unwrap();
    changes.into_iter().for_each(|changes| edit(&store, changes).unwrap());
    store.close_blocking();
}

#[test]
fn a_backup_is_the_store_itself() {
    let scratch = Scratch::new();
    let (backup, again) = (scratch.path().join("backup"), scratch.path().join("again"));
    store_of(&scratch.store(), vec![vec![set("alice", 4096), set("bob", 4097)], vec![remove("bob")]]);
    let before = snapshot(&scratch.store());
    let summary = Store::backup(&scratch.store(), &backup).unwrap();
    assert_eq!(summary, Summary { format: upgrade::NEWEST, revision: 3, records: 1 });
    assert_eq!(Store::verify(&scratch.store()).unwrap(), summary);
    assert!(snapshot(&scratch.store()) == before, "looking and copying have changed something");
    assert!(Store::backup(&scratch.store(), &backup).unwrap_err().0.contains("there is a store already"));
    let restored = Store::restore(&backup, &again, false).unwrap();
    assert_eq!(restored, Restored { now: summary, replaced: None, may_revive_credentials: false });
    assert_eq!(dump(&again).unwrap(), dump(&scratch.store()).unwrap());
    let keys = [&again, &scratch.store()].map(|directory| {
        let store = Store::open(directory).unwrap();
        assert_eq!(iterations(&store, "alice"), Some(4096));
        let key = store.unknown_user_key().clone();
        store.close_blocking();
        key
    });
    assert!(keys[0].matches(keys[1].expose()));
    for nothing in
        [Store::verify(&scratch.path().join("nothing")), Store::backup(&scratch.path().join("nothing"), &again)]
    {
        assert!(nothing.unwrap_err().0.contains("there is no store"));
    }
    assert!(!scratch.path().join("nothing").exists());
}

#[test]
fn an_older_backup_says_that_credentials_may_be_valid_again() {
    let scratch = Scratch::new();
    let backup = scratch.path().join("backup");
    store_of(&scratch.store(), vec![vec![set("alice", 4096)]]);
    Store::backup(&scratch.store(), &backup).unwrap();
    // The same state: nothing can come back.
    let same = Store::restore(&backup, &scratch.store(), true).unwrap();
    assert!(!same.may_revive_credentials && same.replaced.is_some_and(|path| path.is_dir()));
    store_of(&scratch.store(), vec![vec![remove("alice")]]);
    let running = Store::open(&scratch.store()).unwrap();
    assert!(Store::restore(&backup, &scratch.store(), true).unwrap_err().0.contains("is in use"));
    assert!(Store::restore(&backup, &scratch.store(), false).unwrap_err().0.contains("with --replace"));
    assert_eq!(users(&running), []);
    running.close_blocking();
    let restored = Store::restore(&backup, &scratch.store(), true).unwrap();
    assert!(restored.may_revive_credentials);
    let store = Store::open(&scratch.store()).unwrap();
    assert_eq!(iterations(&store, "alice"), Some(4096));
    store.close_blocking();
    // A restore that was stopped between its two renames is no empty store.
    let current = scratch.store().join("current");
    fs::rename(&current, scratch.store().join("replaced-7")).unwrap();
    let refusal = Store::open(&scratch.store()).err().expect("a refusal").0;
    assert!(refusal.contains("a restore was not finished"), "{refusal}");
    Store::restore(&backup, &scratch.store(), false).unwrap();
    Store::open(&scratch.store()).unwrap().close_blocking();
}

#[test]
fn a_running_store_is_copied_as_it_stood_at_one_moment() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch.store()).unwrap();
    let stop = AtomicBool::new(false);
    let mut copies = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Users come in pairs, and many of them, so that tables are written and merged meanwhile.
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let names = |n: u32| (0..20).map(move |i| format!("{n}-{i}"));
                let mut changes: Vec<_> = names(n).map(|name| set(&name, 4096)).collect();
                changes.extend(names(n.wrapping_sub(40)).map(|name| remove(&name)));
                edit(&store, changes).unwrap();
            }
        });
        let mut revision = 0;
        while copies < 20 {
            let target = Scratch::new();
            let before = store.status().revision;
            let summary = Store::backup(&scratch.store(), &target.store());
            let summary = summary.inspect_err(|_| stop.store(true, Ordering::Relaxed)).unwrap();
            assert!(summary.revision >= before.max(revision), "{summary:?}, and {before} was acknowledged");
            assert_eq!(summary.records % 20, 0, "{summary:?}");
            assert_eq!(Store::verify(&target.store()).unwrap(), summary);
            revision = summary.revision;
            copies += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("at the end: {:?}", store.status());
}

#[test]
fn what_is_left_of_a_damaged_store_is_kept_when_somebody_says_so() {
    let scratch = Scratch::new();
    store_of(&scratch.store(), vec![vec![set("alice", 4096), set("bob", 4097)], vec![remove("bob")]]);
    assert!(Store::accept_loss(&scratch.store()).unwrap_err().0.contains("the store is whole"));
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let log = files_in(&scratch.store()).into_iter().rfind(is_log).unwrap();
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 10]).unwrap();
    for refused in [Store::open(&scratch.store()).map(|_| ()), Store::verify(&scratch.store()).map(|_| ())] {
        assert!(refused.expect_err("a refusal").0.contains("verify --accept-loss"));
    }
    let accepted = Store::accept_loss(&scratch.store()).unwrap();
    assert_eq!((accepted.acknowledged_revision, accepted.acknowledged_records), (Some(3), Some(1)));
    // It goes on behind all that was acknowledged, with what could be read: bob is back, and that was said.
    assert_eq!((accepted.now.revision, accepted.now.records), (4, 2));
    assert!(accepted.replaced.join("rocksdb").is_dir());
    store_of(&scratch.store(), vec![vec![remove("bob")]]);
    assert_eq!(Store::verify(&scratch.store()).unwrap().records, 1);
}
