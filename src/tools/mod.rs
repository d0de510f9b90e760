//! The subcommands that are tools: what they print and how they end. `main` only picks one.

pub mod store;
