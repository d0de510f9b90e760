//! Reads credentials of a store, for a profiler to look at: what a read costs with few users and with many.
//!
//! `cargo bench --bench store_reads -- DIR USERS READS` opens the store in DIR, after making it with so many users if it is not there, and
//! reads as often the mechanisms of a user drawn at random, as a description does, a credential, as a login does, and the credential of nobody.
//! Under `valgrind --tool=callgrind` the difference between two numbers of reads is the instructions of a read.

use std::path::Path;
use std::time::Instant;

use doorkeeper::scram::{ScramCredential, ScramMechanism};
use doorkeeper::store::{Change, Store};

type Res<T> = Result<T, Box<dyn std::error::Error>>;

/// As many as a tool sends at once.
const AT_ONCE: usize = 500;

fn main() -> Res<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [directory, users, reads, what @ ..] = &args[..] else {
        // `cargo test --benches` runs it as well.
        println!("usage: store_reads DIR USERS READS [describe|login|unknown]...");
        return Ok(());
    };
    let (users, reads) = (users.parse::<usize>()?, reads.parse::<usize>()?);
    let directory = Path::new(directory);
    let is_new = !directory.exists();
    let store = Store::open(directory)?;
    if is_new {
        for first in (0..users).step_by(AT_ONCE) {
            let changes = (first..users.min(first + AT_ONCE)).map(change).collect::<Res<Vec<_>>>()?;
            store.edit_blocking(move |_| Ok((changes, ())))?;
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for (name, read) in [("describe", 0), ("login", 1), ("unknown", 2)] {
        if !what.is_empty() && !what.iter().any(|what| what == name) {
            continue;
        }
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let begin = Instant::now();
        let found = runtime.block_on(async {
            let mut found = 0;
            for _ in 0..reads {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let user = user((random % users as u64) as usize);
                found += match read {
                    0 => store.scram_of(&user).await?.len(),
                    1 => store.scram(&user, ScramMechanism::Sha256).await?.iter().len(),
                    _ => store.scram(&format!("{user}-"), ScramMechanism::Sha256).await?.iter().len(),
                };
            }
            Ok::<usize, doorkeeper::store::StoreError>(found)
        })?;
        let each = begin.elapsed().as_secs_f64() * 1e9 / reads as f64;
        println!("{name}: {reads} reads of {users} users, {found} credentials, {each:.0} ns each");
    }
    store.close_blocking();
    Ok(())
}

fn user(n: usize) -> String {
    format!("user-{n:06}")
}

fn change(n: usize) -> Res<Change> {
    let mechanism = ScramMechanism::Sha256;
    let salt = format!("salt-of-the-user-{n:09}");
    let credential = ScramCredential::from_salted_password(mechanism, user(n).as_bytes(), salt.as_bytes(), 4096)?;
    Ok(Change::SetScram { user: user(n), mechanism, credential })
}
