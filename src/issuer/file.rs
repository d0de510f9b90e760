//! A key set in a file: read when it has changed.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Why a file gave no keys. The path stands beside it.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A directory, a pipe or the like.
    #[error("it is no regular file")]
    NoFile,
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// It is longer than this many bytes.
    #[error("it has more than {0} bytes")]
    TooLong(usize),
}

/// A change within so short a time before a look may be followed by another one that leaves the same time stamp.
const UNSETTLED: Duration = Duration::from_secs(2);

/// What tells one content from the next without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A file that is looked at again and again.
#[derive(Debug)]
pub(super) struct WatchedFile {
    path: PathBuf,
    limit: usize,
    /// Of the content that was taken last; `None` where the next look must read.
    taken: Mutex<Option<Stamp>>,
}

impl WatchedFile {
    pub(super) fn new(path: PathBuf, limit: usize) -> Self {
        Self { path, limit, taken: Mutex::new(None) }
    }

    /// The content, or `None` if it is what was taken last. Call [`Self::take`] if it is good. Blocks.
    pub(super) fn look(&self) -> Result<Option<(Vec<u8>, Seen)>, FileFault> {
        // Symbolic links are followed: that is how mounted secrets are changed.
        let metadata = fs::metadata(&self.path)?;
        if !metadata.is_file() {
            return Err(FileFault::NoFile);
        }
        if *self.taken() == Some(Stamp::of(&metadata)) {
            return Ok(None);
        }
        let file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        let mut bytes = Vec::new();
        file.take(self.limit as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Err(FileFault::Empty);
        }
        if bytes.len() > self.limit {
            return Err(FileFault::TooLong(self.limit));
        }
        // A clock that was set back gives no age; then it is read once more than needed.
        let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        let is_settled = age.is_some_and(|age| age > UNSETTLED);
        Ok(Some((bytes, Seen(is_settled.then(|| Stamp::of(&metadata))))))
    }

    /// What was seen was good.
    pub(super) fn take(&self, Seen(stamp): Seen) {
        *self.taken() = stamp;
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Option<Stamp>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stamp of a content that was read, if it can be relied on.
#[derive(Debug)]
pub(super) struct Seen(Option<Stamp>);
