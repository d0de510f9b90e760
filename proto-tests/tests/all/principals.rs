//! The tables of the unit tests against Kafka's own classes, and `doorkeeper explain-certificate`.

use std::fs;
use std::path::PathBuf;

use libtest_mimic::Trial;
use proto_tests::programs::{file, principals};
use proto_tests::{Context, Result, check, check_eq, front, scratch};

use crate::{free, steady};

pub fn trials() -> Vec<Trial> {
    vec![
        steady("principals::certificates_have_the_names_that_kafka_gives", |cluster| {
            let said = principals(cluster, "certificates", &table("certificates.txt"))?;
            let rows = rows("certificates.txt")?;
            check_eq!(said.lines().count(), rows.len(), "answers");
            check!(rows.len() >= 60, "only {} certificates", rows.len());
            let (mut newer, mut older) = (Vec::new(), Vec::new());
            for (row, line) in rows.iter().zip(said.lines()) {
                let (title, kafka) = line.split_once('\t').ok_or("a line without an answer")?;
                check_eq!(title, row[0], "the answer's title");
                let java = if row[3].is_empty() { row[2].as_str() } else { row[3].as_str() };
                let java = if java == "(empty)" { "" } else { java };
                if kafka == java && !row[4].is_empty() {
                    newer.push(title);
                } else if kafka != java {
                    check_eq!(kafka, row[4], "{title}");
                    older.push(title);
                }
            }
            // Which character sets Java knows is a matter of its version, so it is all or none.
            check!(newer.is_empty() || older.is_empty(), "names as of now: {newer:?}, and as of before: {older:?}");
            Ok(())
        }),
        steady("principals::rules_do_what_kafkas_do", |cluster| {
            let said = principals(cluster, "rules", &table("rules.txt"))?;
            let rows = rows("rules.txt")?;
            check_eq!(said.lines().count(), rows.len(), "answers");
            check!(rows.len() >= 400, "only {} rules", rows.len());
            for (row, line) in rows.iter().zip(said.lines()) {
                check_eq!(
                    line.rsplit_once('\t').map(|(_, kafka)| kafka),
                    Some(row[2].as_str()),
                    "{} on {}",
                    row[0],
                    row[1]
                );
            }
            Ok(())
        }),
        free("configuration::explain_certificate", explain_certificate),
    ]
}

fn table(name: &str) -> PathBuf {
    scratch::checkout().join("src/principal/tests").join(name)
}

fn rows(name: &str) -> Result<Vec<Vec<String>>> {
    let text = fs::read_to_string(table(name)).context(name)?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

/// The certificate of that title, in DER.
fn certificate(title: &str) -> Result<Vec<u8>> {
    let rows = rows("certificates.txt")?;
    let row = rows.iter().find(|row| row[0] == title).ok_or(format!("no certificate {title}"))?;
    let digit = |at: usize| u8::from_str_radix(&row[1][at..at + 2], 16).context("hex");
    (0..row[1].len()).step_by(2).map(digit).collect()
}

fn explain_certificate() -> Result<()> {
    let config = file(
        "explain.properties",
        "listeners=CERTS://127.0.0.1:9192,LOGIN://127.0.0.1:9292,PLAIN://127.0.0.1:9392,OPEN://127.0.0.1:9492\n\
         listener.security.protocol.map=CERTS:SSL,LOGIN:SASL_SSL,PLAIN:PLAINTEXT,OPEN:SSL\n\
         backend.bootstrap.servers=127.0.0.1:9\nsasl.enabled.mechanisms=PLAIN\n\
         listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"b\";\n\
         ssl.keystore.type=PEM\nssl.keystore.location=/not/read\n\
         listener.name.certs.ssl.client.auth=required\nlistener.name.login.ssl.client.auth=requested\n\
         ssl.principal.mapping.rules=RULE:^CN=([^,]+),OU=Unit,.*$/$1/U,RULE:^(?!CN=root).*$/other/\n",
    )?;
    let config = config.to_str().ok_or("the path is no text")?;
    let write = |name: &str, content: &[u8]| -> Result<String> {
        let path = file(name, "")?;
        fs::write(&path, content).context(name)?;
        Ok(path.display().to_string())
    };
    let alice = write("alice.der", &certificate("most specific first")?)?;
    let explain = |certificate: &str, listener: &str| {
        front::command(&["explain-certificate", certificate, "--listener", listener, "--config", config])
    };

    let said = explain(&alice, "certs")?;
    let wanted = "subject    CN=alice,OU=Unit,O=Org,C=DE\n\
                  names      none\n\
                  valid      2020-01-01T00:00:00Z to 2099-12-31T23:59:59Z\n\
                  listener   CERTS, SSL, ssl.client.auth=required\n\
                  name       CN=alice,OU=Unit,O=Org,C=DE (ssl.principal.source=subject)\n\
                  rule       1 of 2: RULE:^CN=([^,]+),OU=Unit,.*$/$1/U\n\
                  principal  User:ALICE\n";
    check_eq!((said.code, said.stdout.as_str()), (Some(0), wanted), "what is said of alice: {said:?}");

    // PEM with words before it, as `openssl x509 -text` writes it.
    let pem = format!("Certificate:\n    Version: 3\n{}", pem(&certificate("slash and colon")?));
    let said = explain(&write("other.pem", pem.as_bytes())?, "CERTS")?;
    check!(said.code == Some(0) && said.stdout.contains("rule       2 of 2: "), "{said:?}");
    check!(said.stdout.ends_with("principal  User:other\n"), "{said:?}");

    let root = write("root.der", &certificate("BMPString whose bytes are another name")?)?;
    let overridden = "listener.name.certs.ssl.principal.mapping.rules=RULE:^CN=root$/root/";
    let args = ["explain-certificate", &root, "--listener", "CERTS", "--config", config, "--override", overridden];
    let said = front::command(&args)?;
    check_eq!(said.code, Some(3), "{said:?}");
    check!(said.stdout.contains("refused    no rule of ssl.principal.mapping.rules applies to \"CN="), "{said:?}");

    let said = explain(&write("nul.der", &certificate("NUL")?)?, "CERTS")?;
    check_eq!(said.code, Some(3), "{said:?}");
    check!(said.stdout.ends_with("refused    the subject of the client certificate holds a NUL\n"), "{said:?}");
    // What would steer a terminal is shown as what it is.
    let said = explain(&write("escape.der", &certificate("escape and delete")?)?, "CERTS")?;
    check!(said.code == Some(0) && said.stdout.contains(r"subject    CN=a\u{1b}[31m\u{7f}"), "{said:?}");

    for (listener, code, word) in [
        ("LOGIN", 0, "principal  what SASL proves, whatever the certificate says\n"),
        ("OPEN", 0, "principal  User:ANONYMOUS; clients are not asked for a certificate\n"),
        ("PLAIN", 1, "listener PLAIN has security protocol PLAINTEXT: its clients show no certificate\n"),
        ("NONE", 1, ": no listener NONE\n"),
    ] {
        let said = explain(&alice, listener)?;
        check_eq!(said.code, Some(code), "{said:?}");
        check!(said.stdout.ends_with(word) || said.stderr.ends_with(word), "{said:?}");
    }

    let whole = certificate("one name")?;
    for (name, content, problem) in [
        ("empty", &b""[..], "it is no certificate; expected PEM or DER"),
        ("text", b"hello", "it is no certificate; expected PEM or DER"),
        ("cut.der", &whole[..100], "the certificate cannot be read"),
        ("cut.pem", b"-----BEGIN CERTIFICATE-----\nMIIB", "its PEM text has no end"),
        ("bad.pem", b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "its PEM text is broken"),
    ] {
        let said = explain(&write(name, content)?, "CERTS")?;
        check!(said.code == Some(1) && said.stderr.contains(problem), "{name}: {said:?}");
    }
    let said = explain("/does/not/exist", "CERTS")?;
    check!(said.code == Some(1) && said.stderr.contains("/does/not/exist: No such file"), "{said:?}");
    let args = ["explain-certificate", &alice, "--listener", "CERTS", "--config", config, "--override", "listeners=x"];
    let said = front::command(&args)?;
    check!(said.code == Some(1) && said.stderr.contains("Unable to parse x"), "{said:?}");
    Ok(())
}

fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in der.chunks(3) {
        let bits = group.iter().enumerate().fold(0, |bits, (n, byte)| bits | u32::from(*byte) << (16 - 8 * n));
        for n in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63]);
            text.push(if n <= group.len() { digit } else { '=' });
        }
    }
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
