//! Where an import comes from: lines of JSON, or the metadata of a KRaft cluster.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::{BufRead, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::lines::{Entry, Line, MAX_LINE};
use super::{Failure, count};
use crate::kafka_metadata;
use crate::scram::{MAX_ITERATIONS, MAX_USER_LEN};

/// Most credentials of one import.
pub const MAX_ENTRIES: usize = 1_000_000;
/// Most faults that are told.
const MAX_TOLD: usize = 20;

/// Faults as they are found, each one a line for a person.
#[derive(Default)]
struct Faults {
    told: Vec<String>,
    more: usize,
}

impl Faults {
    fn add(&mut self, fault: impl Display) {
        if self.told.len() < MAX_TOLD { self.told.push(fault.to_string()) } else { self.more += 1 }
    }

    fn into_result(mut self) -> Result<(), Failure> {
        if self.more > 0 {
            self.told.push(format!("and {} more", self.more));
        }
        if self.told.is_empty() { Ok(()) } else { Err(Failure::Failed(self.told.join("\n"))) }
    }
}

/// Reads lines of JSON. All faults are told, with their lines; `advance` is told how many bytes were read.
pub fn from_lines(name: &str, mut input: impl BufRead, mut advance: impl FnMut(u64)) -> Result<Vec<Entry>, Failure> {
    let (mut entries, mut faults) = (Vec::new(), Faults::default());
    let (mut expected, mut lines_of) = (None, HashMap::new());
    for number in 1.. {
        let mut line = Zeroizing::new(Vec::new());
        let read = input.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line);
        let read = read.map_err(|error| Failure::Failed(format!("{name}: {error}")))?;
        if read == 0 && number > 1 {
            break;
        }
        advance(read as u64);
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > MAX_LINE {
            faults.add(format_args!("{name}: line {number}: longer than {MAX_LINE} bytes"));
            break;
        }
        match Line::parse(&line) {
            Ok(Line::Header { records }) if number == 1 => expected = records,
            Ok(Line::Header { .. }) => faults.add(format_args!("{name}: line {number}: a second header")),
            Ok(Line::Entry(_)) if number == 1 => {
                faults.add(format_args!("{name}: line 1: expected a header, {{\"kind\":\"header\",\"version\":1}}"));
            }
            Ok(Line::Entry(entry)) => {
                let whose = (entry.user.clone(), entry.mechanism);
                if let Some(first) = lines_of.insert(whose, number) {
                    let (user, mechanism) = (entry.user.escape_debug(), entry.mechanism);
                    faults
                        .add(format_args!("{name}: line {number}: user '{user}' has its {mechanism} in line {first}"));
                }
                if let Some(problem) = name_problem(&entry.user) {
                    faults.add(format_args!("{name}: line {number}: {problem}"));
                }
                entries.push(entry);
            }
            Err(problem) => faults.add(format_args!("{name}: line {number}: {problem}")),
        }
        if number == 1 && !faults.told.is_empty() {
            // Something else was given.
            break;
        }
        if entries.len() > MAX_ENTRIES {
            faults.add(format_args!("{name}: line {number}: more than {MAX_ENTRIES} credentials"));
            break;
        }
    }
    faults.into_result()?;
    match expected {
        Some(expected) if expected != entries.len() as u64 => Err(Failure::Failed(format!(
            "{name}: it should have {}, says its header, and has {}: it is not whole",
            count(expected, "credential"),
            entries.len()
        ))),
        _ => Ok(entries),
    }
}

/// Reads the metadata of a KRaft cluster, and gives what should be known of it as lines for a person.
pub fn from_kafka(path: &Path) -> Result<(Vec<Entry>, Vec<String>), Failure> {
    let found = kafka_metadata::read(path).map_err(|error| Failure::Failed(error.to_string()))?;
    let mut faults = Faults::default();
    for unusable in &found.unusable {
        faults.add(format_args!("{}: {unusable}", path.display()));
    }
    let mut entries = Vec::new();
    for (user, mechanism, credential) in found.credentials {
        let told = format!("{}: user '{}'", path.display(), user.escape_debug());
        match name_problem(&user) {
            Some(problem) => faults.add(format_args!("{}: {problem}", path.display())),
            None if credential.iterations() > MAX_ITERATIONS => {
                faults.add(format_args!("{told}: {mechanism}: more than {MAX_ITERATIONS} iterations"));
            }
            None => entries.push(Entry { user, mechanism, credential }),
        }
    }
    faults.into_result()?;
    let up_to = found.end_offset.map_or_else(String::new, |end| format!(", up to offset {end}"));
    let batches = match found.batches_after_snapshot {
        1 => "1 batch".into(),
        batches => format!("{batches} batches"),
    };
    let mut notes = vec![match &found.snapshot {
        Some(snapshot) => format!("read {} and {batches} of the log behind it{up_to}", snapshot.display()),
        None => format!("read {batches} of the log; there is no snapshot{up_to}"),
    }];
    if found.batches_after_snapshot > 0 {
        notes.push(
            "whether the end of the log is committed is not on this disk; all of it was taken. Surest is the directory of the active \
             controller, or of the node that was stopped last"
                .into(),
        );
    }
    notes.extend(found.notes);
    Ok((entries, notes))
}

/// What is wrong with a name: what the administration refuses too.
fn name_problem(user: &str) -> Option<String> {
    match user {
        "" => Some("a user's name is empty".into()),
        long if long.len() > MAX_USER_LEN => Some(format!("a user's name is longer than {MAX_USER_LEN} bytes")),
        nul if nul.contains('\0') => Some(format!("user '{}': the name contains NUL", nul.escape_debug())),
        _ => None,
    }
}
