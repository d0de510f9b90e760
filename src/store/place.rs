//! The directory of a store: what may stand in it, whose it is, and who has it open.
//!
//! ```text
//! store.dir/          0700
//!   LOCK              held by the process that has the store open; its pid
//!   current/          the store
//!     FORMAT          version of the format, as text
//!     ACKNOWLEDGED    what the store held when a change was last acknowledged
//!     rocksdb/        the records
//!   new/              a store that is being made; becomes `current` by a rename
//!   replaced-1/ ...   stores that a restore has put aside
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::Mode;

use super::{OpenError, acknowledged};

const LOCK: &str = "LOCK";
const CURRENT: &str = "current";
const NEW: &str = "new";
const REPLACED: &str = "replaced-";
const FORMAT: &str = "FORMAT";
const ROCKSDB: &str = "rocksdb";
/// How long an opening waits for another process to let go: a tool looks at a store for a moment.
const LOCK_PATIENCE: Duration = Duration::from_millis(400);
/// Longest `FORMAT` file that is read.
const MAX_FORMAT_LEN: u64 = 64;

/// A directory with a store, or for one.
#[derive(Clone, Debug)]
pub(super) struct Place(PathBuf);

/// Held as long as the store is open. The kernel lets go of it when the process ends, however it ends.
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

/// The directory of one store: `current`, or one that is being made.
#[derive(Clone, Debug)]
pub(super) struct Home(PathBuf);

impl Home {
    pub(super) fn rocksdb(&self) -> PathBuf {
        self.0.join(ROCKSDB)
    }

    pub(super) fn acknowledged(&self) -> PathBuf {
        self.0.join(acknowledged::FILE)
    }

    /// Writes the version of the format, as a whole or not at all.
    pub(super) fn write_format(&self, format: u32) -> io::Result<()> {
        let partial = self.0.join("FORMAT.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(format!("{format}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(partial, self.0.join(FORMAT))?;
        sync_directory(&self.0)
    }

    /// The version of the format; nothing if the file holds none.
    pub(super) fn read_format(&self) -> io::Result<Option<u32>> {
        let mut text = Vec::new();
        File::open(self.0.join(FORMAT))?.take(MAX_FORMAT_LEN).read_to_end(&mut text)?;
        let text = std::str::from_utf8(&text).ok().and_then(|text| text.strip_suffix('\n'));
        Ok(text.filter(|text| text.bytes().all(|b| b.is_ascii_digit())).and_then(|text| text.parse().ok()))
    }

    /// Bytes that may still be written to its file system by who is no administrator.
    pub(super) fn room(&self) -> io::Result<u64> {
        let found = rustix::fs::statvfs(&self.0)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Its files and directories are on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_directory(&self.rocksdb())?;
        sync_directory(&self.0)
    }
}

impl Place {
    pub(super) fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// An error about this directory.
    pub(super) fn error(&self, text: impl std::fmt::Display) -> OpenError {
        OpenError(format!("store.dir {}: {text}", self.0.display()), false)
    }

    /// An error that says that the store in this directory is damaged.
    pub(super) fn damage(&self, text: impl std::fmt::Display) -> OpenError {
        OpenError(self.error(text).0, true)
    }

    /// An error of the file system.
    pub(super) fn io(&self, what: &str) -> impl Fn(io::Error) -> OpenError {
        move |error| self.error(format_args!("{what}: {error}"))
    }

    pub(super) fn current(&self) -> Home {
        Home(self.0.join(CURRENT))
    }

    /// Whether there is a store. A directory that is missing or empty has none; one with something else in it is refused, and so is one that
    /// others may look into.
    pub(super) fn look(&self) -> Result<bool, OpenError> {
        match self.contents()? {
            (false, Some(put_aside)) => Err(self.error(format_args!(
                "there is no store, but an earlier one in {put_aside}: a restore was not finished. Run `doorkeeper store restore` again, or \
                 rename {put_aside} to {CURRENT}"
            ))),
            (found, _) => Ok(found),
        }
    }

    /// As [`Place::look`], for who brings back a backup: an earlier attempt may have been stopped.
    pub(super) fn look_for_restore(&self) -> Result<bool, OpenError> {
        Ok(self.contents()?.0)
    }

    /// Whether there is a store, and the name of one that was put aside.
    fn contents(&self) -> Result<(bool, Option<String>), OpenError> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((false, None)),
            other => other.map_err(self.io("cannot be read"))?,
        };
        let (mut found, mut put_aside) = (false, None);
        for entry in entries {
            let name = entry.map_err(self.io("cannot be read"))?.file_name();
            match name.to_string_lossy().as_ref() {
                LOCK | NEW => {}
                CURRENT => found = true,
                name if name.starts_with(REPLACED) => put_aside = Some(name.to_owned()),
                foreign => {
                    return Err(self.error(format_args!(
                        "this is no store: {foreign} is in it, which doorkeeper has not made. Name a directory of its own; it is made if \
                         it is missing"
                    )));
                }
            }
        }
        self.check_owner_and_mode()?;
        Ok((found, put_aside))
    }

    fn check_owner_and_mode(&self) -> Result<(), OpenError> {
        let (mut directories, mut files) = (vec![self.0.clone()], Vec::new());
        while let Some(directory) = directories.pop() {
            self.check_one(&directory, "0700")?;
            for entry in fs::read_dir(&directory).map_err(self.io("cannot be read"))? {
                let entry = entry.map_err(self.io("cannot be read"))?;
                let is_directory = entry.file_type().map_err(self.io("cannot be read"))?.is_dir();
                if is_directory { directories.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        files.iter().try_for_each(|file| self.check_one(file, "0600"))
    }

    fn check_one(&self, path: &Path, wanted: &str) -> Result<(), OpenError> {
        let found = match fs::symlink_metadata(path).or_else(|_| fs::metadata(path)) {
            // RocksDB of the server that has it open has removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // The directory itself may be a link; what is in it may not.
            Ok(found) if found.is_symlink() && path == self.0 => fs::metadata(path),
            other => other,
        };
        let found = found.map_err(self.io("cannot be read"))?;
        let me = rustix::process::geteuid().as_raw();
        if found.is_symlink() {
            return Err(self.error(format_args!("{} is a symbolic link; a store has none in it", path.display())));
        }
        if found.uid() != me {
            return Err(self.error(format_args!(
                "{} belongs to the user with id {}, and this process runs as {me}. Run it as the owner, or type: chown -R {me} {}",
                path.display(),
                found.uid(),
                self.0.display()
            )));
        }
        let mode = found.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(self.error(format_args!(
                "others than its owner may use {} (mode {mode:04o}). Type: chmod {wanted} {}",
                path.display(),
                path.display()
            )));
        }
        Ok(())
    }

    /// Makes the directory if it is missing, and takes the lock. From here on this process makes files that only their owner can use:
    /// RocksDB leaves the modes of its files to the process's umask.
    pub(super) fn lock(&self) -> Result<Lock, OpenError> {
        only_for_the_owner();
        match DirBuilder::new().mode(0o700).create(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(self.io("cannot be made")(error));
            }
            Err(_) => {}
            Ok(()) => {
                let parent = self.0.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                sync_directory(parent).map_err(self.io("cannot be made"))?;
            }
        }
        let path = self.0.join(LOCK);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let mut file = opened.map_err(self.io("LOCK cannot be opened"))?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(self.io("LOCK cannot be taken")(error)),
                Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    let mut pid = String::new();
                    let _ = (&file).take(16).read_to_string(&mut pid);
                    let pid = pid.trim();
                    let who = if pid.is_empty() { String::new() } else { format!(" (pid {pid})") };
                    return Err(
                        self.error(format_args!("is in use by another process{who}; one store serves one process"))
                    );
                }
            }
        }
        // For people. A disk without room is no reason to stop.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Lock(file))
    }

    /// Whether some process has the store open. Nothing is made or changed.
    pub(super) fn is_in_use(&self) -> bool {
        let Ok(file) = File::open(self.0.join(LOCK)) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// The place for a store that is being made. What an earlier attempt has left there is removed.
    pub(super) fn start_new(&self) -> Result<Home, OpenError> {
        let new = self.0.join(NEW);
        match fs::remove_dir_all(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.io("new cannot be removed")(error));
            }
            _ => {}
        }
        let made = DirBuilder::new().mode(0o700).create(&new);
        made.map_err(self.io("new cannot be made"))?;
        Ok(Home(new))
    }

    /// Puts the store that stands there aside, if there is one, and the new one in its place. Gives where the former lies now.
    pub(super) fn finish_new(&self) -> Result<Option<PathBuf>, OpenError> {
        let failed = self.io("the new store cannot be put in its place");
        set_modes(&self.0.join(NEW)).map_err(&failed)?;
        let current = self.0.join(CURRENT);
        let mut replaced = None;
        if fs::exists(&current).map_err(&failed)? {
            let free = (1..u32::MAX).map(|n| self.0.join(format!("{REPLACED}{n}")));
            let aside = free.into_iter().find(|path| !path.exists()).unwrap_or_else(|| self.0.join(REPLACED));
            fs::rename(&current, &aside).map_err(&failed)?;
            replaced = Some(aside);
        }
        fs::rename(self.0.join(NEW), &current).map_err(&failed)?;
        sync_directory(&self.0).map_err(&failed)?;
        Ok(replaced)
    }
}

/// New files of this process are only for its owner.
pub(super) fn only_for_the_owner() {
    rustix::process::umask(Mode::from_raw_mode(0o077));
}

fn set_modes(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            set_modes(&entry.path())?;
        } else {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
