use proptest::prelude::*;

use super::*;

/// Input, and what `java.util.Properties` of OpenJDK 17.0.15 made of it: the `put` calls in order, or a refusal.
type Vector = (&'static [u8], Option<&'static [(&'static str, &'static str)]>);

const JAVA: &[Vector] = &[
    (b"", Some(&[])),
    (b"a=b", Some(&[("a", "b")])),
    (b"a = b", Some(&[("a", "b")])),
    (b"a:b", Some(&[("a", "b")])),
    (b"a b", Some(&[("a", "b")])),
    (b"a\tb", Some(&[("a", "b")])),
    (b"a\x0cb", Some(&[("a", "b")])),
    (b"a  =  b  ", Some(&[("a", "b  ")])),
    (b"a=b\nc=d", Some(&[("a", "b"), ("c", "d")])),
    (b"a=b\r\nc=d\r\n", Some(&[("a", "b"), ("c", "d")])),
    (b"a=b\rc=d", Some(&[("a", "b"), ("c", "d")])),
    (b"# no\na=b", Some(&[("a", "b")])),
    (b"  ! no\na=b", Some(&[("a", "b")])),
    (b"# no \\\na=b", Some(&[("a", "b")])),
    (b"a=b # yes", Some(&[("a", "b # yes")])),
    (b"a", Some(&[("a", "")])),
    (b"a=", Some(&[("a", "")])),
    (b"=b", Some(&[("", "b")])),
    (b":b", Some(&[("", "b")])),
    (b" = b", Some(&[("", "b")])),
    (b"a==b", Some(&[("a", "=b")])),
    (b"a:=b", Some(&[("a", "=b")])),
    (b"a = = b", Some(&[("a", "= b")])),
    (b"a=b\\\n   c", Some(&[("a", "bc")])),
    (b"a=b\\\r\n\tc", Some(&[("a", "bc")])),
    (b"a=b\\\n", Some(&[("a", "b")])),
    (b"a=b\\", Some(&[("a", "b")])),
    (b"a=b\\\\", Some(&[("a", "b\\")])),
    (b"a=b\\\\\nc=d", Some(&[("a", "b\\"), ("c", "d")])),
    (b"a=b\\\\\\\nc", Some(&[("a", "b\\c")])),
    (b"\\\n", Some(&[("", "")])),
    (b"\\\r\n", Some(&[])),
    (b"\\", Some(&[("", "")])),
    (b"\\\na=b", Some(&[("a", "b")])),
    (b"\\\n#x\na=b", Some(&[("a", "b")])),
    (b"a=\\\n\nb=c", Some(&[("a", ""), ("b", "c")])),
    (b"a=b\\\n#c", Some(&[("a", "b#c")])),
    (b"a\\=b=c", Some(&[("a=b", "c")])),
    (b"a\\:b:c", Some(&[("a:b", "c")])),
    (b"a\\ b c", Some(&[("a b", "c")])),
    (b"\\#a=b", Some(&[("#a", "b")])),
    (b"a=\\t\\n\\r\\f\\q\\\\\\\"", Some(&[("a", "\t\n\r\u{c}q\\\"")])),
    (b"a=\\u0041\\u00e9\\u20ac", Some(&[("a", "A\u{e9}\u{20ac}")])),
    (b"a=\\ud83d\\ude00", Some(&[("a", "\u{1f600}")])),
    (b"\\u0061=b", Some(&[("a", "b")])),
    (b"a=\\u00zz", None),
    (b"a=\\u00", None),
    (b"a=\\U0041", Some(&[("a", "U0041")])),
    (b"a=\xe9\x80\x9f\xff", Some(&[("a", "\u{e9}\u{80}\u{9f}\u{ff}")])),
    (b"\xef\xbb\xbfa=b", Some(&[("\u{ef}\u{bb}\u{bf}a", "b")])),
    (b"a=1\na=2", Some(&[("a", "1"), ("a", "2")])),
    (b"a=b\x0b", Some(&[("a", "b\u{b}")])),
    (b"\x0ba=b", Some(&[("\u{b}a", "b")])),
    (b"a=x\\u003db", Some(&[("a", "x=b")])),
    (b"a\\u003db=c", Some(&[("a=b", "c")])),
    (b"a\x00b=c\x00d", Some(&[("a\u{0}b", "c\u{0}d")])),
    (b"\n\n  \t\x0c\n a=b\n\n", Some(&[("a", "b")])),
    (b"listeners=PLAINTEXT://:9092,SSL://[::1]:9093\n", Some(&[("listeners", "PLAINTEXT://:9092,SSL://[::1]:9093")])),
    (
        b"k.sasl.jaas.config=M required \\\n  user_a=\"x\\\\\"y\";",
        Some(&[("k.sasl.jaas.config", "M required user_a=\"x\\\"y\";")]),
    ),
    (b"a\\\nb=c", Some(&[("ab", "c")])),
    (b"a\\\n = c", Some(&[("a", "c")])),
    (b"a=b\\ \nc=d", Some(&[("a", "b "), ("c", "d")])),
    (b"a=\\\n\\\n\\\n  b", Some(&[("a", "b")])),
    (b"#\n!\n#a\r\r\n!b", Some(&[])),
    (b"a=b\\\n!c\\\n#d", Some(&[("a", "b!c#d")])),
    (b"a\\\\=b", Some(&[("a\\", "b")])),
    (b"a\\\\\\=b=c", Some(&[("a\\=b", "c")])),
];

fn pairs(input: &[u8]) -> Option<Vec<(String, String)>> {
    parse_latin1(input).ok().map(|entries| entries.into_iter().map(|e| (e.key, e.value)).collect())
}

#[test]
fn reads_what_java_reads() {
    assert!(JAVA.len() >= 43);
    for (input, expected) in JAVA {
        let expected = expected.map(|e| e.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<Vec<_>>());
        assert_eq!(pairs(input), expected, "input {:?}", input.escape_ascii().to_string());
    }
}

#[test]
fn knows_the_line_of_every_key() {
    let text = b"# one\n\n  a=1\\\n  more\r\nb=2\rc=3\n\\\n d=4\n";
    let lines: Vec<_> = parse_latin1(text).unwrap().into_iter().map(|e| (e.key, e.line)).collect();
    assert_eq!(lines, [("a".into(), 3), ("b".into(), 5), ("c".into(), 6), ("d".into(), 8)]);
}

#[test]
fn an_error_names_the_line_and_not_the_text() {
    let error = parse_latin1(b"a=1\npassword=hunter2\\u00zz").err().unwrap();
    assert_eq!(error.to_string(), "line 2: malformed \\uxxxx encoding");
    let error = parse_latin1(b"password=\\ud83d").err().unwrap();
    assert_eq!(error, PropertiesError::LoneSurrogate { line: 1 });
}

#[test]
fn utf8_is_read_as_utf8_and_refused_where_it_is_broken() {
    let entries = parse_utf8("a=é€".as_bytes()).unwrap();
    assert_eq!(entries[0].value, "é€");
    assert_eq!(parse_utf8(b"a=\xff").err(), Some(PropertiesError::NotUtf8));
}

/// Writes `text` so that Java reads it back, as `Properties.store` would.
fn escape(text: &str) -> String {
    let unit = |u: u16| match u8::try_from(u) {
        Ok(b) if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        _ => format!("\\u{u:04X}"),
    };
    text.encode_utf16().map(unit).collect()
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_latin1(&bytes);
        let _ = parse_utf8(&bytes);
    }

    #[test]
    fn never_panics_on_likely_text(text in "[ab=: \\\\\r\nu01#!\t]{0,60}") {
        let _ = parse_latin1(text.as_bytes());
    }

    #[test]
    fn reads_back_what_was_written(written in proptest::collection::vec((any::<String>(), any::<String>()), 0..6)) {
        let text: String = written.iter().map(|(k, v)| format!("{}={}\n", escape(k), escape(v))).collect();
        prop_assert_eq!(pairs(text.as_bytes()), Some(written));
    }
}
