//! Tokens as a whole: published vectors, and a corpus of hostile ones.

mod corpus;
mod explain;
mod key_sets;
pub(crate) mod kit;
mod limits;
mod mutations;
mod unsecured;
mod vectors;
mod wycheproof;
