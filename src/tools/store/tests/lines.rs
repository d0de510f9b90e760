use proptest::prelude::*;

use super::super::lines::{Line, header};
use super::{KEY, entry, line};
use crate::scram::ScramMechanism::{Sha256, Sha512};

fn problem(line: &str) -> String {
    Line::parse(line.as_bytes()).unwrap_err().to_string()
}

#[test]
fn the_form_is_fixed() {
    assert_eq!(header(42, 5), "{\"kind\":\"header\",\"version\":1,\"revision\":42,\"records\":5}\n");
    assert_eq!(entry("alice", Sha256, 7).line().as_str(), line(&[]) + "\n");
}

#[test]
fn what_is_written_is_read() {
    for user in ["alice", "jörg, =\"\\ü 用户", "\u{1}\n\u{202e}", "😀"] {
        for mechanism in [Sha256, Sha512] {
            let written = entry(user, mechanism, 9);
            let Ok(Line::Entry(read)) = Line::parse(written.line().trim_end().as_bytes()) else { panic!("{user}") };
            assert_eq!((read.user.as_str(), read.mechanism), (user, mechanism));
            assert_eq!(read.line().as_str(), written.line().as_str());
        }
    }
}

#[test]
fn each_fault_is_named_and_no_value_is_shown() {
    for (replaced, want) in [
        (&[("kind", "\"acl\"")][..], "its kind \"acl\" is not known"),
        (&[("kind", "")], "missing field `kind`"),
        (&[("version", "2"), ("+new", "1")], "version 2 of its form is not known"),
        (&[("version", "")], "missing field `version`"),
        (
            &[("+password", "\"hush\"")],
            "unknown field `password`, expected one of `kind`, `version`, `user`, `mechanism`, `iterations`, `salt`, `stored_key`, `server_key`",
        ),
        (&[("+user", "\"bob\"")], "duplicate field `user`"),
        (&[("user", "")], "missing field `user`"),
        (
            &[("mechanism", "\"SCRAM-SHA-1\"")],
            "the mechanism of user 'alice' is neither SCRAM-SHA-256 nor SCRAM-SHA-512",
        ),
        (&[("iterations", "4095")], "user 'alice': fewer than 4096 iterations"),
        (&[("iterations", "16385")], "user 'alice': more than 16384 iterations"),
        (&[("salt", "\"\"")], "user 'alice': the salt is empty or longer than 1024 bytes"),
        (&[("salt", "\"c2FsdA\"")], "the salt of user 'alice' is not base64"),
        (&[("stored_key", "\"hush!\"")], "the stored_key of user 'alice' is not base64"),
        (&[("server_key", "\"aHVzaA==\"")], "user 'alice': a key has not the length of the mechanism's hash"),
        (&[("mechanism", "\"SCRAM-SHA-512\"")], "user 'alice': a key has not the length of the mechanism's hash"),
        (&[("user", "\"a\\n\""), ("iterations", "1")], "user 'a\\n': fewer than 4096 iterations"),
    ] {
        assert_eq!(problem(&line(replaced)), want);
    }
    for (replaced, start) in [
        (&[("iterations", "\"hush\"")][..], "a field has a value of another type, before column "),
        (&[("iterations", "-1")], "a field has a value of another type, before column "),
        (&[("iterations", "4096.0")], "a field has a value of another type, before column "),
        (&[("user", "null")], "a field has a value of another type, before column "),
        (&[("user", "hush")], "no JSON, at column "),
    ] {
        let told = problem(&line(replaced));
        assert!(told.starts_with(start) && !told.contains("hush"), "{told}");
    }
    for (text, want) in [
        ("", "no JSON, at column 0"),
        ("{}", "missing field `kind`"),
        ("[]", "a field has a value of another type"),
        ("{\"kind\":\"header\",\"version\":1,\"user\":1}", "unknown field `user`"),
    ] {
        assert!(problem(text).starts_with(want), "{}", problem(text));
    }
    assert!(problem(&format!("{} {}", line(&[]), KEY)).starts_with("no JSON, at column"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_line_panics(text in "\\PC{0,80}", at in 0..200usize, with in any::<u8>()) {
        let _ = Line::parse(text.as_bytes());
        let mut changed = line(&[]).into_bytes();
        let at = at % changed.len();
        changed[at] = with;
        let _ = Line::parse(&changed);
    }
}
