//! The fixture is what Apache Kafka 4.3.1 wrote (one node, formatted with `--add-scram`, then changed by kafka-configs.sh): the log from its
//! first record on, and the snapshot at offset 23, behind which two credentials were set, one was changed and one removed.

mod build;
mod damage;
mod directories;
mod records;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::scram::ScramMechanism::{Sha256, Sha512};

const LOG: &[u8] = include_bytes!("../testdata/log.bin");
const SNAPSHOT: &[u8] = include_bytes!("../testdata/snapshot-23.bin");
const SNAPSHOT_NAME: &str = "00000000000000000023-0000000001.checkpoint";

/// What kafka-configs.sh described after the last change, and the passwords that were given.
const USERS: [(&str, crate::scram::ScramMechanism, u32, &str); 6] = [
    ("alice", Sha256, 4096, "alice-secret"),
    ("alice", Sha512, 8192, "alice-512"),
    ("bob", Sha256, 5000, "bob-secret"),
    ("dave", Sha512, 4096, "dave-512"),
    ("formatted", Sha256, 4096, "formatted-secret"),
    ("jörg, =ü 用户", Sha256, 4096, "pässword"),
];

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("doorkeeper-kafka-metadata-{}-{n}", std::process::id()));
        fs::create_dir_all(path.join(METADATA_DIRECTORY)).unwrap();
        Self(path)
    }

    /// A metadata directory with these files.
    fn with(files: &[(&str, &[u8])]) -> Self {
        let scratch = Self::new();
        for (name, content) in files {
            scratch.put(name, content);
        }
        scratch
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.file(name), content).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(METADATA_DIRECTORY).join(name)
    }

    fn read(&self) -> Result<Found, ReadError> {
        read(&self.0)
    }

    /// The text of the error without the file's name.
    fn problem(&self) -> String {
        self.read().unwrap_err().problem.to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The name of the segment that begins with that offset.
fn segment(base: i64) -> String {
    format!("{base:020}.log")
}

/// Names, mechanisms and stored keys, which tell all credentials apart.
fn keys(found: &Found) -> Vec<(String, &'static str, Vec<u8>)> {
    let key =
        |(user, mechanism, credential): &(String, crate::scram::ScramMechanism, crate::scram::ScramCredential)| {
            (user.clone(), mechanism.as_str(), credential.stored_key().expose().to_vec())
        };
    found.credentials.iter().map(key).collect()
}

fn names(found: &Found) -> Vec<&str> {
    found.credentials.iter().map(|(user, ..)| user.as_str()).collect()
}

#[test]
fn the_users_of_a_real_cluster_are_read_with_their_passwords() {
    let both = Scratch::with(&[(&segment(0), LOG), (SNAPSHOT_NAME, SNAPSHOT)]).read().unwrap();
    let alone = Scratch::with(&[(&segment(0), LOG)]).read().unwrap();
    assert_eq!((both.batches_after_snapshot, both.end_offset), (4, Some(27)));
    assert_eq!((alone.batches_after_snapshot, alone.end_offset), (16, Some(27)));
    assert!(both.snapshot.is_some() && alone.snapshot.is_none());
    assert_eq!(keys(&both), keys(&alone));
    assert_eq!(both.credentials.len(), USERS.len());
    for ((user, mechanism, credential), want) in both.credentials.iter().zip(USERS) {
        assert_eq!((user.as_str(), *mechanism, credential.iterations()), (want.0, want.1, want.2));
        assert!(credential.is_of(*mechanism, want.3.as_bytes()), "{user}");
    }
    assert!(both.unusable.is_empty() && both.notes.is_empty() && alone.notes.is_empty());
}

#[test]
fn a_snapshot_alone_is_what_was_then() {
    let scratch = Scratch::with(&[(SNAPSHOT_NAME, SNAPSHOT)]);
    let by_directory = scratch.read().unwrap();
    let by_file = read(&scratch.file(SNAPSHOT_NAME)).unwrap();
    assert_eq!(keys(&by_directory), keys(&by_file));
    assert_eq!(by_file.end_offset, Some(23));
    assert_eq!(names(&by_file), ["alice", "alice", "bob", "dave", "formatted"]);
    let (_, mechanism, bob) = &by_file.credentials[2];
    assert!(bob.is_of(*mechanism, b"bob-old"));
    assert_eq!(by_file.notes, ["changes after this snapshot are in the log beside it, which was not read"]);
}

#[test]
fn what_is_no_metadata_is_refused() {
    let scratch = Scratch::with(&[(&segment(0), LOG)]);
    let refused = |path: &Path| read(path).unwrap_err().problem.to_string();
    assert!(refused(&scratch.file(&segment(0))).starts_with("no metadata of a KRaft cluster: expected"));
    fs::rename(scratch.0.join(METADATA_DIRECTORY), scratch.0.join("orders-0")).unwrap();
    assert!(refused(&scratch.0.join("orders-0")).starts_with("no metadata of a KRaft cluster"));
    assert!(refused(&scratch.0).starts_with("no metadata of a KRaft cluster"));
    assert!(read(&scratch.0.join("none")).unwrap_err().to_string().contains("none: No such file"));
}
