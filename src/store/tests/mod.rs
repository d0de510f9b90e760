//! Trials of the store: what was acknowledged is there, whatever happens to the process, the files or the disk.

mod edits;
mod scratch;

use super::*;
use scratch::*;
