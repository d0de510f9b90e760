use super::*;

#[test]
fn todo_mapping() {}
