//! A disk without room: changes are refused, logins go on, and all is well again when there is room.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::ledger::{Answer, Ledger};
use proto_tests::random::Random;
use proto_tests::{Context, Result, check, check_eq, progress, scratch, wait_for};

use super::{PATIENCE, admin, change, run, spec, start, users};
use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![free("store_faults::disk_full", full)]
}

const STORAGE_ERROR: i16 = 56;

/// A file system in memory. Dropping it takes it away.
struct Disk(PathBuf);

impl Disk {
    /// None where this is not allowed.
    fn mount(name: &str, size: &str) -> Option<Disk> {
        let dir = scratch::dir(name);
        let at = dir.display().to_string();
        match run(&["mount", "-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "tmpfs", &at]) {
            Ok(_) => Some(Disk(dir)),
            Err(why) => {
                progress(format!(
                    "SKIPPED: no small disk can be mounted here (that takes root), so none was filled: {why}"
                ));
                None
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run(&["umount", "-l", &self.0.display().to_string()]);
    }
}

/// Fills the disk to its last byte.
fn fill(ballast: &Path) -> Result<u64> {
    let mut file = File::options().create(true).append(true).open(ballast).context("open the ballast")?;
    for block in [64 << 10, 4 << 10, 1] {
        while file.write_all(&vec![0xa5; block]).is_ok() {}
    }
    Ok(ballast.metadata().context("look at the ballast")?.len())
}

fn full() -> Result<()> {
    let Some(disk) = Disk::mount("small-disk", "48m") else { return Ok(()) };
    let mut random = Random::seeded("disk full");
    let (mut spec, _) = spec()?;
    let store = disk.0.join("store");
    spec.set("store.dir", &store.display().to_string());
    let (mut front, _) = start(&spec)?;
    let (mut ledger, names) = (Ledger::default(), users("user", 12));
    let mut conn = admin(&front)?;
    change(&mut ledger, &mut conn, &mut random, &names, 40)?;

    let ballast = disk.0.join("ballast");
    progress(format!("the disk is full with {} bytes that are not the store's", fill(&ballast)?));
    let (mut acknowledged, mut refused) = (0, 0);
    let begin = Instant::now();
    // The log may have had room that was set aside; what is acknowledged counts.
    while refused < 20 {
        check!(begin.elapsed() < PATIENCE, "{acknowledged} changes acknowledged on a full disk, {refused} refused");
        if fill(&ballast).is_err() {
            return Err("the ballast is gone".into());
        }
        let changes = ledger.draw(&mut random, &names);
        match ledger.send(&mut conn, changes)? {
            Answer::Done => acknowledged += 1,
            Answer::Refused(code, message) => {
                check_eq!(code, STORAGE_ERROR, "a change on a full disk: {message}");
                ledger.settle(false);
                refused += 1;
            }
            Answer::None => return Err("a change was not answered on a full disk".into()),
        }
    }
    let seen = ledger.judge(front.sasl(), &mut conn, &mut random, usize::MAX).context("while the disk is full")?;
    check_eq!(front.process.ended().map(|s| s.to_string()), None, "it has ended");

    fs::remove_file(&ballast).context("make room")?;
    let begin = Instant::now();
    wait_for("a change after there is room again", PATIENCE, || {
        let changes = ledger.draw(&mut random, &names);
        match ledger.send(&mut conn, changes)? {
            Answer::Done => Ok(()),
            other => {
                ledger.settle(false);
                std::thread::sleep(Duration::from_millis(50));
                Err(format!("{other:?}"))
            }
        }
    })?;
    let recovered = begin.elapsed();
    change(&mut ledger, &mut conn, &mut random, &names, 20)?;
    ledger.judge_all(&mut conn)?;
    ledger.judge(front.sasl(), &mut conn, &mut random, usize::MAX).context("after there was room again")?;
    front.process.stop();
    let (front, _) = start(&spec)?;
    ledger.judge_all(&mut admin(&front)?).context("after a kill and a start")?;
    ledger.judge(front.sasl(), &mut admin(&front)?, &mut random, usize::MAX)?;
    progress(format!(
        "disk full: {refused} changes refused, {acknowledged} acknowledged and kept, {} logins right meanwhile, changes again {recovered:?} \
         after there was room",
        seen.logins
    ));
    Ok(())
}
