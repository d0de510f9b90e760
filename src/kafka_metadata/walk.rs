//! One file of batches, from its beginning to its end. At most one batch is in memory.

use std::io::{self, Read};

use super::batch::{self, Batch, BatchError};
use super::image::ImageError;
use super::problem::Problem;

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After a batch.
    Whole,
    /// So many bytes follow that are the beginning of a batch: one that is being written, or was when the power went.
    Cut(usize),
    /// What follows is zeros: room that was set aside.
    Zeros,
}

/// Hands each batch to `each`, in order; returns where the next file must go on. The offsets must begin with `next` and leave none
/// out.
pub fn walk(
    mut input: impl Read,
    mut next: i64,
    mut each: impl FnMut(&Batch<'_>) -> Result<(), ImageError>,
) -> Result<(i64, End), Problem> {
    let mut at = 0;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        fill(&mut input, &mut bytes, batch::PREFIX)?;
        let Some(prefix) = bytes.first_chunk() else {
            return Ok((next, if bytes.is_empty() { End::Whole } else { End::Cut(bytes.len()) }));
        };
        let content = |problem: BatchError| Problem::Content { at, problem: problem.into() };
        let length = match batch::prefix(prefix) {
            Ok((_, length)) => length,
            Err(_) if bytes.iter().all(|byte| *byte == 0) && only_zeros(&mut input)? => return Ok((next, End::Zeros)),
            Err(problem) => return Err(content(problem)),
        };
        fill(&mut input, &mut bytes, length)?;
        let batch = match Batch::read(&bytes) {
            Ok((batch, _)) => batch,
            // A batch further on shows that it is the length that is wrong.
            Err(BatchError::Incomplete) if !has_batch(&bytes[1..]) => return Ok((next, End::Cut(bytes.len()))),
            Err(problem) => return Err(content(problem)),
        };
        if batch.base_offset != next {
            return Err(Problem::Gap { at, expected: next, found: batch.base_offset });
        }
        each(&batch).map_err(|problem| Problem::Content { at, problem })?;
        next = batch.last_offset.checked_add(1).ok_or_else(|| content(BatchError::Malformed))?;
        at += bytes.len() as u64;
    }
}

/// Adds up to `count` bytes; fewer at the end of the input.
fn fill(input: &mut impl Read, bytes: &mut Vec<u8>, count: usize) -> io::Result<()> {
    input.take(count as u64).read_to_end(bytes)?;
    Ok(())
}

fn only_zeros(input: &mut impl Read) -> io::Result<bool> {
    let mut bytes = [0; 8192];
    loop {
        match input.read(&mut bytes) {
            Ok(0) => return Ok(true),
            Ok(read) if bytes[..read].iter().all(|byte| *byte == 0) => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a whole batch stands somewhere in these bytes.
fn has_batch(bytes: &[u8]) -> bool {
    (0..bytes.len()).any(|from| Batch::read(&bytes[from..]).is_ok())
}
