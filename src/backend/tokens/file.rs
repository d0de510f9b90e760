//! A file with a token that somebody else keeps fresh.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{MAX_TOKEN, TokenError};
use crate::secret::Secret;

/// By what a change of a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    len: u64,
    modified: (i64, i64),
}

/// How the file is now; `None` if it cannot be looked at.
pub(super) async fn look(path: &Path) -> Option<Stamp> {
    let path = path.to_owned();
    let look = move || {
        let metadata = fs::metadata(path).ok()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Some(Stamp { inode: metadata.ino(), len: metadata.len(), modified })
    };
    tokio::task::spawn_blocking(look).await.ok().flatten()
}

/// The token in the file, blanks around it cut off.
pub(super) async fn read(path: &Path) -> Result<Secret, TokenError> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read_limited(owned))
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
    read.map_err(|error| TokenError::File(path.display().to_string(), error))
}

fn read_limited(path: PathBuf) -> io::Result<Secret> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(MAX_TOKEN + 3));
    // One byte more than a token and its line end may have: then it is too long.
    File::open(path)?.take(MAX_TOKEN as u64 + 3).read_to_end(&mut bytes)?;
    Ok(Secret::new(bytes.trim_ascii()))
}
