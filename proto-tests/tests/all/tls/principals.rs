//! Which name a certificate gives (SEC-55, H-098): doorkeeper's is the broker's, letter by letter, with the default and with
//! rules that change it.

use libtest_mimic::Trial;
use proto_tests::cluster::{Cluster, Tls};
use proto_tests::pki::der::{BMP, IA5, PRINTABLE, TELETEX, UNIVERSAL};
use proto_tests::pki::name::{Attribute, Name, attribute, tagged};
use proto_tests::pki::{self, Key, San, Wish};
use proto_tests::wire::tls::Client;
use proto_tests::{Result, check, progress};

use super::{Visit, front, visit_front, visit_kafka};
use crate::steady;

pub fn trials() -> Vec<Trial> {
    vec![
        steady("tls::principals::kafka", kafka),
        steady("tls::principals::front_agrees_by_default", |cluster| agrees(cluster, Tls::Requested)),
        steady("tls::principals::front_agrees_with_rules", |cluster| agrees(cluster, Tls::Rules)),
    ]
}

/// Names as they are encoded, least specific first.
fn names() -> Vec<(&'static str, Name)> {
    let of = Name::of;
    let cn = |value: &str| of(&[("O", "Example"), ("CN", value)]);
    let sets = |sets: Vec<Vec<Attribute>>| Name(sets);
    let raw = |tag, value: &[u8]| sets(vec![vec![attribute("O", "Example")], vec![tagged("CN", tag, value)]]);
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let utf32 = |text: &str| text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect::<Vec<u8>>();
    vec![
        ("plain", cn("plain")),
        ("order", of(&[("C", "DE"), ("ST", "Land"), ("L", "Ort"), ("O", "Org"), ("OU", "Unit"), ("CN", "order")])),
        (
            "other order",
            of(&[("CN", "order"), ("OU", "Unit"), ("O", "Org"), ("L", "Ort"), ("ST", "Land"), ("C", "DE")]),
        ),
        ("comma", cn("Sale, Clearance")),
        ("plus", cn("a+b")),
        ("quotes", cn("say \"hello\"")),
        ("backslash", cn("back\\slash")),
        ("all that has a meaning", cn("a<b>c;d=e,f+g#h\"i\\j")),
        ("hash in front", cn("#hash")),
        ("hash inside", cn("ha#sh")),
        ("space in front", cn(" front")),
        ("space behind", cn("behind ")),
        ("spaces all around", cn("  two  ")),
        ("one space", cn(" ")),
        ("nothing in an attribute", cn("")),
        ("equals", cn("a=b")),
        ("slash", cn("HTTP/host@REALM")),
        ("line feed", cn("line\nfeed")),
        ("tab and escape", cn("tab\tescape\u{1b}[2J")),
        ("umlauts", cn("Jürgen Öß")),
        ("beyond the basic plane", cn("key \u{1f511} 鍵")),
        ("right to left", cn("\u{202e}drow")),
        ("decomposed", cn("u\u{308}ber")),
        ("BMPString", raw(BMP, &utf16("Jürgen 鍵"))),
        ("UniversalString", raw(UNIVERSAL, &utf32("Jürgen"))),
        ("TeletexString", raw(TELETEX, b"J\xfcrgen")),
        ("PrintableString", raw(PRINTABLE, b"Printable")),
        ("IA5String", raw(IA5, b"ia5@example.org")),
        ("e-mail", of(&[("O", "Example"), ("CN", "mail"), ("E", "mail@example.org")])),
        (
            "e-mail in UTF-8",
            sets(vec![vec![tagged("E", 12, "jürgen@example.org".as_bytes())], vec![attribute("CN", "x")]]),
        ),
        ("domain components", of(&[("DC", "org"), ("DC", "example"), ("CN", "dc")])),
        ("user id", of(&[("UID", "u1234")])),
        ("user id and more", of(&[("O", "Example"), ("UID", "u1234")])),
        ("street", of(&[("STREET", "Main 1"), ("CN", "street")])),
        (
            "words that Java has no keyword for",
            of(&[("SERIALNUMBER", "7"), ("SN", "sur"), ("2.5.4.42", "given"), ("2.5.4.12", "title"), ("CN", "x")]),
        ),
        ("unknown OID", of(&[("1.3.6.1.4.1.99999.1.2", "unknown"), ("CN", "oid")])),
        (
            "unknown OID, PrintableString",
            sets(vec![vec![tagged("1.2.3.4", PRINTABLE, b"x")], vec![attribute("CN", "oid")]]),
        ),
        (
            "two values in one set",
            sets(vec![vec![attribute("O", "Example")], vec![attribute("CN", "multi"), attribute("UID", "7")]]),
        ),
        (
            "the same the other way round",
            sets(vec![vec![attribute("O", "Example")], vec![attribute("UID", "7"), attribute("CN", "multi")]]),
        ),
        ("three values in one set", sets(vec![vec![attribute("OU", "b"), attribute("OU", "a"), attribute("CN", "c")]])),
        ("two sets of one kind", of(&[("OU", "first"), ("OU", "second"), ("CN", "twice")])),
        ("service", of(&[("C", "DE"), ("O", "Example"), ("OU", "Service"), ("CN", "Billing")])),
        ("organisation", of(&[("C", "DE"), ("O", "Example $1 \\ Sons")])),
        ("upper", of(&[("OU", "Upper"), ("CN", "straße ı i")])),
        // As long as the log shows.
        ("long", cn(&"x".repeat(100))),
    ]
}

/// A certificate whose name holds NUL, or that has no name but an alternative one.
fn odd() -> Vec<(&'static str, Wish)> {
    let nameless = Wish::client(Name::default());
    vec![
        ("NUL", Wish::client(Name::of(&[("CN", "alice\0.example.org")]))),
        ("no name", nameless.clone()),
        ("no name, but a URI", nameless.sans(vec![San::Uri("spiffe://example.org/alice".into())])),
    ]
}

fn all() -> Result<Vec<(&'static str, Client)>> {
    let pki = pki::get()?;
    let wishes = names().into_iter().map(|(what, name)| (what, Wish::client(name))).chain(odd());
    wishes
        .map(|(what, wish)| Ok((what, Client::trusting(&pki.ca)?.showing(&pki.ca.leaf(&wish, Key::ec()?)?)?)))
        .collect()
}

/// What the real Kafka makes of some of them, word for word, by default and with the rules: so that two equal mistakes are none.
const KNOWN: [(&str, &str, &str); 12] = [
    ("plain", "CN=plain,O=Example", "DEFAULT"),
    ("order", "CN=order,OU=Unit,O=Org,L=Ort,ST=Land,C=DE", ""),
    ("comma", r"CN=Sale\, Clearance,O=Example", ""),
    ("all that has a meaning", r#"CN=a\<b\>c\;d\=e\,f\+g\#h\"i\\j,O=Example"#, ""),
    ("spaces all around", r"CN=\ \ two\ \ ,O=Example", ""),
    ("umlauts", "CN=Jürgen Öß,O=Example", ""),
    ("e-mail", "1.2.840.113549.1.9.1=#16106d61696c406578616d706c652e6f7267,CN=mail,O=Example", ""),
    ("user id", "UID=u1234", "UID-U1234-$7"),
    ("unknown OID, PrintableString", "CN=oid,1.2.3.4=#130178", ""),
    ("two values in one set", "CN=multi+UID=7,O=Example", ""),
    ("service", "CN=Billing,OU=Service,O=Example,C=DE", "billing@service"),
    ("upper", "CN=straße ı i,OU=Upper", "CN=STRASSE I I,OU=UPPER"),
];

fn kafka(cluster: &Cluster) -> Result<()> {
    let mut wrong = Vec::new();
    for (what, client) in all()? {
        let Some((_, default, ruled)) = KNOWN.iter().find(|(known, ..)| *known == what) else { continue };
        for (listener, want) in [(Tls::Requested, default), (Tls::Rules, ruled)] {
            let seen = match visit_kafka(cluster.brokers[0].tls(listener), &client) {
                Visit::Served(name) => name,
                Visit::Refused(_) => "User:".to_owned(),
            };
            if seen != format!("User:{want}") {
                wrong.push(format!("{what} at {listener:?}: {seen}, wanted {want}"));
            }
        }
    }
    check!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Where doorkeeper differs, and why.
fn may_differ(what: &str, here: &Visit) -> bool {
    match (what, here) {
        // Java before its updates of 2025 took the bytes of these two for UTF-8, so that different names became one.
        ("BMPString", Visit::Served(name)) => name == "User:CN=Jürgen 鍵,O=Example",
        ("TeletexString", Visit::Served(name)) => name == "User:CN=Jürgen,O=Example",
        // H-098: a name with NUL in it is cut by who reads it next. An empty one names nobody. A string type that nobody writes.
        ("NUL" | "no name, but a URI" | "UniversalString", Visit::Refused(_)) => true,
        _ => false,
    }
}

/// A name out of the log, which shows unusual characters as `\u{...}`.
fn unescaped(name: &str) -> String {
    let mut parts = name.split("\\u{");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_once('}').unwrap_or_default();
        out.extend(u32::from_str_radix(digits, 16).ok().and_then(char::from_u32));
        out.push_str(rest);
    }
    out
}

fn agrees(cluster: &Cluster, listener: Tls) -> Result<()> {
    let front = front(cluster)?;
    let mut wrong = Vec::new();
    let all = all()?;
    let mut served = 0;
    for (what, client) in &all {
        let at_kafka = visit_kafka(cluster.brokers[0].tls(listener), client);
        let here = match visit_front(front, listener, client)? {
            Visit::Served(name) => Visit::Served(unescaped(&name)),
            refused => refused,
        };
        let same = match (&at_kafka, &here) {
            (Visit::Refused(_), Visit::Refused(_)) => true,
            (a, b) => a == b && *what != "NUL",
        };
        served += usize::from(matches!(here, Visit::Served(_)));
        if !same && !may_differ(what, &here) {
            wrong.push(format!("{what}:\n   kafka: {at_kafka:?}\n   front: {here:?}"));
        }
    }
    progress(format!("{} certificates came to {listener:?}, {served} of them have a name there", all.len()));
    check!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    check!(all.len() >= 40 && served >= 6, "{} certificates, {served} with a name", all.len());
    Ok(())
}
