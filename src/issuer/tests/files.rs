//! Keys in a file.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::issuer::{config, jwks, scratch, until};
use crate::issuer::{FileFault, KeyFault, KeySource, KeySourceError, KeySources, MAX_KEY_SET};

fn open(path: &Path) -> Result<(KeySources, Arc<KeySource>), KeySourceError> {
    let sources = KeySources::new(Handle::current());
    let source = sources.source(&config(&format!("file://{}", path.display())))?;
    Ok((sources, source))
}

/// A-46.
#[tokio::test]
async fn a_file_without_keys_is_an_error_at_the_start() {
    let dir = scratch("bad-files");
    let fault = |name: &str, content: Option<&[u8]>| {
        let path = dir.join(name);
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        match open(&path) {
            Err(KeySourceError::File(fault)) => fault,
            other => panic!("{name}: {other:?}"),
        }
    };
    assert!(matches!(fault("missing", None), KeyFault::File(FileFault::Io(_))));
    assert!(matches!(fault("empty", Some(b"")), KeyFault::File(FileFault::Empty)));
    assert!(matches!(
        fault("long", Some(&vec![b' '; MAX_KEY_SET + 1])),
        KeyFault::File(FileFault::TooLong(MAX_KEY_SET))
    ));
    assert!(matches!(fault("text", Some(b"marked-7f3a")), KeyFault::Content(_)));
    assert!(matches!(fault("none", Some(br#"{"keys":[]}"#)), KeyFault::NoUsableKey(0)));
    assert!(matches!(fault("oct", Some(br#"{"keys":[{"kty":"oct","k":"YQ"}]}"#)), KeyFault::NoUsableKey(1)));
    fs::create_dir(dir.join("directory")).unwrap();
    assert!(matches!(fault("directory", None), KeyFault::File(FileFault::NoFile)));
    let pipe = dir.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(matches!(fault("pipe", None), KeyFault::File(FileFault::NoFile)), "and nobody waits for a writer");
    for name in ["missing", "empty", "long", "text", "none"] {
        let error = open(&dir.join(name)).unwrap_err().to_string();
        assert!(!error.contains("marked"), "{error}");
    }
    let mut exact = jwks(&["a"]);
    exact.resize(MAX_KEY_SET, b' ');
    fs::write(dir.join("exact"), exact).unwrap();
    assert!(open(&dir.join("exact")).is_ok());
}

/// A change is there for the first token that names the new key, and by itself after a while; in place, by rename and behind a link.
#[tokio::test]
async fn a_changed_file_is_read_again() {
    let dir = scratch("changed");
    let path = dir.join("keys.json");
    fs::write(&path, jwks(&["a"])).unwrap();
    let (_sources, source) = open(&path).unwrap();
    source.first_fetch(Duration::from_secs(60)).await;
    assert!(source.keys().unwrap().has_kid("a"));
    // Same length, and perhaps the same time stamp.
    fs::write(&path, jwks(&["b"])).unwrap();
    assert!(asked_until_known(&source, "b").await);
    assert!(!source.keys().unwrap().has_kid("a"));
    fs::write(dir.join("next"), jwks(&["c"])).unwrap();
    fs::rename(dir.join("next"), &path).unwrap();
    assert!(asked_until_known(&source, "c").await);
    fs::write(dir.join("target"), jwks(&["d"])).unwrap();
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(dir.join("target"), &path).unwrap();
    assert!(asked_until_known(&source, "d").await);
    fs::write(&path, jwks(&["e"])).unwrap();
    until("it is noticed without a login", || source.keys().unwrap().has_kid("e")).await;
}

/// A login may come within the interval that another one has used up.
async fn asked_until_known(source: &KeySource, kid: &str) -> bool {
    for _ in 0..10 {
        if source.keys_for(Some(kid)).await.unwrap().has_kid(kid) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test]
async fn a_file_that_goes_or_breaks_leaves_the_last_good_keys() {
    let path = scratch("breaks").join("keys.json");
    fs::write(&path, jwks(&["a"])).unwrap();
    let (_sources, source) = open(&path).unwrap();
    source.first_fetch(Duration::from_secs(60)).await;
    for (n, content) in [None, Some(""), Some("{\"keys\":["), Some("{\"keys\":[]}")].into_iter().enumerate() {
        match content {
            None => fs::remove_file(&path).unwrap(),
            Some(content) => fs::write(&path, content).unwrap(),
        }
        let failed = source.status().failed;
        tokio::time::sleep(Duration::from_millis(120)).await;
        assert!(source.keys_for(Some(&format!("unknown {n}"))).await.unwrap().has_kid("a"), "{content:?}");
        assert!(source.status().failed > failed, "{content:?}");
    }
    fs::write(&path, jwks(&["b"])).unwrap();
    assert!(asked_until_known(&source, "b").await);
}

/// The flood against a file costs looks at it, a few in a second, and no reading.
#[tokio::test]
async fn unknown_ids_have_a_file_looked_at_now_and_then() {
    let path = scratch("flood").join("keys.json");
    fs::write(&path, jwks(&["a"])).unwrap();
    let an_hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().append(true).open(&path).unwrap().set_modified(an_hour_ago).unwrap();
    let (_sources, source) = open(&path).unwrap();
    source.first_fetch(Duration::from_secs(60)).await;
    let began = tokio::time::Instant::now();
    for n in 0..100_000 {
        source.keys_for(Some(&format!("made up {n}"))).await.unwrap();
        assert!(source.status().fetched == 1, "read again after {n}");
    }
    let status = source.status();
    let most = 2 + began.elapsed().as_millis() / 100;
    assert!(u128::from(status.early) <= most, "{} looks, {most} intervals", status.early);
    assert_eq!((status.fetched, status.failed), (1, 0), "it was read once");
}
