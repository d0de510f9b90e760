//! A power cut: what was written and not synced is gone.
//!
//! A child's system calls are recorded by strace, with all bytes. They are replayed on a model of a disk that keeps of a file what was there at
//! its last sync, and of a directory the names that were there at its own. The disk is then looked at as it was at many moments, each
//! together with what the child had acknowledged by then.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use super::child::{WRITERS, after, pair};
use super::*;

/// A disk that forgets what was not synced. Files are numbered: names come and go.
#[derive(Default)]
struct Disk {
    /// Bytes as the program sees them, and as they were synced.
    files: Vec<(Vec<u8>, Vec<u8>)>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    /// What each thread is waiting for: a sync of this file or directory, and the bytes at its beginning.
    syncing: HashMap<String, (PathBuf, Vec<u8>)>,
    /// For each writer its last change that was begun and that was acknowledged.
    told: BTreeMap<u32, (u32, Option<u32>)>,
}

/// The bytes of `\x61\x62...`.
fn bytes_of(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|byte| u8::from_str_radix(&byte[..2], 16).unwrap()).collect()
}

fn path_of(text: &str) -> PathBuf {
    PathBuf::from(String::from_utf8(bytes_of(text)).unwrap())
}

/// What stands between two marks, and what comes after them.
fn between<'a>(text: &'a str, open: &str, close: &str) -> (&'a str, &'a str) {
    let (_, rest) = text.split_once(open).unwrap();
    rest.split_once(close).unwrap()
}

impl Disk {
    /// As it is before the program starts.
    fn of(directory: &Path) -> Self {
        let mut this = Self::default();
        for (name, bytes) in snapshot(directory) {
            this.names.insert(directory.join(name), this.files.len());
            this.files.push((bytes.clone(), bytes));
        }
        this.synced_names = this.names.clone();
        this
    }

    /// One line of the record: a call, its beginning or its end.
    fn replay(&mut self, line: &str, home: &Path) {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if call.starts_with("<...") {
            if call.contains("sync resumed") && call.ends_with("= 0") {
                self.synced(thread);
            }
        } else if let Some(call) = call.strip_prefix("write(1<") {
            self.hear(&String::from_utf8(bytes_of(between(call, "\"", "\"").0)).unwrap());
        } else if let Some((name, arguments)) = call.split_once('(') {
            assert!(!call.contains("\"..."), "strace has cut the bytes short");
            self.call(name, arguments, home);
            if name.ends_with("sync") {
                let path = path_of(between(arguments, "<", ">").0);
                let bytes = self.names.get(&path).map(|file| self.files[*file].0.clone()).unwrap_or_default();
                self.syncing.insert(thread.to_owned(), (path, bytes));
                if arguments.ends_with("= 0") {
                    self.synced(thread);
                }
            }
        }
    }

    fn call(&mut self, name: &str, arguments: &str, home: &Path) {
        match name {
            "openat" if arguments.contains("O_CREAT") => {
                let path = path_of(between(arguments, "\"", "\"").0);
                if path.starts_with(home) && (!self.names.contains_key(&path) || arguments.contains("O_TRUNC")) {
                    self.names.insert(path, self.files.len());
                    self.files.push(Default::default());
                }
            }
            "write" | "pwrite64" | "ftruncate" => {
                let (path, rest) = between(arguments, "<", ">");
                let Some(file) = self.names.get(&path_of(path)) else { return };
                let bytes = &mut self.files[*file].0;
                let number = |text: &str| text.split([',', ')', ' ']).find_map(|word| word.parse::<usize>().ok());
                if name == "ftruncate" {
                    bytes.resize(number(rest).unwrap(), 0);
                    return;
                }
                let (data, rest) = between(rest, "\"", "\"");
                let data = bytes_of(data);
                // `, length, offset)` or `, length)`: files that are not written at an offset are written from beginning to end.
                let offset = (name == "pwrite64").then(|| number(rest.splitn(3, ',').nth(2).unwrap()).unwrap());
                let offset = offset.unwrap_or(bytes.len());
                bytes.resize(bytes.len().max(offset + data.len()), 0);
                bytes[offset..offset + data.len()].copy_from_slice(&data);
            }
            "rename" | "unlink" => {
                let (from, rest) = between(arguments, "\"", "\"");
                let file = self.names.remove(&path_of(from));
                if name == "rename" {
                    self.names.extend(file.map(|file| (path_of(between(rest, "\"", "\"").0), file)));
                }
            }
            _ => {}
        }
    }

    fn synced(&mut self, thread: &str) {
        let (path, bytes) = self.syncing.remove(thread).unwrap();
        match self.names.get(&path) {
            Some(file) => self.files[*file].1 = bytes,
            // A directory: its own names, not those further down.
            None => {
                self.synced_names.retain(|name, _| name.parent() != Some(&path));
                let now = self.names.iter().filter(|(name, _)| name.parent() == Some(&path));
                self.synced_names.extend(now.map(|(name, file)| (name.clone(), *file)));
            }
        }
    }

    fn hear(&mut self, line: &str) {
        let words: Vec<_> = line.trim_end().split(' ').collect();
        let [what, writer, n] = words[..] else { return };
        let (Ok(writer), Ok(n)) = (writer.parse(), n.parse()) else { return };
        let of = self.told.entry(writer).or_default();
        if what == "begun" { of.0 = n } else { of.1 = Some(n) }
    }

    /// Writes what is left after a power cut.
    fn leave(&self, home: &Path, to: &Path) {
        for (name, file) in &self.synced_names {
            let path = to.join(name.strip_prefix(home).unwrap());
            fs::DirBuilder::new().mode(0o700).recursive(true).create(path.parent().unwrap()).unwrap();
            fs::write(&path, &self.files[*file].1).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

#[test]
fn what_was_acknowledged_outlives_a_power_cut() {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("not tried: there is no strace");
        return;
    }
    let scratch = Scratch::new();
    let store = Store::open(&scratch.store()).unwrap();
    edit(&store, (0..50).map(|n| set(&format!("user-{n}"), 4096)).collect()).unwrap();
    store.close_blocking();
    let mut disk = Disk::of(&scratch.store());
    let trace = scratch.path().join("trace").display().to_string();
    let calls = "trace=openat,write,pwrite64,writev,pwritev,fdatasync,fsync,sync,rename,renameat,renameat2,unlink,unlinkat,ftruncate";
    let program = ["strace", "-f", "-y", "-xx", "-s", "1048576", "-o", &trace, "-e", calls];
    let said = Child::start_under(&program, "brief storm", &scratch.store()).finish();
    assert!(said.iter().any(|line| line == "ended"), "{said:?}");
    let trace = fs::read_to_string(&trace).unwrap();
    let lines: Vec<_> = trace.lines().collect();
    for other in ["writev(", "pwritev(", "renameat(", "renameat2(", "unlinkat("] {
        assert!(!trace.contains(other), "a call that the model does not know: {other}");
    }
    let (mut cuts, mut unsynced) = (0, 0);
    for (n, line) in lines.iter().enumerate() {
        disk.replay(line, &scratch.store());
        if n % (lines.len() / 100) != 0 {
            continue;
        }
        let left = Scratch::new();
        disk.leave(&scratch.store(), &left.store());
        unsynced += usize::from(disk.names.values().any(|file| disk.files[*file].0 != disk.files[*file].1));
        let store = Store::open(&left.store()).unwrap_or_else(|refusal| panic!("line {n}, {line:.80}: {refusal}"));
        for writer in 0..WRITERS {
            let found = pair(writer).map(|user| iterations(&store, &user));
            assert_eq!(found[0], found[1], "line {n}: half a change");
            let (begun, done) = disk.told.get(&writer).copied().unwrap_or_default();
            let is_right = found[0] == after(begun) || found[0] == done.and_then(after);
            assert!(is_right, "line {n}, writer {writer}: {found:?}, acknowledged {done:?}, begun {begun}");
        }
        assert_eq!(iterations(&store, "user-7"), Some(4096));
        store.close_blocking();
        cuts += 1;
    }
    println!("{cuts} power cuts in {} calls; in {unsynced} of them something was not on the disk yet", lines.len());
    assert!(cuts >= 100 && unsynced > 20, "{cuts} {unsynced}");
}
