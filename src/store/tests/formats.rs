//! Formats: what an earlier release has written opens in this one, and what a later one has written is refused.

use std::fs;

use super::database::DatabaseError;
use super::*;

/// To format 2: each user `x` gets a companion `x-2`.
fn companions(database: &Database) -> Result<Vec<change::Record>, DatabaseError> {
    let mut records = Vec::new();
    let Ok(()) = database.scan(Kind::Scram, |key, value| {
        if let Ok(Change::SetScram { user, mechanism, credential }) = Change::from_record(key, Some(value)) {
            records.push(Change::SetScram { user: format!("{user}-2"), mechanism, credential }.record());
        }
        Ok::<(), std::convert::Infallible>(())
    })?;
    Ok(records)
}

/// To format 3: nobody is called alice any more.
fn no_alice(_: &Database) -> Result<Vec<change::Record>, DatabaseError> {
    Ok(vec![remove("alice").record()])
}

fn fails(_: &Database) -> Result<Vec<change::Record>, DatabaseError> {
    Err(DatabaseError::Failed("a step that fails".into()))
}

const SECOND: Setup = Setup { formats: Formats { newest: 2, steps: &[companions] }, ..SETUP };
const THIRD: Setup = Setup { formats: Formats { newest: 3, steps: &[companions, no_alice] }, ..SETUP };
const FAILING: Setup = Setup { formats: Formats { newest: 3, steps: &[companions, fails] }, ..SETUP };

fn names(store: &Store) -> Vec<String> {
    users(store).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_store_of_an_earlier_format_is_led_on_step_by_step() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch.store()).unwrap();
    let key = store.unknown_user_key().clone();
    edit(&store, vec![set("alice", 4096)]).unwrap();
    store.close_blocking();
    // A step that fails leaves the store as the step before it has made it.
    assert!(Store::open_with(&scratch.store(), FAILING).err().expect("a refusal").0.contains("a step that fails"));
    let format = scratch.store().join("current/FORMAT");
    assert_eq!(fs::read_to_string(&format).unwrap(), "2\n");
    let store = Store::open_with(&scratch.store(), SECOND).unwrap();
    assert_eq!(names(&store), ["alice", "alice-2"]);
    store.close_blocking();
    for _ in 0..2 {
        let store = Store::open_with(&scratch.store(), THIRD).unwrap();
        assert_eq!(names(&store), ["alice-2"]);
        assert_eq!(store.status().records, 1);
        assert!(store.unknown_user_key().matches(key.expose()));
        store.close_blocking();
        // As if the process had ended between the records and the file.
        assert_eq!(fs::read_to_string(&format).unwrap(), "3\n");
        fs::write(&format, "2\n").unwrap();
    }
    fs::write(&format, "3\n").unwrap();
    // This release does not know format 3.
    for refused in [Store::open(&scratch.store()).map(|_| ()), Store::verify(&scratch.store()).map(|_| ())] {
        let text = refused.expect_err("a refusal").0;
        assert!(
            text.contains("a later release has written this store (format 3; this release knows formats up to 1)"),
            "{text}"
        );
    }
    assert!(Store::accept_loss(&scratch.store()).expect_err("a refusal").0.contains("a later release"));
}

/// The store of format 1, as the first release wrote it: the files in hexadecimal. It must open for ever.
const GOLDEN: &str = include_str!("format-1.txt");

#[test]
fn the_first_releases_store_opens() {
    let scratch = Scratch::new();
    unpack(GOLDEN, &scratch.store());
    let summary = Store::verify(&scratch.store()).unwrap();
    assert_eq!((summary.revision, summary.records), (4, 4));
    let store = Store::open(&scratch.store()).unwrap();
    let expected = vec![
        ("alice".to_owned(), vec![(ScramMechanism::Sha256, 4096), (ScramMechanism::Sha512, 8192)]),
        ("bob, the \"second\"=".to_owned(), vec![(ScramMechanism::Sha256, 16384)]),
        ("zoë".to_owned(), vec![(ScramMechanism::Sha512, 4096)]),
    ];
    assert_eq!(users(&store), expected);
    assert!(
        wait(store.scram("alice", ScramMechanism::Sha256)).unwrap().unwrap().is_of(ScramMechanism::Sha256, b"pencil")
    );
    assert!(
        wait(store.scram("zoë", ScramMechanism::Sha512)).unwrap().unwrap().is_of(ScramMechanism::Sha512, b"crayon")
    );
    store.close_blocking();
}

/// Writes the golden store anew: `cargo test --lib store::tests::formats::write_golden -- --ignored`. Only for a new format, and then to a
/// new file.
#[test]
#[ignore = "writes a file of the sources"]
fn write_golden() {
    let scratch = Scratch::new();
    let of = |user: &str, mechanism, password: &[u8], iterations| {
        let credential = ScramCredential::from_password(mechanism, password, b"a salt", iterations).unwrap();
        Change::SetScram { user: user.into(), mechanism, credential }
    };
    let store = Store::open(&scratch.store()).unwrap();
    let first = vec![
        of("alice", ScramMechanism::Sha256, b"pencil", 4096),
        of("alice", ScramMechanism::Sha512, b"pencil", 8192),
        of("carol", ScramMechanism::Sha512, b"eraser", 4096),
    ];
    edit(&store, first).unwrap();
    store.close_blocking();
    let store = Store::open(&scratch.store()).unwrap();
    edit(&store, vec![of("bob, the \"second\"=", ScramMechanism::Sha256, b"pen", 16384), remove("carol")]).unwrap();
    edit(
        &store,
        vec![
            Change::RemoveScram { user: "carol".into(), mechanism: ScramMechanism::Sha512 },
            of("zoë", ScramMechanism::Sha512, b"crayon", 4096),
        ],
    )
    .unwrap();
    store.close_blocking();
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/tests").join(format!("format-{}.txt", upgrade::NEWEST));
    fs::write(path, pack(&scratch.store())).unwrap();
}

/// A line for each file: its name, and its bytes in hexadecimal, with runs of zeros as `*length`.
fn pack(directory: &Path) -> String {
    let mut text = String::new();
    // What a store does without, is left out.
    let needed = |name: &str| !["LOCK", "IDENTITY", "OPTIONS"].iter().any(|other| name.contains(other));
    for (name, bytes) in snapshot(directory).into_iter().filter(|(name, _)| needed(name)) {
        text += &format!("{name} ");
        for run in bytes.chunk_by(|a, b| (*a == 0) == (*b == 0)) {
            if run[0] == 0 && run.len() > 4 {
                text += &format!("*{} ", run.len());
            } else {
                run.iter().for_each(|byte| text += &format!("{byte:02x}"));
                text.push(' ');
            }
        }
        text.push('\n');
    }
    text
}

fn unpack(text: &str, directory: &Path) {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let path = directory.join(words.next().unwrap());
        fs::DirBuilder::new().mode(0o700).recursive(true).create(path.parent().unwrap()).unwrap();
        let mut bytes = Vec::new();
        for word in words {
            match word.strip_prefix('*') {
                Some(zeros) => bytes.resize(bytes.len() + zeros.parse::<usize>().unwrap(), 0),
                None => bytes.extend(
                    word.as_bytes()
                        .as_chunks()
                        .0
                        .iter()
                        .map(|[a, b]| u8::from_str_radix(std::str::from_utf8(&[*a, *b]).unwrap(), 16).unwrap()),
                ),
            }
        }
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}
