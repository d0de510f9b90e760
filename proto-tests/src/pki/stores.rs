//! Keystores and truststores in the forms that Kafka reads, in files of this run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Leaf, der};
use crate::{Context, Result, process, scratch};

/// The password of every store.
pub const PASSWORD: &str = "store-secret";
/// The password of a key that has one of its own.
pub const KEY_PASSWORD: &str = "key-secret";

/// A file of this run with that text.
pub fn file(name: &str, text: &str) -> Result<PathBuf> {
    let path = scratch::dir("pki").join(name);
    fs::write(&path, text).context(format!("write {name}"))?;
    Ok(path)
}

/// Key and chain in one PEM file.
pub fn pem(leaf: &Leaf, name: &str) -> Result<PathBuf> {
    file(&format!("{name}.pem"), &pem_text(leaf)?)
}

pub fn pem_text(leaf: &Leaf) -> Result<String> {
    Ok(format!("{}{}", leaf.key_pem()?, leaf.chain_pem()))
}

/// A PEM text as the value of a key in a .properties file: on one line.
pub fn inline(pem: &str) -> String {
    pem.trim_end().replace('\n', "\\n")
}

/// The key as encrypted PKCS#8 (PBES2, AES-256), under [`KEY_PASSWORD`].
pub fn encrypted_key(leaf: &Leaf) -> Result<String> {
    let mut command = process::command("openssl");
    command.args(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout"]).arg(format!("pass:{KEY_PASSWORD}"));
    run("openssl pkcs8", command, &leaf.key_pem()?)
}

/// PKCS#12 by OpenSSL, under [`PASSWORD`].
pub fn pkcs12(leaf: &Leaf, name: &str) -> Result<PathBuf> {
    let source = pem(leaf, &format!("{name}-for-p12"))?;
    let path = scratch::dir("pki").join(format!("{name}.p12"));
    let mut command = process::command("openssl");
    command.args(["pkcs12", "-export", "-name", "key", "-in"]).arg(&source).arg("-out").arg(&path);
    command.arg("-passout").arg(format!("pass:{PASSWORD}"));
    run("openssl pkcs12", command, "")?;
    Ok(path)
}

/// JKS by keytool, under [`PASSWORD`]; the key under [`KEY_PASSWORD`].
pub fn jks(leaf: &Leaf, name: &str) -> Result<PathBuf> {
    let source = pkcs12(leaf, &format!("{name}-for-jks"))?;
    let path = scratch::dir("pki").join(format!("{name}.jks"));
    let _ = fs::remove_file(&path);
    let mut command = process::command("keytool");
    command.args(["-importkeystore", "-noprompt", "-srcstoretype", "PKCS12", "-srcalias", "key", "-srckeystore"]);
    command.arg(&source).args(["-srcstorepass", PASSWORD, "-deststoretype", "JKS", "-destkeystore"]).arg(&path);
    command.args(["-deststorepass", PASSWORD, "-destkeypass", KEY_PASSWORD]);
    run("keytool", command, "")?;
    Ok(path)
}

/// A truststore of type JKS or PKCS12 by keytool, under [`PASSWORD`].
pub fn trust(certificate: &[u8], kind: &str, name: &str) -> Result<PathBuf> {
    let source = file(&format!("{name}-for-trust.pem"), &der::pem("CERTIFICATE", certificate))?;
    let path = scratch::dir("pki").join(format!("{name}.trust.{}", kind.to_lowercase()));
    let _ = fs::remove_file(&path);
    let mut command = process::command("keytool");
    command.args(["-importcert", "-noprompt", "-alias", "ca", "-storetype", kind, "-storepass", PASSWORD, "-file"]);
    command.arg(&source).arg("-keystore").arg(&path);
    run("keytool", command, "")?;
    Ok(path)
}

fn run(name: &str, command: std::process::Command, input: &str) -> Result<String> {
    process::run(name, command, input, Duration::from_secs(60))?.ok().context(name)
}

/// The text of a path: all of this run's are plain.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("the scratch directory's name is plain text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki;

    /// OpenSSL and Java read what this module writes.
    #[test]
    fn others_read_them() {
        scratch::begin(&std::env::temp_dir());
        let pki = pki::get().expect("authorities");
        let root = file("root.pem", &pki.ca.pem()).expect("a file");
        for (name, key) in [("ec", pki::Key::ec()), ("rsa", pki::Key::rsa())] {
            let wish = pki::Wish::server(pki::name::Name::parse("CN=x,O=y"), &["127.0.0.1", "localhost"]);
            let leaf = pki.ca.leaf(&wish, key.expect("a key")).expect("a leaf");
            let chain = file(&format!("{name}-chain.pem"), &leaf.chain_pem()).expect("a file");
            let mut verify = process::command("openssl");
            verify.args(["verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "127.0.0.1", "-CAfile"]);
            run(
                "openssl verify",
                {
                    verify.arg(&root).arg(&chain);
                    verify
                },
                "",
            )
            .expect("openssl verifies it");
            jks(&leaf, name).expect("a keystore");
            assert!(encrypted_key(&leaf).expect("an encrypted key").contains("ENCRYPTED PRIVATE KEY"));
        }
        trust(pki.ca.certificate(), "JKS", "ca").expect("a truststore");
        let list = file("list.pem", &pki.ca.revoke(&[1001]).expect("a list")).expect("a file");
        let mut crl = process::command("openssl");
        crl.args(["crl", "-noout", "-text", "-CAfile"]).arg(&root).arg("-in").arg(&list);
        let said = process::run("openssl crl", crl, "", Duration::from_secs(20)).expect("it runs");
        assert!(said.stderr.contains("verify OK") && said.stdout.contains("03E9"), "{said:?}");
        scratch::end();
    }
}
