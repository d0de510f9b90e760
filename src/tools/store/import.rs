//! `doorkeeper store import`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use super::lines::Entry;
use super::plan::{Counts, OnConflict, plan};
use super::{Failure, Place, count, sources};
use crate::scram::{ScramCredential, ScramMechanism};
use crate::store::{Change, Store, StoreError, View};

/// Most credentials that are brought in by one edit, all or none whatever happens. More are looked at as a whole before the first is
/// written; who is interrupted then imports the same once more.
const EDIT: usize = 50_000;

/// What to import, and how.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    source: Source,
    /// Leave credentials that are there as they are. Without this or --replace, one that differs refuses the import
    #[arg(long, conflicts_with = "replace")]
    skip_existing: bool,
    /// Replace credentials that are there
    #[arg(long)]
    replace: bool,
    /// Only tell what would be done; also while a server has the store open
    #[arg(long)]
    dry_run: bool,
}

/// Where from.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// What `doorkeeper store export` has written; - is standard input
    file: Option<PathBuf>,
    /// The users of a Kafka cluster: a broker's or controller's metadata.log.dir (or log.dirs), its directory __cluster_metadata-0, or
    /// a .checkpoint file in it
    #[arg(long, value_name = "DIR|SNAPSHOT")]
    kafka_metadata: Option<PathBuf>,
}

impl Arguments {
    fn on_conflict(&self) -> OnConflict {
        match (self.skip_existing, self.replace) {
            (_, true) => OnConflict::Replace,
            (true, false) => OnConflict::Skip,
            (false, false) => OnConflict::Refuse,
        }
    }
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let directory = arguments.place.directory()?;
    let entries = read(&arguments.source)?;
    let counts = if arguments.dry_run {
        let existing = existing(&directory)?;
        let (_, counts) = plan(&entries, arguments.on_conflict(), &existing)?;
        refuse_conflicts(&counts)?;
        counts
    } else {
        write(&directory, entries, arguments.on_conflict())?
    };
    let (all, words) = (count(counts.all(), "credential"), counts.in_words());
    let line = if arguments.dry_run {
        format!("{}: {all} read, it would be {words}. Nothing was changed", directory.display())
    } else {
        format!("{}: {all} read: {words}", directory.display())
    };
    writeln!(out, "{line}").map_err(Failure::output)
}

fn read(source: &Source) -> Result<Vec<Entry>, Failure> {
    if let Some(path) = &source.kafka_metadata {
        let (entries, notes) = sources::from_kafka(path)?;
        for note in notes {
            eprintln!("{note}");
        }
        return Ok(entries);
    }
    let file = source.file.as_deref().unwrap_or(Path::new("-"));
    if file == Path::new("-") {
        return sources::from_lines("standard input", io::stdin().lock(), |_| {});
    }
    let name = file.display().to_string();
    let at_file = |error: io::Error| Failure::Failed(format!("{name}: {error}"));
    let opened = File::open(file).map_err(at_file)?;
    let bar = bar(opened.metadata().map_err(at_file)?.len(), "{bar:40} {binary_bytes} of {binary_total_bytes} read");
    let entries = sources::from_lines(&name, BufReader::new(opened), |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    entries
}

fn write(directory: &Path, entries: Vec<Entry>, on_conflict: OnConflict) -> Result<Counts, Failure> {
    let store = Store::open(directory)?;
    let written = write_to(&store, entries, on_conflict);
    // RocksDB must not be in use when the process ends.
    store.close_blocking();
    written
}

fn write_to(store: &Store, entries: Vec<Entry>, on_conflict: OnConflict) -> Result<Counts, Failure> {
    if entries.len() <= EDIT {
        let counts = store.edit_blocking(move |view| plan(&entries, on_conflict, view))?;
        refuse_conflicts(&counts)?;
        return Ok(counts);
    }
    // Nobody else can change the store meanwhile: what is planned now holds for the edits.
    let entries = Arc::new(entries);
    let looked_at = entries.clone();
    let counts = store.edit_blocking(move |view| Ok((Vec::new(), plan(&looked_at, on_conflict, view)?.1)))?;
    refuse_conflicts(&counts)?;
    let bar = bar(entries.len() as u64, "{bar:40} {human_pos} of {human_len} written");
    for from in (0..entries.len()).step_by(EDIT) {
        let part = entries.clone();
        let to = entries.len().min(from + EDIT);
        let edit = store.edit_blocking(move |view| Ok((plan(&part[from..to], on_conflict, view)?.0, ())));
        edit.map_err(|error| match from {
            0 => Failure::from(error),
            _ => Failure::Failed(format!(
                "{error}. {from} of {} credentials are in the store; import the same once more",
                entries.len()
            )),
        })?;
        bar.inc((to - from) as u64);
    }
    bar.finish_and_clear();
    Ok(counts)
}

fn refuse_conflicts(counts: &Counts) -> Result<(), Failure> {
    if counts.conflicts.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{} there already and different: {}. Nothing was changed; choose --skip-existing or --replace",
        match counts.conflicts.len() {
            1 => "1 credential is".into(),
            conflicts => format!("{conflicts} credentials are"),
        },
        counts.conflicts_in_words()
    )))
}

/// What a store holds that may be in use.
struct Existing(HashMap<(String, ScramMechanism), ScramCredential>);

impl View for Existing {
    fn scram(&self, user: &str, mechanism: ScramMechanism) -> Result<Option<ScramCredential>, StoreError> {
        Ok(self.0.get(&(user.to_owned(), mechanism)).cloned())
    }
}

fn existing(directory: &Path) -> Result<Existing, Failure> {
    let mut existing = HashMap::new();
    // An import makes a store where there is none.
    let nothing_there = match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if !nothing_there {
        Store::for_each(directory, |change| {
            if let Change::SetScram { user, mechanism, credential } = change {
                existing.insert((user, mechanism), credential);
            }
            Ok::<_, Failure>(())
        })??;
    }
    Ok(Existing(existing))
}

/// Shown on a terminal, and only if there is much to do.
fn bar(length: u64, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() || length <= EDIT as u64 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}
