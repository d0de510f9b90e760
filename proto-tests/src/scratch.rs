//! Where a run keeps its files, and where tools that are fetched once live.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

static RUN: OnceLock<PathBuf> = OnceLock::new();

/// Makes the directory of this run under cargo's own scratch directory and clears those of dead runs.
pub fn begin(cargo_tmp: &Path) {
    let all = cargo_tmp.join("proto-tests");
    for old in fs::read_dir(&all).into_iter().flatten().flatten() {
        let alive = old.file_name().to_str().is_some_and(|pid| Path::new("/proc").join(pid).exists());
        if !alive {
            let _ = fs::remove_dir_all(old.path());
        }
    }
    let mine = all.join(std::process::id().to_string());
    fs::create_dir_all(&mine).expect("cargo's scratch directory takes a directory");
    RUN.set(mine).expect("begin is called once");
}

/// The directory of this run.
pub fn run_dir() -> &'static Path {
    RUN.get().expect("scratch::begin has been called")
}

/// A directory of this run with that name.
pub fn dir(name: &str) -> PathBuf {
    let dir = run_dir().join(name);
    fs::create_dir_all(&dir).expect("the run's directory takes a directory");
    dir
}

/// Forgets this run's files.
pub fn end() {
    let _ = fs::remove_dir_all(run_dir());
}

/// Where things that are fetched or built once are kept, outside the checkout.
pub fn cache() -> PathBuf {
    let env = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    env("DOORKEEPER_CACHE").unwrap_or_else(|| {
        env("XDG_CACHE_HOME")
            .or_else(|| env("HOME").map(|home| home.join(".cache")))
            .expect("HOME is set")
            .join("doorkeeper")
    })
}

/// The root of the checkout.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("proto-tests lies in the checkout").to_path_buf()
}
