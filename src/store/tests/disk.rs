//! Disks that are full or fail.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::child::after;
use super::*;

/// How long a trial waits for what must come at some time.
const AT_LONGEST: Duration = Duration::from_secs(60);

/// A file system of its own, in memory.
struct SmallDisk(Scratch);

impl SmallDisk {
    /// Nothing if this process may not mount one.
    fn mount(size: &str) -> Option<Self> {
        let scratch = Scratch::new();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "doorkeeper-store"])
            .arg(scratch.path())
            .output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(Self(scratch));
        }
        eprintln!("not tried: this process may not mount a file system");
        None
    }

    fn store(&self) -> PathBuf {
        self.0.store()
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.path().join("filler")).unwrap();
        for len in [4096, 1] {
            while std::io::Write::write_all(&mut file, &vec![0; len]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Tries until it succeeds.
fn edit_at_last(store: &Store, change: &Change) {
    let started = Instant::now();
    while let Err(error) = edit(store, vec![change.clone()]) {
        assert!(started.elapsed() < AT_LONGEST, "{error}");
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("changes were taken again after {:?}", started.elapsed());
}

/// Whether this many users have the credentials that they were given.
fn all_there(store: &Store, count: u32) {
    assert_eq!(users(store).len() as u32, count);
    for n in 0..count {
        assert_eq!(iterations(store, &format!("user-{n}")), Some(4096 + n));
    }
}

/// Fills the disk with records until one is refused, then with something else; then there is room again.
fn a_full_disk(size: &str, reserve: u64) {
    let Some(disk) = SmallDisk::mount(size) else { return };
    let setup = Setup { reserve, ..SETUP };
    let store = Store::open_with(&disk.store(), setup).unwrap();
    edit(&store, (0..40).map(|n| set(&format!("user-{n}"), 4096 + n)).collect()).unwrap();
    for n in 0..3 {
        disk.fill();
        let mut refused = 0;
        for attempt in 0..50 {
            match edit(&store, vec![remove("user-0"), set(&format!("late-{attempt}"), 5000)]) {
                Err(StoreError::Full) => refused += 1,
                Err(other) => panic!("{other}"),
                // What was set aside for the log.
                Ok(()) => edit(&store, vec![set("user-0", 4096), remove(&format!("late-{attempt}"))]).unwrap_or_else(
                    |error| {
                        assert_eq!(error, StoreError::Full);
                        disk.free();
                        edit_at_last(&store, &set("user-0", 4096));
                        edit_at_last(&store, &remove(&format!("late-{attempt}")));
                        disk.fill();
                    },
                ),
            }
            all_there(&store, 40);
        }
        assert!(refused > 0, "nothing was refused");
        if reserve > 0 {
            assert_eq!(refused, 50);
        }
        assert!(store.status().is_failing);
        assert!(store.status().writes_failed >= refused);
        disk.free();
        edit_at_last(&store, &set("alice", 6000 + n));
        assert!(!store.status().is_failing);
        edit_at_last(&store, &remove("alice"));
        all_there(&store, 40);
    }
    store.close_blocking();
    // A server that is started on a full disk serves logins, and takes changes when there is room.
    disk.fill();
    let store = Store::open_with(&disk.store(), SETUP).unwrap();
    all_there(&store, 40);
    assert!(store.status().is_failing);
    assert_eq!(edit(&store, vec![remove("user-0")]), Err(StoreError::Full));
    assert_eq!(Store::verify(&disk.store()).unwrap().records, 40);
    disk.free();
    let started = Instant::now();
    while store.status().is_failing {
        assert!(started.elapsed() < AT_LONGEST);
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("recovered by itself after {:?}", started.elapsed());
    edit(&store, vec![set("alice", 4096)]).unwrap();
    store.close_blocking();
    assert_eq!(Store::verify(&disk.store()).unwrap().records, 41);
}

#[test]
fn a_full_disk_refuses_changes_and_serves_logins() {
    a_full_disk("4m", SETUP.reserve);
}

#[test]
fn so_does_a_very_small_one() {
    a_full_disk("1m", SETUP.reserve);
}

/// Nothing is held in reserve, so that RocksDB itself meets the end of the disk.
#[test]
fn a_log_that_could_not_be_written_is_opened_anew() {
    a_full_disk("4m", 0);
}

/// Runs a child of which one system call fails, and compares what it was told with what is there.
fn a_failing_call(call: &str, when: u32) -> Option<bool> {
    let scratch = Scratch::new();
    // As it is in service: the calls are those of changes, not of the making.
    Store::open(&scratch.store()).unwrap().close_blocking();
    let inject = format!("inject={call}:error=EIO:when={when}");
    let trace = scratch.path().join("trace").display().to_string();
    let program = ["strace", "-f", "-qq", "-o", &trace, "-e", &format!("trace={call}"), "-e", &inject];
    let lines = Child::start_under(&program, "steps", &scratch.store()).finish();
    if !lines.iter().any(|line| line == "open") {
        // It met the opening, which has refused.
        return None;
    }
    let mut acknowledged = None;
    let mut failures = 0;
    for line in &lines {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["done", _, n] => acknowledged = Some(n.parse::<u32>().unwrap()),
            ["failed", ..] => failures += 1,
            ["seen", _, seen] => {
                let expected = acknowledged.and_then(after);
                let expected = format!("{expected:?} {}", if expected.is_some() { 2 } else { 0 });
                assert_eq!(seen, expected, "{call} {when}: {lines:#?}");
            }
            _ => {}
        }
    }
    assert!(failures < 100 && acknowledged.is_some(), "{call} {when}: {lines:#?}");
    let store = Store::open(&scratch.store()).unwrap();
    assert_eq!(iterations(&store, "0-right"), acknowledged.and_then(after));
    store.close_blocking();
    Some(failures > 0)
}

#[test]
fn nothing_is_acknowledged_after_a_sync_that_failed_until_all_was_read_again() {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("not tried: there is no strace");
        return;
    }
    let outcomes: Vec<_> = (8..20).map(|when| a_failing_call("fdatasync", when)).collect();
    println!("opening refused: None; a change refused: Some(true): {outcomes:?}");
    assert!(outcomes.iter().filter(|outcome| **outcome == Some(true)).count() >= 6, "{outcomes:?}");
}

#[test]
fn a_read_that_fails_is_an_error_and_nobody_missing() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch.store()).unwrap();
    edit(&store, (0..200).map(|n| set(&format!("user-{n}"), 4096)).collect()).unwrap();
    store.close_blocking();
    let store = Store::open(&scratch.store()).unwrap();
    // The table has been opened; what is in it is not in memory yet.
    let is_table = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "sst");
    for table in files_in(&scratch.store()).into_iter().filter(is_table) {
        let len = fs::metadata(&table).unwrap().len() as usize;
        std::os::unix::fs::FileExt::write_all_at(
            &fs::File::options().write(true).open(table).unwrap(),
            &vec![0x55; len],
            0,
        )
        .unwrap();
    }
    for user in ["user-7", "user-70"] {
        let found = wait(store.scram(user, ScramMechanism::Sha256));
        assert!(matches!(found, Err(StoreError::Failed(_))), "{found:?}");
    }
    assert!(matches!(wait(store.scram_users()), Err(StoreError::Failed(_))));
    let refused = store.edit_blocking(|view| Ok((vec![], view.scram("user-7", ScramMechanism::Sha256)?.is_some())));
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
}
