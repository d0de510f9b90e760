//! Tokens as a whole: published vectors, and a corpus of hostile ones.

mod corpus;
mod explain;
mod key_sets;
mod kit;
mod limits;
mod mutations;
mod unsecured;
mod vectors;
mod wycheproof;
