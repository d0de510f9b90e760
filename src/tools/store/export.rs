//! `doorkeeper store export`.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::lines::{self, Entry};
use super::{Failure, Place, count};
use crate::store::{Change, Store, Summary};

/// Writes all credentials to a new file, or to `out`. Nothing is written unless all can be read.
pub(super) fn run(place: &Place, output: Option<&Path>, out: &mut dyn Write) -> Result<(), Failure> {
    let directory = place.directory()?;
    let (summary, lines) = collect(&directory)?;
    let header = lines::header(summary.revision, summary.records);
    let Some(file) = output else {
        warn_on_a_terminal();
        return out.write_all(header.as_bytes()).and_then(|()| out.write_all(&lines)).map_err(Failure::output);
    };
    let at_file = |error: io::Error| Failure::Failed(format!("{}: {error}", file.display()));
    let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(at_file)?;
    let done = written.write_all(header.as_bytes()).and_then(|()| written.write_all(&lines));
    if let Err(error) = done.and_then(|()| written.sync_all()) {
        // Half an export is of no use to anyone, and as secret as a whole one.
        let _ = std::fs::remove_file(file);
        return Err(at_file(error));
    }
    warn_on_a_terminal();
    let told = format!("{}: {}, revision {}", file.display(), count(summary.records, "credential"), summary.revision);
    writeln!(out, "{told}").map_err(Failure::output)
}

fn collect(directory: &Path) -> Result<(Summary, Zeroizing<Vec<u8>>), Failure> {
    let mut lines = Zeroizing::new(Vec::new());
    let summary = Store::for_each(directory, |change| {
        if let Change::SetScram { user, mechanism, credential } = change {
            lines.extend_from_slice(Entry { user, mechanism, credential }.line().as_bytes());
        }
        Ok::<_, Failure>(())
    })??;
    Ok((summary, lines))
}

fn warn_on_a_terminal() {
    if io::stderr().is_terminal() {
        eprintln!(
            "These lines are verifiers: whoever reads them can try passwords against them without limit, and pretend to be this server. \
             Keep them as you keep passwords."
        );
    }
}
