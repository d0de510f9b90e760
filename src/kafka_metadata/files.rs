//! The files of a metadata directory: the newest snapshot, and the segments of the log that follow it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::batch::{Batch, BatchError};
use super::image::{Image, ImageError, Unusable};
use super::problem::{METADATA_DIRECTORY, Problem, ReadError};
use super::walk::{End, walk};
use crate::scram::{ScramCredential, ScramMechanism};

/// How often a directory is looked at anew, when a file has gone between the look and its opening: a broker that runs removes
/// old snapshots and segments.
const LOOKS: usize = 5;

/// Types of control records (Kafka's `ControlRecordType`).
const SNAPSHOT_HEADER: [u8; 2] = [0, 3];
const SNAPSHOT_FOOTER: [u8; 2] = [0, 4];

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// All credentials that can be taken, in the order of the names' bytes.
    pub credentials: Vec<(String, ScramMechanism, ScramCredential)>,
    /// Those that cannot.
    pub unusable: Vec<Unusable>,
    /// The snapshot that was read, if there is one.
    pub snapshot: Option<PathBuf>,
    /// How many batches of the log follow the snapshot. Whether they are committed is not on the disk.
    pub batches_after_snapshot: u64,
    /// The offset up to which the metadata was read, itself not included; none if a snapshot alone was read whose name does not say.
    pub end_offset: Option<i64>,
    /// What else whoever uses this should know: phrases for a person.
    pub notes: Vec<String>,
}

/// Reads the users of the cluster whose metadata is at `path`: a directory or a snapshot. Reads files: not for an async worker.
pub fn read(path: &Path) -> Result<Found, ReadError> {
    let at_path = |problem: Problem| ReadError { path: path.to_owned(), problem };
    if fs::metadata(path).map_err(|error| at_path(error.into()))?.is_file() {
        return read_file(path);
    }
    let below = path.join(METADATA_DIRECTORY);
    let directory = if below.is_dir() { below } else { path.to_owned() };
    for _ in 1..LOOKS {
        match Opened::look(&directory) {
            Err(ReadError { problem: Problem::Io(error), .. }) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened?.read(),
        }
    }
    Opened::look(&directory)?.read()
}

fn read_file(path: &Path) -> Result<Found, ReadError> {
    let error = |problem: Problem| ReadError { path: path.to_owned(), problem };
    if path.extension() == Some(OsStr::new("log")) {
        return Err(error(Problem::NoMetadata));
    }
    let file = File::open(path).map_err(|problem| error(problem.into()))?;
    let end = path.file_name().and_then(snapshot_id).map(|(offset, _)| offset);
    let snapshot = Opened { directory: path.into(), snapshot: Some((path.into(), end, file)), segments: Vec::new() };
    let mut found = snapshot.read()?;
    found.notes.push("changes after this snapshot are in the log beside it, which was not read".into());
    Ok(found)
}

/// The files that are needed, opened: what the broker removes from now on can still be read.
struct Opened {
    directory: PathBuf,
    /// With the offset up to which it has everything, if its name says so.
    snapshot: Option<(PathBuf, Option<i64>, File)>,
    /// With the offset of its first record each, in order.
    segments: Vec<(PathBuf, i64, File)>,
}

impl Opened {
    fn look(directory: &Path) -> Result<Self, ReadError> {
        let at_directory = |problem: Problem| ReadError { path: directory.to_owned(), problem };
        let (mut snapshots, mut segments) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(directory).map_err(|error| at_directory(error.into()))? {
            let name = entry.map_err(|error| at_directory(error.into()))?.file_name();
            let path = directory.join(&name);
            match (snapshot_id(&name), segment_base(&name)) {
                (Some(id), _) => snapshots.push((id, path)),
                (None, Some(base)) => segments.push((base, path)),
                (None, None) => {}
            }
        }
        // The segments of a topic have the same names.
        let is_metadata = directory.file_name() == Some(OsStr::new(METADATA_DIRECTORY)) || !snapshots.is_empty();
        if !is_metadata || (snapshots.is_empty() && segments.is_empty()) {
            return Err(at_directory(Problem::NoMetadata));
        }
        let open = |path: PathBuf| match File::open(&path) {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(ReadError { path, problem: error.into() }),
        };
        let snapshot = match snapshots.into_iter().max() {
            Some(((offset, _), path)) => Some(open(path).map(|(path, file)| (path, Some(offset), file))?),
            None => None,
        };
        segments.sort();
        let from = snapshot.as_ref().and_then(|(_, end, _)| *end).unwrap_or(0);
        // The last segment that begins at or before the snapshot's end, and all after it.
        let first = segments.partition_point(|(base, _)| *base <= from).saturating_sub(1);
        let segments = segments.into_iter().skip(first);
        let segments = segments.map(|(base, path)| open(path).map(|(path, file)| (path, base, file)));
        Ok(Self { directory: directory.into(), snapshot, segments: segments.collect::<Result<_, _>>()? })
    }

    fn read(self) -> Result<Found, ReadError> {
        let mut image = Image::default();
        let mut notes = Vec::new();
        let (snapshot, mut end_offset) = match self.snapshot {
            Some((path, end, file)) => {
                read_snapshot(BufReader::new(file), &mut image)
                    .map_err(|problem| ReadError { path: path.clone(), problem })?;
                (Some(path), end)
            }
            None => (None, Some(0)),
        };
        let from = end_offset.unwrap_or(0);
        let mut batches_after_snapshot = 0;
        let mut next = self.segments.first().map_or(from, |(_, base, _)| *base);
        if next > from {
            let problem = Problem::Gap { at: 0, expected: from, found: next };
            return Err(ReadError { path: self.directory, problem });
        }
        let last = self.segments.len().saturating_sub(1);
        for (index, (path, base, file)) in self.segments.into_iter().enumerate() {
            let error = |problem| ReadError { path: path.clone(), problem };
            if base != next {
                return Err(error(Problem::Gap { at: 0, expected: next, found: base }));
            }
            let (after, end) = walk(BufReader::new(file), base, |batch| {
                if batch.last_offset < from {
                    return Ok(());
                }
                batches_after_snapshot += 1;
                image.apply(batch)
            })
            .map_err(error)?;
            match end {
                End::Whole => {}
                End::Cut(_) | End::Zeros if index != last => {
                    let problem = BatchError::Incomplete.into();
                    return Err(error(Problem::Content { at: 0, problem }));
                }
                End::Cut(bytes) => notes.push(format!(
                    "{} ends with {bytes} bytes of a batch that is not whole; they were left out",
                    path.display()
                )),
                End::Zeros => notes.push(format!("{} ends with zeros; they were left out", path.display())),
            }
            next = after;
            end_offset = Some(next.max(from));
        }
        if image.in_transaction() {
            notes.push("the log ends within a transaction; its changes were left out".into());
        }
        let (credentials, unusable) = image.into_credentials();
        Ok(Found { credentials, unusable, snapshot, batches_after_snapshot, end_offset, notes })
    }
}

fn read_snapshot(input: impl io::Read, image: &mut Image) -> Result<(), Problem> {
    let (mut begins, mut ends) = (None, false);
    let (_, end) = walk(input, 0, |batch: &Batch<'_>| {
        batch.records::<ImageError>(|record| {
            // A control record's key is a version and a type, 2 bytes each.
            let is = |kind: [u8; 2]| batch.is_control && record.key.get(2..4) == Some(&kind);
            begins.get_or_insert(is(SNAPSHOT_HEADER));
            ends = is(SNAPSHOT_FOOTER);
            Ok(())
        })?;
        image.apply(batch)
    })?;
    if begins == Some(true) && ends && end == End::Whole && !image.in_transaction() {
        Ok(())
    } else {
        Err(Problem::SnapshotNotWhole)
    }
}

/// Offset and epoch in the name of a snapshot: 20 digits, 10 digits. Files that are still being written, or that are about to be
/// deleted, have another ending.
fn snapshot_id(name: &OsStr) -> Option<(i64, u32)> {
    let (offset, epoch) = name.to_str()?.strip_suffix(".checkpoint")?.split_once('-')?;
    Some((number(offset, 20)?, u32::try_from(number(epoch, 10)?).ok()?))
}

/// The offset of the first record, from the name of a segment.
fn segment_base(name: &OsStr) -> Option<i64> {
    number(name.to_str()?.strip_suffix(".log")?, 20)
}

fn number(digits: &str, count: usize) -> Option<i64> {
    if digits.len() == count && digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}
