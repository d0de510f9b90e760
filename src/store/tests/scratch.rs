//! Directories, credentials and short forms for the trials.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory of a trial's own; removed with all that is in it.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("doorkeeper-store-{}-{n}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Where a store may be made; nothing is there yet.
    pub(super) fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A store that was dropped and not closed is closed by a thread of its own, which may still make a file.
        for _ in 0..200 {
            match std::fs::remove_dir_all(&self.0) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                _ => break,
            }
        }
    }
}

/// A credential that can be told by its iteration count. No password has it.
pub(super) fn credential(mechanism: ScramMechanism, iterations: u32) -> ScramCredential {
    let key = vec![iterations.to_be_bytes()[3]; mechanism.hash_len()];
    ScramCredential::from_keys(mechanism, b"salt of a user", &key, &key, iterations).unwrap()
}

pub(super) fn set(user: &str, iterations: u32) -> Change {
    let mechanism = ScramMechanism::Sha256;
    Change::SetScram { user: user.into(), mechanism, credential: credential(mechanism, iterations) }
}

pub(super) fn remove(user: &str) -> Change {
    Change::RemoveScram { user: user.into(), mechanism: ScramMechanism::Sha256 }
}

/// Makes changes, and waits until they are acknowledged.
pub(super) fn edit(store: &Store, changes: Vec<Change>) -> Result<(), StoreError> {
    store.edit_blocking(move |_| Ok((changes, ())))
}

/// Runs a future without time or I/O of its own.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// All users with their iteration counts.
pub(super) fn users(store: &Store) -> Vec<(String, Vec<(ScramMechanism, u32)>)> {
    wait(store.scram_users()).unwrap()
}

/// The iteration count of a user's SHA-256 credential.
pub(super) fn iterations(store: &Store, user: &str) -> Option<u32> {
    wait(store.scram(user, ScramMechanism::Sha256)).unwrap().map(|credential| credential.iterations())
}

/// What a store holds, with everything that is kept.
pub(super) fn dump(directory: &Path) -> Result<Vec<String>, OpenError> {
    let mut all = Vec::new();
    let Ok(_) = Store::for_each(directory, |change| {
        let record = change.record();
        all.push(format!("{:02x?} {:02x?}", record.key, record.value));
        Ok::<(), std::convert::Infallible>(())
    })?;
    Ok(all)
}

/// All files and directories in a directory, and itself.
pub(super) fn files_in(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    let mut entries: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { found.extend(files_in(&path)) } else { found.push(path) }
    }
    found
}

/// The bytes of all files in a directory, by their names.
pub(super) fn snapshot(directory: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let files = files_in(directory).into_iter().filter(|path| path.is_file());
    let named = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path.strip_prefix(directory).unwrap().display().to_string(), bytes)
    };
    files.map(named).collect()
}

/// Copies all files, for their owner alone.
pub(super) fn copy_directory(from: &Path, to: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    for path in files_in(from) {
        let copy = to.join(path.strip_prefix(from).unwrap());
        if path.is_dir() {
            std::fs::DirBuilder::new().mode(0o700).create(copy).unwrap();
        } else {
            std::fs::copy(path, copy).unwrap();
        }
    }
}
