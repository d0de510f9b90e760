//! Every row of `testdata/tokens.tsv`, which says how it is to be read.

use super::kit::{AUDIENCE, ISSUER, KEY_SET, KEYS, NOW, accept, encode, rules};

const CORPUS: &str = include_str!("../testdata/tokens.tsv");

#[test]
fn each_token_of_the_corpus_becomes_what_it_should() {
    let mut wrong = Vec::new();
    let (mut count, mut good) = (0, 0);
    for line in CORPUS.lines().filter(|line| !line.starts_with('#')) {
        let [row, what, how, header, claims, expected]: [&str; 6] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let token = match how {
            "raw" => String::from_utf8(expand(header)).unwrap(),
            _ => {
                let (how, change) = how.split_once('/').unwrap_or((how, ""));
                change_token(&KEYS.token(expand(header), expand(claims), how), change)
            }
        };
        let became = match accept(&token, &KEY_SET, &rules()) {
            Ok(accepted) => format!("ok {}", accepted.principal_name),
            Err(fault) => format!("{fault:?}"),
        };
        if became.as_bytes() != expand(expected) {
            wrong.push(format!("{row} {what}: {became}; expected {expected}"));
        }
        count += 1;
        good += usize::from(expected.starts_with("ok "));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Neither a table that is empty, nor one that would be right if nothing were accepted, or everything.
    assert!(count > 300 && good > 50 && count - good > 200, "{count} rows, {good} of them good");
}

/// A field with what its placeholders stand for.
pub fn expand(text: &str) -> Vec<u8> {
    let iss = format!(r#""iss":"{ISSUER}""#);
    let aud = format!(r#""aud":"{AUDIENCE}""#);
    let (sub, iat, exp) = (r#""sub":"alice""#, format!(r#""iat":{}"#, NOW - 10), format!(r#""exp":{}"#, NOW + 300));
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        bytes.extend(before.as_bytes());
        let (placeholder, after) = after.split_once('>').unwrap();
        rest = after;
        let (word, argument) = placeholder.split_once(' ').unwrap_or((placeholder, ""));
        match word {
            "iss" => bytes.extend(iss.as_bytes()),
            "aud" => bytes.extend(aud.as_bytes()),
            "sub" => bytes.extend(sub.as_bytes()),
            "iat" => bytes.extend(iat.as_bytes()),
            "exp" => bytes.extend(exp.as_bytes()),
            "good" => bytes.extend([&iss, &aud, sub, &iat, &exp].join(",").as_bytes()),
            "repeat" => {
                let (count, what) = argument.split_once(' ').unwrap();
                bytes.extend(what.repeat(count.parse().unwrap()).as_bytes());
            }
            "members" => {
                let members: Vec<_> = (0..argument.parse().unwrap()).map(|n: usize| format!("\"m{n}\":{n}")).collect();
                bytes.extend(members.join(",").as_bytes());
            }
            "hex" => bytes.extend(unhex(argument)),
            _ => {
                let seconds = word.strip_prefix("now").unwrap().parse::<i64>().unwrap();
                bytes.extend((NOW as i64 + seconds).to_string().as_bytes());
            }
        }
    }
    bytes.extend(rest.as_bytes());
    bytes
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The order of the curve whose signatures have this length (SEC 2 §2.4 to §2.6).
fn order(signature_len: usize) -> Vec<u8> {
    unhex(match signature_len {
        64 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        96 => "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        132 => {
            "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409"
        }
        _ => panic!("no curve has signatures of {signature_len} bytes"),
    })
}

/// A signed token changed in the way that the table names.
fn change_token(token: &str, change: &str) -> String {
    let [header, claims, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let bytes = super::super::base64url::decode(signature).unwrap();
    let signed_by = |bytes: &[u8]| format!("{header}.{claims}.{}", encode(bytes));
    // The two halves of an ECDSA signature, one of them replaced.
    let halves = |r: Option<Vec<u8>>, s: Option<Vec<u8>>| {
        let (own_r, own_s) = bytes.split_at(bytes.len() / 2);
        signed_by(&[r.unwrap_or(own_r.into()), s.unwrap_or(own_s.into())].concat())
    };
    let zero = || Some(vec![0; bytes.len() / 2]);
    let n = || Some(order(bytes.len()));
    match change {
        "" => token.into(),
        "empty" => signed_by(&[]),
        "cut" => signed_by(&bytes[..bytes.len() - 1]),
        "longer" => signed_by(&[&bytes[..], &[0]].concat()),
        "zero-before" => signed_by(&[&[0], &bytes[..]].concat()),
        "flip" => signed_by(&flip(&bytes, 0)),
        "flip-last" => signed_by(&flip(&bytes, bytes.len() - 1)),
        "zeros" => signed_by(&vec![0; bytes.len()]),
        "ones" => halves(Some(one(bytes.len() / 2)), Some(one(bytes.len() / 2))),
        "r-is-zero" => halves(zero(), None),
        "s-is-zero" => halves(None, zero()),
        "r-is-n" => halves(n(), None),
        "s-is-n" => halves(None, n()),
        "pad" => format!("{token}=="),
        "space" => format!("{token} "),
        "newline" => format!("{header}.{claims}.{}\n{}", &signature[..4], &signature[4..]),
        "tail" => format!("{header}.{claims}.{}", other_tail(signature)),
        // Whatever the signature: one character of the standard alphabet.
        "std" => format!("{header}.{claims}.{}+/", &signature[..signature.len() - 2]),
        "header-pad" => format!("{header}=.{claims}.{signature}"),
        "header-space" => format!(" {header}.{claims}.{signature}"),
        "claims-pad" => format!("{header}.{claims}=.{signature}"),
        "claims-newline" => format!("{header}.{claims}\n.{signature}"),
        "claims-tail" => format!("{header}.{}.{signature}", other_tail(claims)),
        "claims-changed" => {
            format!("{header}.{}.{signature}", encode(expand(r#"{<iss>,<aud>,"sub":"admin",<iat>,<exp>}"#)))
        }
        "dot-after" => format!("{token}."),
        _ => panic!("no change {change}"),
    }
}

fn one(len: usize) -> Vec<u8> {
    let mut number = vec![0; len];
    number[len - 1] = 1;
    number
}

fn flip(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// The text with another last character that has the same leading bits: a lenient decoder gives the same bytes.
fn other_tail(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = text.bytes().last().unwrap();
    let value = ALPHABET.iter().position(|c| *c == last).unwrap();
    let unused = match text.len() % 4 {
        2 => 0b1111,
        3 => 0b11,
        // All bits are used: one character more, of which none is.
        _ => return format!("{text}A"),
    };
    assert_eq!(value & unused, 0, "the encoder writes zeros");
    format!("{}{}", &text[..text.len() - 1], ALPHABET[value | 1] as char)
}
