//! Files that are looked at again and again: whether they have changed, and whether whoever writes them has finished.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use aws_lc_rs::digest::{Context, Digest, SHA256};

/// After so many looks in a row that each saw another state, it is taken as it is: someone writes all the time.
const MOST_UNSETTLED: u32 = 5;

/// Files that belong together, such as a key store and a trust store.
///
/// A change counts once two looks in a row have seen the same: files that are written one after the other, or slowly, are not
/// read half-way.
#[derive(Debug)]
pub(super) struct Files {
    paths: Vec<PathBuf>,
    /// What is known: nothing is to be done while it stays like this.
    known: State,
    known_content: Option<Content>,
    /// What the last look saw, if that was something else, and how many looks have.
    unsettled: Option<(State, u32)>,
}

/// The identity of each file behind its path, links followed: a link that is set to another file is a change, as in a volume of
/// Kubernetes. `None` where there is none.
type State = Vec<Option<Identity>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

type Content = Vec<u8>;

impl Files {
    /// Their state now is the known one. Read them after this, not before, or a change in between would be missed.
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let known = state(&paths);
        let known_content = content(&paths);
        Self { paths, known, known_content, unsettled: None }
    }

    /// Whether they have settled to a content that is not the known one. It is the known one from then on, whether it turns out
    /// to be good or not. Reads files.
    pub(super) fn have_changed(&mut self) -> bool {
        let now = state(&self.paths);
        if now == self.known {
            self.unsettled = None;
            return false;
        }
        let looks = match &self.unsettled {
            Some((before, _)) if *before == now => MOST_UNSETTLED,
            Some((_, looks)) => looks + 1,
            None => 1,
        };
        if looks < MOST_UNSETTLED {
            self.unsettled = Some((now, looks));
            return false;
        }
        self.unsettled = None;
        self.known = now;
        let content = content(&self.paths);
        // Touched, or replaced by a copy: nothing to tell.
        let is_new = content.is_none() || content != self.known_content;
        self.known_content = content;
        is_new
    }
}

fn state(paths: &[PathBuf]) -> State {
    let identity = |path: &PathBuf| {
        let data = fs::metadata(path).ok()?;
        Some(Identity {
            file: (data.dev(), data.ino()),
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        })
    };
    paths.iter().map(identity).collect()
}

/// A digest over all of them; `None` if one cannot be read. The files may be private keys, so they themselves are not kept.
fn content(paths: &[PathBuf]) -> Option<Content> {
    let mut all = Context::new(&SHA256);
    for path in paths {
        let bytes = zeroize::Zeroizing::new(fs::read(path).ok()?);
        all.update(&(bytes.len() as u64).to_be_bytes());
        all.update(&bytes);
    }
    let digest: Digest = all.finish();
    Some(digest.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let name = format!("doorkeeper-files-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, content: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, content).unwrap();
            path
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn looks<const N: usize>(files: &mut Files) -> [bool; N] {
        std::array::from_fn(|_| files.have_changed())
    }

    #[test]
    fn a_change_counts_once_when_two_looks_have_seen_it() {
        let directory = Directory::new();
        let mut files = Files::new(vec![directory.write("a", "one"), directory.write("b", "one")]);
        assert_eq!(looks(&mut files), [false, false]);
        directory.write("a", "two");
        assert_eq!(looks(&mut files), [false, true, false]);
    }

    #[test]
    fn what_is_written_in_pieces_is_not_read_half_way() {
        let directory = Directory::new();
        let mut files = Files::new(vec![directory.write("a", "one"), directory.write("b", "one")]);
        directory.write("a", "tw");
        assert!(!files.have_changed());
        directory.write("a", "two");
        assert!(!files.have_changed());
        directory.write("b", "two");
        assert_eq!(looks(&mut files), [false, true, false]);
    }

    #[test]
    fn somebody_who_never_stops_writing_is_read_all_the_same() {
        let directory = Directory::new();
        let mut files = Files::new(vec![directory.write("a", "")]);
        let changed = (0..10).filter(|n| {
            directory.write("a", &"x".repeat(n + 1));
            files.have_changed()
        });
        assert_eq!(changed.count(), 2);
    }

    #[test]
    fn replaced_by_a_rename_and_by_a_link() {
        let directory = Directory::new();
        let path = directory.write("a", "one");
        let mut files = Files::new(vec![path.clone()]);
        fs::rename(directory.write("new", "two"), &path).unwrap();
        assert_eq!(looks(&mut files), [false, true, false]);

        // ..data -> first, a -> ..data/a: how Kubernetes mounts secrets.
        let link = |to: &str, name: &str| {
            let new = directory.0.join("link");
            symlink(to, &new).unwrap();
            fs::rename(&new, directory.0.join(name)).unwrap();
        };
        for (name, content) in [("first", "one"), ("second", "two")] {
            fs::create_dir(directory.0.join(name)).unwrap();
            directory.write(&format!("{name}/tls.pem"), content);
        }
        link("first", "..data");
        link("..data/tls.pem", "tls.pem");
        let mut files = Files::new(vec![directory.0.join("tls.pem")]);
        assert_eq!(looks(&mut files), [false, false]);
        link("second", "..data");
        assert_eq!(looks(&mut files), [false, true, false]);
    }

    #[test]
    fn the_same_content_is_no_change_and_a_missing_file_is_one() {
        let directory = Directory::new();
        let path = directory.write("a", "one");
        let mut files = Files::new(vec![path.clone()]);
        fs::rename(directory.write("copy", "one"), &path).unwrap();
        assert_eq!(looks(&mut files), [false, false, false]);
        fs::remove_file(&path).unwrap();
        assert_eq!(looks(&mut files), [false, true, false, false]);
        directory.write("a", "one");
        assert_eq!(looks(&mut files), [false, true, false]);
        assert_eq!(looks(&mut Files::new(vec![Path::new("/nowhere/a").into()])), [false, false]);
    }
}
