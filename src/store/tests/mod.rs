//! Trials of the store: what was acknowledged is there, whatever happens to the process, the files or the disk.

mod child;
mod damage;
mod disk;
mod edits;
mod formats;
mod opening;
mod power;
mod scratch;
mod tools;

use super::*;
use child::Child;
use scratch::*;
