//! Why a cluster's metadata cannot be read.

use std::io;
use std::path::PathBuf;

use super::image::ImageError;

/// The directory of the metadata in a broker's `metadata.log.dir`, which is the first of its `log.dirs` unless set.
pub const METADATA_DIRECTORY: &str = "__cluster_metadata-0";

/// Why the metadata cannot be read. The text names the file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct ReadError {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a file or directory. The text goes on after its name.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Something else was given.
    #[error(
        "no metadata of a KRaft cluster: expected a broker's metadata.log.dir or log.dirs (with {METADATA_DIRECTORY} in it), the \
         directory {METADATA_DIRECTORY} itself, or one .checkpoint file of it"
    )]
    NoMetadata,
    /// A batch cannot be used.
    #[error("{problem}, at byte {at}")]
    Content {
        /// Where the batch begins.
        at: u64,
        /// What is wrong with it.
        problem: ImageError,
    },
    /// A snapshot that does not begin or end as one does.
    #[error("is not a whole snapshot")]
    SnapshotNotWhole,
    /// Something is missing or damaged.
    #[error(
        "the record of offset {expected} should come next, at byte {at}, and there is {found}: something is missing or damaged"
    )]
    Gap {
        /// Position in bytes.
        at: u64,
        /// The offset that should come next.
        expected: i64,
        /// The one that comes.
        found: i64,
    },
}
