//! What may be opened: a directory of its own, that others cannot use, by one process.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

fn refusal(directory: &Path) -> String {
    let refused = Store::open(directory).err().expect("a refusal");
    assert!(refused.0.contains(&directory.display().to_string()), "{refused}");
    refused.0
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_second_opening_is_refused_and_names_the_process() {
    let scratch = Scratch::new();
    let child = Child::start("hold", &scratch.store());
    child.wait_for("open");
    let text = refusal(&scratch.store());
    assert!(text.contains(&format!("is in use by another process (pid {})", child.id())), "{text}");
    child.kill();
    let store = Store::open(&scratch.store()).unwrap();
    assert!(refusal(&scratch.store()).contains("is in use"));
    drop(store);
}

#[test]
fn the_last_clone_that_goes_lets_others_in() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch.store()).unwrap();
    let other = store.clone();
    drop(store);
    edit(&other, vec![set("alice", 4096)]).unwrap();
    drop(other);
    // A thread of its own closes the files; an opening waits a moment for it, and this one as long as it takes.
    let store = std::iter::repeat_with(|| Store::open(&scratch.store())).find_map(Result::ok).unwrap();
    assert_eq!(iterations(&store, "alice"), Some(4096));
}

#[test]
fn files_are_for_their_owner_alone() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch.store()).unwrap();
    edit(&store, vec![set("alice", 4096)]).unwrap();
    let files = files_in(&scratch.store());
    assert!(files.len() > 5, "{files:?}");
    for path in &files {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, wanted, "{}", path.display());
    }
    store.close_blocking();
    // All that a store consists of, once each.
    for path in files.into_iter().filter(|path| path.exists()) {
        let (right, wrong) = if path.is_dir() { (0o700, 0o750) } else { (0o600, 0o604) };
        chmod(&path, wrong);
        let text = refusal(&scratch.store());
        assert!(text.ends_with(&format!("Type: chmod {right:04o} {}", path.display())), "{text}");
        chmod(&path, right);
    }
    Store::open(&scratch.store()).unwrap().close_blocking();
}

#[test]
fn someone_elses_files_are_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tried: only root can give files away");
        return;
    }
    let scratch = Scratch::new();
    Store::open(&scratch.store()).unwrap().close_blocking();
    let file = scratch.store().join("current/ACKNOWLEDGED");
    std::os::unix::fs::chown(&file, Some(1), None).unwrap();
    let text = refusal(&scratch.store());
    assert!(text.contains("current/ACKNOWLEDGED belongs to the user with id 1, and this process runs as 0"), "{text}");
}

#[test]
fn a_directory_with_something_else_in_it_is_refused_and_left_as_it_is() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.store()).unwrap();
    fs::write(scratch.store().join("notes.txt"), "mine").unwrap();
    assert!(refusal(&scratch.store()).contains("this is no store: notes.txt is in it"));
    assert_eq!(fs::read_dir(scratch.store()).unwrap().count(), 1);
    // A RocksDB of somebody else's is no store either.
    fs::rename(scratch.store().join("notes.txt"), scratch.store().join("CURRENT")).unwrap();
    assert!(refusal(&scratch.store()).contains("this is no store"));
}

#[test]
fn an_empty_directory_and_one_with_an_unfinished_store_become_a_store() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.store()).unwrap();
    chmod(&scratch.store(), 0o700);
    fs::create_dir_all(scratch.store().join("new/rocksdb")).unwrap();
    fs::write(scratch.store().join("new/rocksdb/CURRENT"), "half").unwrap();
    [scratch.store().join("new"), scratch.store().join("new/rocksdb")].iter().for_each(|path| chmod(path, 0o700));
    chmod(&scratch.store().join("new/rocksdb/CURRENT"), 0o600);
    Store::open(&scratch.store()).unwrap().close_blocking();
    assert!(!scratch.store().join("new").exists());
    let missing = scratch.path().join("no/such/store");
    assert!(refusal(&missing).contains("cannot be made: No such file or directory"));
    // A file where a directory should be.
    fs::write(scratch.path().join("file"), "").unwrap();
    assert!(refusal(&scratch.path().join("file")).contains("cannot be read: Not a directory"));
}

#[test]
fn each_part_that_is_missing_is_told() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch.store()).unwrap();
    edit(&store, vec![set("alice", 4096)]).unwrap();
    store.close_blocking();
    let mut refused = 0;
    for part in files_in(&scratch.store().join("current")).into_iter().filter(|path| path.is_file()) {
        let aside = scratch.path().join("aside");
        fs::rename(&part, &aside).unwrap();
        let name = part.file_name().unwrap().to_string_lossy().into_owned();
        // RocksDB does without these: its own id, its options, its lock, which it makes again.
        let does_without = ["IDENTITY", "LOCK"].contains(&name.as_str()) || name.starts_with("OPTIONS");
        match Store::open(&scratch.store()) {
            Ok(store) => {
                assert!(does_without, "{name} was not missed");
                assert_eq!(iterations(&store, "alice"), Some(4096));
                store.close_blocking();
            }
            Err(refusal) => {
                assert!(refusal.0.contains("the store is damaged"), "{name}: {refusal}");
                assert!(refusal.0.contains("doorkeeper store restore"), "{name}: {refusal}");
                fs::rename(&aside, &part).unwrap();
                refused += 1;
            }
        }
    }
    assert!(refused >= 5, "{refused}");
}
