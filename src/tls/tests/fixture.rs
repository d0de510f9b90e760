//! Files made once per test process by `fixture.sh`, and settings that name them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::config::{
    BackendTlsConfig, ClientAuth, KeystoreConfig, ListenerName, ListenerTlsConfig, Located, StoreType, TlsVersions,
    TruststoreConfig,
};
use crate::secret::Secret;
use crate::tls::{ClientTls, ServerTls, TlsError};

pub(super) const STORE_PASSWORD: &str = "store-secret";
pub(super) const KEY_PASSWORD: &str = "key-secret";
pub(super) const BOTH: TlsVersions = TlsVersions { tls12: true, tls13: true };
pub(super) const TLS12: TlsVersions = TlsVersions { tls12: true, tls13: false };
pub(super) const TLS13: TlsVersions = TlsVersions { tls12: false, tls13: true };

static FILES: LazyLock<PathBuf> = LazyLock::new(|| {
    let executable = std::env::current_exe().unwrap();
    let build = executable.parent().and_then(Path::parent).unwrap();
    // What an earlier run has left.
    for entry in fs::read_dir(build).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap_or_default();
        if name.strip_prefix("tls-tests-").is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let files = build.join(format!("tls-tests-{}", std::process::id()));
    fs::create_dir(&files).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tls/tests/fixture.sh");
    let output = Command::new("sh").arg(script).arg(&files).output().unwrap();
    assert!(output.status.success(), "fixture.sh: {}", String::from_utf8_lossy(&output.stderr));
    files
});

/// The path of one of the files.
pub(super) fn file(name: &str) -> PathBuf {
    FILES.join(name)
}

pub(super) fn content(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap()
}

/// A file of this content beside the others.
pub(super) fn write(name: &str, content: impl AsRef<[u8]>) {
    fs::write(file(name), content).unwrap();
}

pub(super) fn located<T>(key: &str, value: T) -> Located<T> {
    Located { value, key: key.into(), origin: "f:1".into(), hidden: false }
}

pub(super) fn pem_file(name: &str) -> KeystoreConfig {
    pem_file_with(name, None)
}

pub(super) fn pem_file_with(name: &str, key_password: Option<&str>) -> KeystoreConfig {
    KeystoreConfig::File {
        store_type: StoreType::Pem,
        location: located("ssl.keystore.location", file(name)),
        password: None,
        key_password: key_password.map(Secret::new),
    }
}

pub(super) fn store(name: &str, password: &str) -> KeystoreConfig {
    KeystoreConfig::File {
        store_type: StoreType::Jks,
        location: located("ssl.keystore.location", file(name)),
        password: Some(Secret::new(password)),
        key_password: None,
    }
}

pub(super) fn inline(key: &str, chain: &str, key_password: Option<&str>) -> KeystoreConfig {
    KeystoreConfig::Inline {
        key: located("ssl.keystore.key", Secret::new(key)),
        certificate_chain: located("ssl.keystore.certificate.chain", Secret::new(chain)),
        key_password: key_password.map(Secret::new),
    }
}

pub(super) fn trust(name: &str) -> Option<TruststoreConfig> {
    let location = located("ssl.truststore.location", file(name));
    Some(TruststoreConfig::File { store_type: StoreType::Pem, location, password: None })
}

pub(super) fn trust_store(name: &str, password: Option<&str>) -> Option<TruststoreConfig> {
    let location = located("ssl.truststore.location", file(name));
    Some(TruststoreConfig::File { store_type: StoreType::Jks, location, password: password.map(Secret::new) })
}

pub(super) fn listener(keystore: KeystoreConfig) -> ListenerTlsConfig {
    ListenerTlsConfig {
        listener: ListenerName::new("external"),
        keystore,
        truststore: None,
        crls: Vec::new(),
        client_auth: ClientAuth::None,
        naming: crate::principal::CertificateNaming::default(),
        versions: BOTH,
        cipher_suites: None,
        allow_dn_changes: false,
        allow_san_changes: false,
    }
}

/// A listener that asks for certificates of `ca`.
pub(super) fn asking(client_auth: ClientAuth) -> ListenerTlsConfig {
    ListenerTlsConfig { truststore: trust("ca.pem"), client_auth, ..listener(pem_file("plain.pem")) }
}

pub(super) fn backend() -> BackendTlsConfig {
    BackendTlsConfig {
        keystore: None,
        truststore: trust("ca.pem"),
        crls: Vec::new(),
        verify_host_name: true,
        versions: BOTH,
        cipher_suites: None,
    }
}

/// A client with the certificate and key in this file.
pub(super) fn client_with(name: &str) -> BackendTlsConfig {
    BackendTlsConfig { keystore: Some(pem_file(name)), ..backend() }
}

pub(super) fn suites(names: &[&str]) -> Option<Located<Vec<String>>> {
    Some(located("ssl.cipher.suites", names.iter().map(|name| name.to_string()).collect()))
}

pub(super) fn server(settings: &ListenerTlsConfig) -> ServerTls {
    ServerTls::load(settings).unwrap()
}

pub(super) fn client(settings: &BackendTlsConfig) -> ClientTls {
    ClientTls::load(settings).unwrap()
}

/// The error's text with the directory of the files cut out.
pub(super) fn text(error: &TlsError) -> String {
    error.to_string().replace(&format!("{}/", FILES.display()), "")
}
