//! A file of users: CSV with a header line, read and checked as a whole before anything is changed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use csv::StringRecord;

use super::failure::Failure;
use super::grammar::DEFAULT_ITERATIONS;
use super::scram_users::Derived;
use super::scram_value::Password;
use crate::scram::{MAX_ITERATIONS, MIN_ITERATIONS, ScramMechanism};
use crate::secret::Secret;

/// Longest user name in bytes; the store and the login have the same limit.
const MAX_NAME: usize = 1024;
/// Faults that are shown; a file of another kind has one in each line.
const MAX_SHOWN: usize = 20;

/// One credential to set.
#[derive(Debug)]
pub(super) struct Row {
    /// Where it stands in the file, from 1.
    pub line: u64,
    pub user: String,
    pub mechanism: ScramMechanism,
    iterations: NonZeroU32,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Password(Password),
    Salted { salt: Vec<u8>, salted_password: Secret },
}

impl Row {
    /// What is sent of it. Takes milliseconds.
    pub fn derive(&self) -> Result<Derived, String> {
        let (salt, salted_password) = match &self.source {
            Source::Password(password) => password.salted(self.mechanism, self.iterations)?,
            Source::Salted { salt, salted_password } => (salt.clone(), salted_password.clone()),
        };
        let iterations = self.iterations.get() as i32;
        Ok(Derived { user: self.user.clone(), mechanism: self.mechanism, iterations, salt, salted_password })
    }
}

/// What a file is called in messages.
pub(super) fn shown(file: &str) -> &str {
    if file == "-" { "standard input" } else { file }
}

/// Reads a file; `-` is standard input.
pub(super) fn read(file: &str) -> Result<Vec<Row>, Failure> {
    let name = shown(file);
    let rows = match file {
        "-" => parse(io::stdin().lock()),
        file => {
            let file = File::open(file).map_err(|error| Failure::said(format!("{name}: cannot be read: {error}")))?;
            parse(file)
        }
    };
    rows.map_err(|faults| {
        let mut lines: Vec<String> =
            faults.iter().take(MAX_SHOWN).map(|(line, fault)| format!("{name}:{line}: {fault}")).collect();
        if faults.len() > MAX_SHOWN {
            lines.push(format!("{name}: {} more faults", faults.len() - MAX_SHOWN));
        }
        lines.push(format!("{name}: nothing was changed"));
        Failure::Said(lines.join("\n"))
    })
}

/// Where the columns stand.
struct Columns {
    name: usize,
    mechanism: usize,
    iterations: Option<usize>,
    password: Option<usize>,
    salted: Option<(usize, usize)>,
}

type Fault = (u64, String);

fn parse(input: impl Read) -> Result<Vec<Row>, Vec<Fault>> {
    let mut reader = csv::ReaderBuilder::new().from_reader(input);
    let header = reader.headers().map_err(|error| vec![csv_fault(&error)])?;
    let columns = Columns::find(header).map_err(|fault| vec![(1, fault)])?;
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    let mut seen: HashMap<(String, ScramMechanism), u64> = HashMap::new();
    for record in reader.into_records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                faults.push(csv_fault(&error));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        match columns.row(line, &record) {
            Ok(row) => match seen.insert((row.user.clone(), row.mechanism), line) {
                Some(first) => {
                    let fault = format!("{} of this user stands in line {first} already", row.mechanism);
                    faults.push((line, fault));
                }
                None => rows.push(row),
            },
            Err(fault) => faults.push((line, fault)),
        }
    }
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}

/// The error without what stands in the file.
fn csv_fault(error: &csv::Error) -> Fault {
    let line = error.position().map_or(0, csv::Position::line);
    let fault = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, but the header has {expected_len}; a field with a comma stands in double quotes")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => format!("cannot be read: {error}"),
        _ => "not CSV".to_owned(),
    };
    (line, fault)
}

impl Columns {
    fn find(header: &StringRecord) -> Result<Self, String> {
        const EXPECTED: &str = "expected a header line name,mechanism,iterations,password or name,mechanism,iterations,salt,salted_password";
        const KNOWN: [&str; 6] = ["name", "mechanism", "iterations", "password", "salt", "salted_password"];
        // A file without header has a password where a column's name should be.
        if !header.iter().all(|column| KNOWN.contains(&column)) {
            return Err(format!("unknown columns; {EXPECTED}"));
        }
        let at = |wanted: &str| header.iter().position(|column| column == wanted);
        let twice = KNOWN.iter().find(|known| header.iter().filter(|column| column == *known).count() > 1);
        if let Some(twice) = twice {
            return Err(format!("column {twice} stands there twice; {EXPECTED}"));
        }
        let salted = at("salt").zip(at("salted_password"));
        let is_whole = salted.is_some() == (at("salt").is_some() || at("salted_password").is_some());
        match (at("name"), at("mechanism"), at("password"), salted) {
            (Some(name), Some(mechanism), password, salted) if is_whole && password.is_some() != salted.is_some() => {
                Ok(Self { name, mechanism, iterations: at("iterations"), password, salted })
            }
            _ => Err(EXPECTED.into()),
        }
    }

    fn row(&self, line: u64, record: &StringRecord) -> Result<Row, String> {
        let user = &record[self.name];
        if user.is_empty() {
            return Err("the name is empty".into());
        }
        if user.len() > MAX_NAME {
            return Err(format!("the name is longer than {MAX_NAME} bytes"));
        }
        let mechanism = ScramMechanism::from_name(&record[self.mechanism])
            .ok_or("unknown mechanism; expected SCRAM-SHA-256 or SCRAM-SHA-512")?;
        let iterations = self.iterations.map_or("", |at| &record[at]);
        let iterations = match iterations {
            "" => DEFAULT_ITERATIONS as u32,
            text => {
                text.parse().ok().filter(|count| (MIN_ITERATIONS..=MAX_ITERATIONS).contains(count)).ok_or_else(
                    || format!("the iterations are not a number from {MIN_ITERATIONS} to {MAX_ITERATIONS}"),
                )?
            }
        };
        let iterations = NonZeroU32::new(iterations).ok_or("there are no iterations")?;
        let decode = |at: usize, what| {
            STANDARD
                .decode(&record[at])
                .ok()
                .filter(|bytes| !bytes.is_empty())
                .ok_or(format!("the {what} is not base64"))
        };
        let source = match (self.password, self.salted) {
            (Some(at), _) if !record[at].is_empty() => Source::Password(Password::new(&record[at])),
            (Some(_), _) => return Err("the password is empty".into()),
            (None, Some((salt, salted))) => {
                let salted_password = Secret::new(decode(salted, "salted password")?);
                if salted_password.expose().len() != mechanism.hash_len() {
                    return Err(format!("the salted password does not have {} bytes", mechanism.hash_len()));
                }
                Source::Salted { salt: decode(salt, "salt")?, salted_password }
            }
            (None, None) => return Err("there is no password".into()),
        };
        Ok(Row { line, user: user.to_owned(), mechanism, iterations, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_with_quotes_and_defaults() {
        let text = "\u{feff}mechanism,name,password,iterations\n\
                    SCRAM-SHA-256,alice,hush,8192\n\
                    SCRAM-SHA-512,\"a, \"\"b\"\"=\u{e4}\",\"hu,\nsh\",\n\
                    SCRAM-SHA-512,alice,hush,4096\n";
        let rows = parse(text.as_bytes()).unwrap();
        let seen: Vec<_> =
            rows.iter().map(|row| (row.line, row.user.as_str(), row.mechanism.code(), row.iterations.get())).collect();
        assert_eq!(seen, [(2, "alice", 1, 8192), (3, "a, \"b\"=\u{e4}", 2, 4096), (5, "alice", 2, 4096)]);
        let Source::Password(password) = &rows[1].source else { panic!("a password") };
        assert_eq!(password.expose(), b"hu,\nsh");
        assert_eq!(rows[0].derive().unwrap().iterations, 8192);

        let text = format!("name,mechanism,salt,salted_password\nalice,SCRAM-SHA-256,c2FsdA==,{}A=\n", "c".repeat(42));
        let derived = parse(text.as_bytes()).unwrap()[0].derive().unwrap();
        assert_eq!((&derived.salt[..], derived.salted_password.expose().len()), (&b"salt"[..], 32));
    }

    #[test]
    fn each_fault_has_its_line_and_no_password() {
        let text = "name,mechanism,iterations,password\n\
                    ,SCRAM-SHA-256,,hush\n\
                    a,SCRAM-SHA-1,,hush\n\
                    a,SCRAM-SHA-256,4095,hush\n\
                    a,SCRAM-SHA-256,16385,hush\n\
                    a,SCRAM-SHA-256,hush,hush\n\
                    a,SCRAM-SHA-256,,\n\
                    a,SCRAM-SHA-256,,hu,sh\n\
                    a,SCRAM-SHA-256,,hush\n\
                    a,SCRAM-SHA-512,,hush\n\
                    a,SCRAM-SHA-256,,hush\n";
        let faults = parse(text.as_bytes()).unwrap_err();
        let lines: Vec<u64> = faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 11], "{faults:?}");
        assert_eq!(faults[7].1, "SCRAM-SHA-256 of this user stands in line 9 already");
        assert!(!format!("{faults:?}").contains("hush"));
        for header in [
            "",
            "alice,SCRAM-SHA-256,4096,hush",
            "name,mechanism",
            "name,mechanism,password,salt",
            "name,mechanism,password,password",
            "name,password",
        ] {
            let faults = parse(format!("{header}\n").as_bytes()).unwrap_err();
            assert!(faults[0].1.contains("expected a header line") && !faults[0].1.contains("hush"), "{faults:?}");
        }
    }
}
