//! Whose the files are: of one process, and of one user of the system.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use libtest_mimic::Trial;
use proto_tests::ledger::Ledger;
use proto_tests::random::Random;
use proto_tests::{Context, Result, check, check_eq, progress};

use super::{Start, admin, change, files, spec, start, stop, try_start, users};
use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("store_faults::second_process_is_refused", second_process),
        free("store_faults::files_are_the_owners_alone", modes),
    ]
}

/// The second one ends with a word about the first, which goes on.
fn second_process() -> Result<()> {
    let mut random = Random::seeded("second process");
    let (first_spec, store) = spec()?;
    let (mut front, _) = start(&first_spec)?;
    let (mut ledger, names) = (Ledger::default(), users("user", 4));
    let mut conn = admin(&front)?;
    change(&mut ledger, &mut conn, &mut random, &names, 10)?;
    let (mut second, _) = spec()?;
    second.set("store.dir", &store.display().to_string());
    match try_start(&second)? {
        Start::Serves(..) => return Err("two processes serve the same store".into()),
        Start::Refused { code, said, took } => {
            progress(format!("a second process is refused after {took:?}: {}", said.trim_end()));
            check!(code.is_some_and(|c| c != 0), "it ends with {code:?}");
            let store = store.display().to_string();
            check!(said.contains(&store) && said.contains("another process"), "it says {said:?}");
        }
    }
    change(&mut ledger, &mut conn, &mut random, &names, 10)?;
    ledger.judge(front.sasl(), &mut conn, &mut random, usize::MAX)?;
    stop(&mut front)?;
    // Now it may.
    second.set("store.dir", &store.display().to_string());
    let (front, _) = start(&second)?;
    ledger.judge(front.sasl(), &mut admin(&front)?, &mut random, usize::MAX).map(drop)
}

/// 0600 and 0700 from the first byte on, also after a compaction of the log; and a start refuses other modes.
fn modes() -> Result<()> {
    let mut random = Random::seeded("modes");
    let (spec, store) = spec()?;
    let (mut ledger, names) = (Ledger::default(), users("user", 6));
    for _ in 0..3 {
        let (mut front, _) = start(&spec)?;
        change(&mut ledger, &mut admin(&front)?, &mut random, &names, 20)?;
        looked_at(&store)?;
        stop(&mut front)?;
        looked_at(&store)?;
    }
    let all = files(&store)?;
    let mut wrong = vec![(store.clone(), 0o750, 0o700)];
    wrong.extend([0o640, 0o604, 0o620].map(|mode| (random.pick(&all).clone(), mode, 0o600)));
    for (path, mode, right) in wrong {
        fs::set_permissions(&path, Permissions::from_mode(mode)).context("change a mode")?;
        match try_start(&spec)? {
            Start::Serves(..) => return Err(format!("it serves while {} has mode {mode:o}", path.display())),
            Start::Refused { code, said, .. } => {
                check!(code.is_some_and(|c| c != 0), "{} with mode {mode:o}: it ends with {code:?}", path.display());
                check!(said.contains(&path.display().to_string()), "{} with mode {mode:o}: {said:?}", path.display());
            }
        }
        fs::set_permissions(&path, Permissions::from_mode(right)).context("change a mode")?;
    }
    let (front, _) = start(&spec)?;
    ledger.judge(front.sasl(), &mut admin(&front)?, &mut random, usize::MAX).map(drop)
}

fn looked_at(store: &Path) -> Result<()> {
    let mode = |path: &Path| -> Result<u32> {
        Ok(path.metadata().context(format!("look at {}", path.display()))?.permissions().mode() & 0o7777)
    };
    check_eq!(format!("{:o}", mode(store)?), "700", "mode of {}", store.display());
    for file in files(store)? {
        // RocksDB removes files of its own while it runs.
        if let Ok(seen) = mode(&file) {
            check_eq!(format!("{seen:o}"), "600", "mode of {}", file.display());
        }
    }
    Ok(())
}
