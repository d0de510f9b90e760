//! PEM as Kafka's `PemParser` takes it (KIP-651): entries anywhere in the text, header lines inside skipped, and any white space
//! where RFC 7468 wants newlines, so that a whole entry can stand in one line of a properties file.

use pkcs8::der::pem;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One entry.
pub(super) struct Entry {
    /// `CERTIFICATE`, `PRIVATE KEY` and the like, each word separated by one blank.
    pub label: String,
    /// The decoded bytes, which may be a private key.
    pub der: Zeroizing<Vec<u8>>,
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
        let after = &body[end + END.len()..];
        let (end_label, after) = after.split_once(DASHES).ok_or("an END line without its closing dashes")?;
        if end_label.split_whitespace().ne(label.split(' ')) {
            return Err("an END line that does not fit its BEGIN line");
        }
        let der = decode(&label, &body[..end])?;
        found.push(Entry { label, der });
        rest = after;
    }
    Ok(found)
}

/// Puts the Base64 into the strict form that the decoder wants.
fn decode(label: &str, body: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let malformed = "an entry that is not Base64";
    let mut strict = Zeroizing::new(String::with_capacity(body.len() + body.len() / 32 + 2 * label.len() + 64));
    strict.push_str(BEGIN);
    strict.push_str(label);
    strict.push_str("-----\n");
    let mut column = 0;
    let is_header = |line: &&str| line.contains(':');
    for c in body.lines().filter(|line| !is_header(line)).flat_map(str::chars).filter(|c| !c.is_whitespace()) {
        if column == 64 {
            strict.push('\n');
            column = 0;
        }
        strict.push(c);
        column += 1;
    }
    strict.push('\n');
    strict.push_str(END);
    strict.push_str(label);
    strict.push_str("-----\n");
    let (_, der) = pem::decode_vec(strict.as_bytes()).map_err(|_| malformed)?;
    Ok(Zeroizing::new(der))
}
