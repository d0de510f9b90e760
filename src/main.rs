//! The `doorkeeper` command.
fn main() {}
