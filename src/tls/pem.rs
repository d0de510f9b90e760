//! PEM as Kafka takes it (KIP-651): entries anywhere in the text, header lines inside skipped, and any white space where
//! RFC 7468 wants newlines, so that a whole entry can stand in one line of a properties file.

use pkcs8::der::pem;
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// Characters of Base64 in a line (RFC 7468 section 2).
const WIDTH: usize = 64;

/// One entry.
pub(super) struct Entry {
    /// `CERTIFICATE`, `PRIVATE KEY` and the like, each word separated by one blank.
    pub label: String,
    /// The decoded bytes, which may be a private key.
    pub der: Zeroizing<Vec<u8>>,
    /// A header line says that it is encrypted in OpenSSL's own way (RFC 1421).
    pub is_legacy_encrypted: bool,
}

/// All entries of a text, whatever they are; text around them is skipped.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, &'static str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        rest = &rest[at + BEGIN.len()..];
        let (label, body) = rest.split_once(DASHES).ok_or("a BEGIN line without its closing dashes")?;
        let label: Vec<&str> = label.split_whitespace().collect();
        let label = label.join(" ");
        let end = body.find(END).ok_or("an entry without END line")?;
        let (end_label, after) =
            body[end + END.len()..].split_once(DASHES).ok_or("an END line without its closing dashes")?;
        if end_label.split_whitespace().ne(label.split(' ')) {
            return Err("an END line that does not fit its BEGIN line");
        }
        let body = &body[..end];
        let is_legacy_encrypted = body.contains("Proc-Type") && body.contains("ENCRYPTED");
        let der = if is_legacy_encrypted { Zeroizing::default() } else { decode(&label, body)? };
        found.push(Entry { label, der, is_legacy_encrypted });
        rest = after;
    }
    Ok(found)
}

/// The certificates of a text, in their order; none is an error, in Kafka's words.
pub(super) fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let is_certificate = |entry: &Entry| matches!(&*entry.label, "CERTIFICATE" | "X509 CERTIFICATE");
    let certificates: Vec<_> =
        entries(text)?.into_iter().filter(is_certificate).map(|entry| entry.der.to_vec().into()).collect();
    if certificates.is_empty() { Err("No matching CERTIFICATE entries in PEM file") } else { Ok(certificates) }
}

/// Puts the Base64 into the strict form that the decoder wants.
fn decode(label: &str, body: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let mut strict = Zeroizing::new(String::with_capacity(body.len() + body.len() / WIDTH + 2 * label.len() + 64));
    let line = |text: &mut String, start: &str| text.extend([start, label, DASHES, "\n"]);
    line(&mut strict, BEGIN);
    let lines = body.lines().filter(|line| !line.contains(':'));
    for (n, c) in lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).enumerate() {
        if n > 0 && n % WIDTH == 0 {
            strict.push('\n');
        }
        strict.push(c);
    }
    strict.push('\n');
    line(&mut strict, END);
    let (_, der) = pem::decode_vec(strict.as_bytes()).map_err(|_| "an entry that is not Base64")?;
    Ok(Zeroizing::new(der))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Result<Vec<(String, Vec<u8>)>, &'static str> {
        Ok(entries(text)?.into_iter().map(|entry| (entry.label, entry.der.to_vec())).collect())
    }

    #[test]
    fn one_line_headers_and_text_around() {
        let expected = vec![("CERTIFICATE".to_owned(), b"hello".to_vec())];
        for text in [
            "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\r\naGVsbG8=\r\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE----- aGVs bG8= -----END CERTIFICATE-----",
            "Bag Attributes\n  friendlyName: x\nsubject=CN=a\n-----BEGIN   CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----x",
            "-----BEGIN CERTIFICATE-----\nComment: something\nOther: a: b\n\naGVs\nbG8=\n-----END CERTIFICATE-----",
        ] {
            assert_eq!(all(text).unwrap(), expected, "{text}");
        }
        assert_eq!(all("no entry at all").unwrap(), []);
    }

    #[test]
    fn what_is_broken_is_named() {
        for (text, problem) in [
            ("-----BEGIN CERTIFICATE", "a BEGIN line without its closing dashes"),
            ("-----BEGIN CERTIFICATE-----\naGVsbG8=\n", "an entry without END line"),
            ("-----BEGIN A-----\naGVsbG8=\n-----END A", "an END line without its closing dashes"),
            ("-----BEGIN A-----\naGVsbG8=\n-----END B-----", "an END line that does not fit its BEGIN line"),
            ("-----BEGIN A-----\na*b=\n-----END A-----", "an entry that is not Base64"),
            ("-----BEGIN A-----\naGVsbG8\n-----END A-----", "an entry that is not Base64"),
        ] {
            assert_eq!(all(text).unwrap_err(), problem, "{text}");
        }
        assert_eq!(certificates("").unwrap_err(), "No matching CERTIFICATE entries in PEM file");
    }

    #[test]
    fn openssls_own_encryption_is_seen() {
        let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\naGVsbG8=\n\
                    -----END RSA PRIVATE KEY-----";
        assert!(entries(text).unwrap()[0].is_legacy_encrypted);
    }

    proptest! {
        #[test]
        fn bytes_of_any_length_come_back_from_any_layout(bytes in proptest::collection::vec(any::<u8>(), 1..300), width in 1usize..90) {
            let strict = pem::encode_string("X", pem::LineEnding::LF, &bytes).unwrap();
            let base64: String = strict.lines().filter(|line| !line.starts_with('-')).collect();
            let lines: Vec<String> = base64.as_bytes().chunks(width).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
            for separator in [" ", "\n", "\r\n", "\t "] {
                let text = format!("-----BEGIN X-----{separator}{}{separator}-----END X-----", lines.join(separator));
                prop_assert_eq!(all(&text).unwrap(), vec![("X".to_owned(), bytes.clone())]);
            }
        }

        #[test]
        fn any_text_ends_without_panic(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "-----", "-----BEGIN ", "-----END ", "CERTIFICATE", "aGVsbG8=", "\n", " ", ":", "é", "Proc-Type", "ENCRYPTED",
        ]), 0..20)) {
            let _ = entries(&pieces.concat());
        }
    }
}
