//! SEC-55: how subjects become names, a certificate for each case.

use super::der::{
    self, Attribute, BMP, GENERAL, IA5, NUMERIC, OCTETS, PRINTABLE, T61, UNIVERSAL, UTF8, VIDEOTEX, VISIBLE,
};
use super::*;

const CN: &str = "2.5.4.3";
const C: &str = "2.5.4.6";
const L: &str = "2.5.4.7";
const ST: &str = "2.5.4.8";
const STREET: &str = "2.5.4.9";
const O: &str = "2.5.4.10";
const OU: &str = "2.5.4.11";
const DC: &str = "0.9.2342.19200300.100.1.25";
const UID: &str = "0.9.2342.19200300.100.1.1";
const EMAIL: &str = "1.2.840.113549.1.9.1";

/// A title and the relative names of a subject, in the encoded order.
type Case<'a> = (&'a str, &'a [&'a [Attribute<'a>]]);

#[rustfmt::skip]
const CASES: &[Case<'_>] = &[
    ("one name", &[&[(CN, UTF8, b"alice")]]),
    ("most specific first", &[&[(C, PRINTABLE, b"DE")], &[(O, UTF8, b"Org")], &[(OU, UTF8, b"Unit")], &[(CN, UTF8, b"alice")]]),
    ("all keywords", &[&[(C, PRINTABLE, b"DE")], &[(ST, UTF8, b"st")], &[(L, UTF8, b"l")], &[(STREET, UTF8, b"s 1")], &[(O, UTF8, b"o")],
        &[(OU, UTF8, b"ou")], &[(DC, IA5, b"dc")], &[(UID, UTF8, b"uid")], &[(CN, UTF8, b"cn")]]),
    ("empty", &[]),
    ("empty value", &[&[(CN, UTF8, b"")]]),
    ("e-mail", &[&[(O, UTF8, b"Org")], &[(EMAIL, IA5, b"a@b.example")], &[(CN, UTF8, b"alice")]]),
    ("serial number", &[&[("2.5.4.5", PRINTABLE, b"4711")], &[(CN, UTF8, b"alice")]]),
    ("title, given name, surname", &[&[("2.5.4.12", UTF8, b"Dr")], &[("2.5.4.42", UTF8, b"A")], &[("2.5.4.4", UTF8, b"L")]]),
    ("type of one's own", &[&[("1.3.6.1.4.1.99999.1.2", UTF8, b"x")], &[(CN, UTF8, b"alice")]]),
    ("type with a large number", &[&[("2.999.4294967295", UTF8, b"x")]]),
    ("type under 2 with three digits", &[&[("2.100.3", UTF8, b"x")]]),
    ("comma", &[&[(CN, UTF8, b"Last, First")]]),
    ("name in a name", &[&[(CN, UTF8, b"alice,OU=Admins")]]),
    ("plus", &[&[(CN, UTF8, b"a+b")]]),
    ("backslash", &[&[(CN, UTF8, b"a\\b")]]),
    ("backslash at the end", &[&[(CN, UTF8, b"a\\")]]),
    ("backslash and blank at the end", &[&[(CN, UTF8, b"a\\ ")]]),
    ("equals sign", &[&[(CN, UTF8, b"a=b")]]),
    ("quotes", &[&[(CN, UTF8, b"\"a\" 'b'")]]),
    ("angle brackets and semicolon", &[&[(CN, UTF8, b"<a>;b")]]),
    ("hash at the start", &[&[(CN, UTF8, b"#0c0161")]]),
    ("hash inside", &[&[(CN, UTF8, b"a#b")]]),
    ("all that is escaped", &[&[(CN, UTF8, b",=+<>#;\"\\")]]),
    ("blank at the start", &[&[(CN, UTF8, b" a")]]),
    ("blank at the end", &[&[(CN, UTF8, b"a ")]]),
    ("blanks at both ends and inside", &[&[(CN, UTF8, b"  a  b  ")]]),
    ("blanks only", &[&[(CN, UTF8, b"   ")]]),
    ("carriage returns at the ends", &[&[(CN, UTF8, b"\r a\rb\r")]]),
    ("tab at the ends", &[&[(CN, UTF8, b"\ta\t")]]),
    ("line feed", &[&[(CN, UTF8, b"a\nb")]]),
    ("escape and delete", &[&[(CN, UTF8, b"a\x1b[31m\x7f")]]),
    ("slash and colon", &[&[(CN, UTF8, b"kafka/host:1")]]),
    ("NUL", &[&[(CN, UTF8, b"admin\0.evil.example")]]),
    ("NUL at the end", &[&[(CN, PRINTABLE, b"admin\0")]]),
    ("NUL in another type's hex", &[&[(EMAIL, IA5, b"a\0b")], &[(CN, UTF8, b"alice")]]),
    ("what Java prints for a NUL, written out", &[&[(CN, UTF8, b"admin\\00")]]),
    ("percent and dollar", &[&[(CN, UTF8, b"100% $1 ${x}")]]),
    ("umlaut", &[&[(CN, UTF8, "Müller".as_bytes())]]),
    ("umlaut in two characters", &[&[(CN, UTF8, "Mu\u{308}ller".as_bytes())]]),
    ("Chinese", &[&[(O, UTF8, "中文".as_bytes())]]),
    ("beyond 16 bits", &[&[(CN, UTF8, "a😀b".as_bytes())]]),
    ("right to left mark, byte order mark", &[&[(CN, UTF8, "a\u{202e}b\u{feff}".as_bytes())]]),
    ("no-break blank at the ends", &[&[(CN, UTF8, "\u{a0}a\u{a0}".as_bytes())]]),
    ("line separator, next line", &[&[(CN, UTF8, "a\u{2028}b\u{85}c".as_bytes())]]),
    ("replacement character", &[&[(CN, UTF8, "a\u{fffd}b".as_bytes())]]),
    ("not UTF-8", &[&[(CN, UTF8, b"a\xff")]]),
    ("overlong UTF-8", &[&[(CN, UTF8, b"a\xc0\x80")]]),
    ("surrogates in UTF-8", &[&[(CN, UTF8, b"\xed\xa0\x80")]]),
    ("PrintableString", &[&[(CN, PRINTABLE, b"alice (1)")]]),
    ("PrintableString with other bytes", &[&[(CN, PRINTABLE, b"\xc3\xa9")]]),
    ("IA5String", &[&[(CN, IA5, b"alice@example")]]),
    ("IA5String with other bytes", &[&[(CN, IA5, b"\xe9")]]),
    ("TeletexString", &[&[(CN, T61, b"alice")]]),
    ("TeletexString in Latin-1", &[&[(CN, T61, b"M\xfcller")]]),
    ("TeletexString in UTF-8", &[&[(CN, T61, b"M\xc3\xbcller")]]),
    ("GeneralString", &[&[(CN, GENERAL, b"alice")]]),
    ("BMPString", &[&[(CN, BMP, b"\0a\0l")]]),
    ("BMPString whose bytes are another name", &[&[(CN, BMP, b"root")]]),
    ("BMPString with umlaut", &[&[(CN, BMP, b"\0M\0\xfc")]]),
    ("BMPString, escapes and blanks", &[&[(CN, BMP, b"\0 \0,\0 ")]]),
    ("BMPString with NUL", &[&[(CN, BMP, b"\0a\0\0")]]),
    ("BMPString of odd length", &[&[(CN, BMP, b"\0ab")]]),
    ("BMPString, empty", &[&[(CN, BMP, b"")]]),
    ("UniversalString", &[&[(CN, UNIVERSAL, b"\0\0\0a")]]),
    ("NumericString", &[&[(CN, NUMERIC, b"12 3")]]),
    ("VisibleString", &[&[(CN, VISIBLE, b"alice")]]),
    ("VideotexString", &[&[(CN, VIDEOTEX, b"alice")]]),
    ("OCTET STRING", &[&[(CN, OCTETS, b"alice")]]),
    ("two attributes", &[&[(O, UTF8, b"Org")], &[(CN, UTF8, b"alice"), (UID, UTF8, b"a1")]]),
    ("two attributes, not sorted", &[&[(UID, UTF8, b"a1"), (CN, UTF8, b"alice")]]),
    ("three attributes, one in hex", &[&[(CN, UTF8, b"a"), (EMAIL, IA5, b"a@b"), (OU, UTF8, b"u")]]),
    ("the same type twice", &[&[(CN, UTF8, b"a")], &[(CN, UTF8, b"b")], &[(OU, UTF8, b"1")], &[(OU, UTF8, b"2")]]),
    ("the same type twice in one", &[&[(CN, UTF8, b"b"), (CN, UTF8, b"a")]]),
    ("plus and comma written out", &[&[(CN, UTF8, b"a+UID=b,C=DE")]]),
    ("long value", &[&[(EMAIL, UTF8, &[b'x'; 200])], &[(CN, UTF8, &[b'y'; 300])]]),
];

fn case_certificate((_, subject): &Case<'_>) -> Vec<u8> {
    der::certificate(&der::name(subject), &[])
}

fn ours(certificate: &[u8]) -> String {
    match CertificateNaming::default().named(certificate) {
        Ok(named) => {
            assert_eq!(named.principal, KafkaPrincipal::user(&named.name));
            assert_eq!(named.rule, 1);
            percent(&named.name)
        }
        Err(error) => format!("!{error}"),
    }
}

/// Title, certificate, our name for it or `!` and the refusal; then Java's name where it is another, and then that of a Java
/// from before it knew the character sets of string types (17.0.15), where that is still another.
const FILE: &str = include_str!("certificates.txt");

#[test]
fn each_certificate_has_the_name_that_java_prints() {
    let rows = rows(FILE);
    let made = CASES.iter().map(|case| {
        let certificate = case_certificate(case);
        format!("{}\t{}\t{}\n", case.0, der::hex(&certificate), ours(&certificate))
    });
    assert_eq!(rows.len(), CASES.len(), "the file's first columns would be\n{}", made.collect::<String>());
    assert!(rows.len() >= 60, "{}", rows.len());
    for (case, row) in CASES.iter().zip(rows) {
        let certificate = case_certificate(case);
        assert_eq!((case.0, &*der::hex(&certificate)), (row[0], row[1]), "the file is not of this table");
        assert_eq!(ours(&certificate), row[2], "{}", case.0);
        let java = if row[3].is_empty() { row[2] } else { row[3] };
        assert!(row[2] == java || row[2].starts_with('!'), "{}: neither Java's name nor refused", case.0);
    }
}

#[test]
fn no_two_subjects_share_a_name() {
    let mut seen = std::collections::HashMap::new();
    for row in rows(FILE).into_iter().filter(|row| !row[2].starts_with('!')) {
        if let Some(other) = seen.insert(row[2], row[0]) {
            // The same characters in another string type are the same name.
            assert!([row[0], other].iter().any(|title| title.contains("String")), "{other} and {}", row[0]);
        }
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let whole = case_certificate(&CASES[1]);
    for end in 0..whole.len() {
        assert!(ours(&whole[..end]).starts_with("!the client certificate cannot be read"), "{end}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    assert_eq!(ours(&longer), "!the client certificate cannot be read");
    // A set without attributes, an attribute with something behind its value, one without a value.
    let attribute = [der::oid(CN), der::tlv(UTF8, b"a"), der::tlv(UTF8, b"b")].concat();
    for bad in [
        der::tlv(0x31, b""),
        der::tlv(0x31, &der::tlv(0x30, &attribute)),
        der::tlv(0x31, &der::tlv(0x30, &der::oid(CN))),
    ] {
        assert_eq!(ours(&der::certificate(&der::tlv(0x30, &bad), &[])), "!the client certificate cannot be read");
    }
}

/// Each byte of a certificate changed: a name or an error, and no panic.
#[test]
fn flipped_bits_do_no_harm() {
    let names = der::alternative_names(&[(0x86, b"spiffe://a/b"), (0x87, &[127, 0, 0, 1])]);
    let subject = der::name(&[&[(C, PRINTABLE, b"DE"), (EMAIL, IA5, b"a@b")], &[(CN, BMP, b"\0a")]]);
    let whole = der::certificate(&subject, &[names]);
    let mut good = 0;
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            good += usize::from(!ours(&flipped).starts_with('!'));
        }
    }
    assert!(good > 500, "{good}");
}
