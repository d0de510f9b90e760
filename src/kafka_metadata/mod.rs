//! The users of a Kafka cluster, read from its metadata on the disk: a KRaft snapshot and the log that follows it.
//!
//! `batch` knows record batches, `record` the few metadata records that matter here, `image` what they amount to; all three are plain
//! functions on bytes. [`read`] finds and reads the files of a directory. Nothing is written and nothing is locked, so that the
//! directory may belong to a broker that runs.
//!
//! What of a log is committed is known to the quorum alone, it is not on the disk. [`read`] takes all that is there, and [`Found`]
//! says how much of it stands behind the newest snapshot.

mod batch;
mod files;
mod image;
mod problem;
mod record;
mod walk;

pub use batch::BatchError;
pub use files::{Found, read};
pub use image::{ImageError, Unusable, UnusableReason};
pub use problem::{METADATA_DIRECTORY, Problem, ReadError};
pub use record::RecordError;

#[cfg(test)]
mod tests;
