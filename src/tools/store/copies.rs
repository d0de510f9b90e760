//! `doorkeeper store verify`, `backup` and `restore`.

use std::io::Write;
use std::path::Path;

use super::{Failure, Place, count};
use crate::store::{Store, Summary};

fn tell(out: &mut dyn Write, line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    writeln!(out, "{line}").map_err(Failure::output)
}

fn in_words(summary: Summary) -> String {
    let Summary { format, revision, records } = summary;
    format!("{}, revision {revision}, format {format}", count(records, "credential"))
}

pub(super) fn verify(place: &Place, out: &mut dyn Write) -> Result<(), Failure> {
    let directory = place.directory()?;
    let summary = Store::verify(&directory)?;
    tell(out, format_args!("{}: good: {}", directory.display(), in_words(summary)))
}

pub(super) fn accept_loss(place: &Place, out: &mut dyn Write) -> Result<(), Failure> {
    let directory = place.directory()?;
    let done = Store::accept_loss(&directory)?;
    tell(out, format_args!("{}: a new store of what could be read: {}", directory.display(), in_words(done.now)))?;
    let had = match (done.acknowledged_records, done.acknowledged_revision) {
        (Some(records), Some(revision)) => format!("held {} at revision {revision}", count(records, "credential")),
        _ => "cannot tell any more what it held".into(),
    };
    tell(out, format_args!("The damaged store {had}; it lies in {}", done.replaced.display()))?;
    warn_of_revived("lately");
    Ok(())
}

pub(super) fn backup(place: &Place, target: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let directory = place.directory()?;
    let summary = Store::backup(&directory, target)?;
    tell(out, format_args!("{}: a backup of {}: {}", target.display(), directory.display(), in_words(summary)))
}

pub(super) fn restore(place: &Place, backup: &Path, replace: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let directory = place.directory()?;
    let done = Store::restore(backup, &directory, replace)?;
    tell(out, format_args!("{}: restored from {}: {}", directory.display(), backup.display(), in_words(done.now)))?;
    if let Some(replaced) = &done.replaced {
        tell(out, format_args!("The store that was there lies in {}", replaced.display()))?;
    }
    match (done.may_revive_credentials, &done.replaced) {
        (true, _) => warn_of_revived("after this backup was made"),
        // Nothing is left to compare with.
        (false, None) => eprintln!(
            "note: revocations may be lost: what was removed or changed after this backup was made, if anything, is as it was before"
        ),
        (false, Some(_)) => {}
    }
    Ok(())
}

fn warn_of_revived(when: &str) {
    eprintln!(
        "warning: revocations may be lost: credentials that were removed or changed {when} may be valid again, with their old passwords. \
         Look through them: doorkeeper store export"
    );
}
