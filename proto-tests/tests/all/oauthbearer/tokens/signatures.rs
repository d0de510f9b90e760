//! H-184, H-185, H-186 and H-187: parts, algorithms and signatures.

use aws_lc_rs::hmac;
use proto_tests::Result;
use proto_tests::jose::{Algorithm, SigningKey, b64};
use serde_json::json;

use super::reasons as why;
use super::{Error, In, Invalid, Row, Signer, row, with_signature};

pub fn rows() -> Result<Vec<Row>> {
    Ok([parts()?, algorithms()?, signatures()?, ecdsa()?].into_iter().flatten().collect())
}

fn parts() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let good = s.token(&s.claims())?;
    let [header, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        return Err("no three parts".into());
    };
    let shape = |what: &str, token: String| row(format!("H-184 {what}"), token, Invalid);
    Ok(vec![
        row("a good token of RS256", good.clone(), In),
        row("a good token of ES256", s.es.token(&s.claims())?, In),
        row("H-184 nothing", String::new(), Error),
        shape("one dot", ".".into()),
        shape("two dots", "..".into()),
        shape("three dots", "...".into()),
        shape("one part", header.into()),
        shape("two parts", format!("{header}.{claims}")),
        shape("two parts and a dot", format!("{header}.{claims}.")),
        shape("a dot before", format!(".{good}")),
        shape("a dot behind", format!("{good}.")),
        shape("four parts", format!("{good}.{signature}")),
        shape("five parts", format!("{good}.{signature}.{signature}")),
        shape("an empty header", format!(".{claims}.{signature}")),
        shape("an empty payload", format!("{header}..{signature}")),
        shape("letters", "a.b.c".into()),
        shape("words", "header.payload.signature".into()),
        shape("500,000 dots", ".".repeat(500_000)).front(Error, why::TOO_LONG),
        shape("500,000 letters", "a".repeat(500_000)).front(Error, why::TOO_LONG),
        row("H-184 a blank inside", format!("{header} .{claims}.{signature}"), Error),
        row("H-184 a line break inside", format!("{header}\r\n.{claims}.{signature}"), Error),
        row("H-184 a letter outside of ASCII", format!("{header}\u{e4}.{claims}.{signature}"), Error),
        row("H-184 an equals sign inside", format!("{header}=.{claims}.{signature}"), Error),
        row("H-184 blanks behind", format!("{good}  "), Error),
    ])
}

fn algorithms() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let (rs, es) = (&s.rs.kid, &s.es.kid);
    let claims = s.claims();
    let mut all = Vec::new();
    let names = [
        json!("none"),
        json!("None"),
        json!("nOnE"),
        json!(""),
        json!(null),
        json!(5),
        json!(["RS256"]),
        json!({"RS256": 1}),
        json!(true),
        json!("rs256"),
        json!("RS256 "),
        json!(" RS256"),
        json!("RS256\u{0}"),
        json!("RS1"),
        json!("RS128"),
        json!("HS256"),
        json!("HS384"),
        json!("HS512"),
        json!("ES256"),
        json!("ES256K"),
        json!("EdDSA"),
        json!("RSA-OAEP"),
        json!("dir"),
        json!("A128GCM"),
        json!("RS384"),
        json!("RS512"),
        json!("PS256"),
    ];
    for name in names {
        // An RS256 signature, whatever the header says.
        let header = json!({"alg": name, "kid": rs});
        all.push(row(format!("H-185 alg {name}, signed by RS256"), s.headed(&header.to_string())?, Invalid));
        // And none.
        let bare = with_signature(&header, &claims, |_| Ok(Vec::new()))?;
        all.push(row(format!("H-185 alg {name}, no signature"), bare, Invalid));
    }
    all.push(row("H-185 no alg", s.headed(&json!({"kid": rs}).to_string())?, Invalid));
    all.push(row("H-185 an empty header", s.headed("{}")?, Invalid));
    all.push(row(
        "H-185 none without a kid",
        with_signature(&json!({"alg": "none"}), &claims, |_| Ok(vec![]))?,
        Invalid,
    ));
    // The public key's bytes as the secret of an HMAC, in the forms that a library may have at hand.
    let jwk = s.rs.bare_jwk().to_string();
    let modulus = s.rs.bare_jwk()["n"].as_str().unwrap_or_default().to_owned();
    for (form, secret) in [("JWK", jwk.as_bytes()), ("modulus", modulus.as_bytes()), ("empty", &b""[..])] {
        for kid in [Some(rs), None] {
            let header = kid.map_or(json!({"alg": "HS256"}), |kid| json!({"alg": "HS256", "kid": kid}));
            let sign =
                |input: &[u8]| Ok(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input).as_ref().to_vec());
            let what = format!("H-185 HS256 with the public key ({form}), kid {kid:?}");
            all.push(row(what, with_signature(&header, &claims, sign)?, Invalid));
        }
    }
    let signed = |alg: &str, kid: &str, sign: &dyn Fn(&[u8]) -> Result<Vec<u8>>| {
        with_signature(&json!({"alg": alg, "kid": kid}), &claims, sign)
    };
    all.push(row("H-185 RS256 under the EC key's id", signed("RS256", es, &|i| s.rs.sign(i))?, Invalid));
    all.push(row("H-185 ES256 under the RSA key's id", signed("ES256", rs, &|i| s.es.sign(i))?, Invalid));
    all.push(row("H-185 ES256 signature called RS256", signed("RS256", es, &|i| s.es.sign(i))?, Invalid));
    // The key is published for RS256 alone; Kafka takes any algorithm that fits an RSA key.
    let others = [Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512];
    for algorithm in others {
        let token = signed(algorithm.name(), rs, &|i| s.rs.sign_by(algorithm, i))?;
        let what = format!("H-185 {} by the key of RS256", algorithm.name());
        all.push(row(what, token, In).front(Invalid, why::ALGORITHM));
    }
    Ok(all)
}

fn signatures() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let foreign = SigningKey::new(&s.rs.kid, Algorithm::Rs256)?;
    let good = s.token(&s.claims())?;
    let (input, signature) = good.rsplit_once('.').ok_or("no signature")?;
    let bytes = s.rs.sign(input.as_bytes())?;
    let with = |signature: String| format!("{input}.{signature}");
    let (header, claims) = input.split_once('.').ok_or("no two parts")?;
    let mallory = b64(s.issuer.claims("mallory").to_string().as_bytes());
    let standard = signature.replace('-', "+").replace('_', "/");
    let mut all = vec![
        row("H-186 another key's signature", foreign.token(&s.claims())?, Invalid),
        row("H-186 another payload", format!("{header}.{mallory}.{signature}"), Invalid),
        row("H-186 another header", format!("{}.{claims}.{signature}", b64(br#"{"alg":"RS256"}"#)), Invalid),
        row("H-186 no signature", with(String::new()), Invalid),
        row("H-186 one byte", with("AA".into()), Invalid),
        row("H-186 its last byte cut", with(b64(&bytes[..255])), Invalid),
        row("H-186 its first byte cut", with(b64(&bytes[1..])), Invalid),
        row("H-186 a zero before it", with(b64(&[&[0], &bytes[..]].concat())), Invalid),
        row("H-186 a zero behind it", with(b64(&[&bytes[..], &[0]].concat())), Invalid),
        row("H-186 twice", with(b64(&bytes.repeat(2))), Invalid),
        row("H-186 zeroes", with(b64(&[0; 256])), Invalid),
        row("H-186 ones", with(b64(&[0xff; 256])), Invalid),
        row("H-186 the padding of base64", with(format!("{signature}==")), In).front(Invalid, why::BASE64),
        row("H-186 one equals sign too few", with(format!("{signature}=")), In).front(Invalid, why::BASE64),
        row("H-186 three equals signs", with(format!("{signature}===")), In).front(Invalid, why::BASE64),
        row("H-186 one letter cut", with(signature[..signature.len() - 1].into()), Invalid),
        row("H-186 one letter more", with(format!("{signature}A")), Invalid),
    ];
    if standard != signature {
        all.push(row("H-186 the standard alphabet", with(standard), In).front(Invalid, why::BASE64));
    }
    for bit in [0, 1000, 2047] {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        all.push(row(format!("H-186 bit {bit} flipped"), with(b64(&flipped)), Invalid));
    }
    // 256 bytes are 342 letters, whose last one has four bits that mean nothing; 64 bytes are 86, likewise.
    let es = s.es.token(&s.claims())?;
    all.push(row("H-186 RS256 with other bits behind the end", other_tail(&good), In).front(Invalid, why::BASE64));
    all.push(row("H-186 ES256 with other bits behind the end", other_tail(&es), In).front(Invalid, why::BASE64));
    Ok(all)
}

/// Another last letter that means the same bytes to who is not strict.
fn other_tail(token: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let value = LETTERS.iter().position(|l| [*l] == last.as_bytes()).unwrap_or_default();
    format!("{rest}{}", char::from(LETTERS[value ^ 1]))
}

fn ecdsa() -> Result<Vec<Row>> {
    // The order of P-256.
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let s = Signer::new()?;
    let (header, claims) = (json!({"alg": "ES256", "kid": s.es.kid}), s.claims());
    let made = |what: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>, want| {
        let token = with_signature(&header, &claims, |input| Ok(change(s.es.sign(input)?)))?;
        Ok::<Row, String>(row(format!("H-187 {what}"), token, want))
    };
    let one: [u8; 32] = std::array::from_fn(|i| u8::from(i == 31));
    Ok(vec![
        made("as it is", &|sig| sig, In)?,
        made("r = 0, s = 0", &|_| vec![0; 64], Invalid)?,
        made("r = 0", &|sig| [&[0; 32], &sig[32..]].concat(), Invalid)?,
        made("s = 0", &|sig| [&sig[..32], &[0; 32]].concat(), Invalid)?,
        made("r = n, s = n", &|_| [N, N].concat(), Invalid)?,
        made("r = n", &|sig| [&N, &sig[32..]].concat(), Invalid)?,
        made("s = n", &|sig| [&sig[..32], &N].concat(), Invalid)?,
        made("r = 1, s = 1", &|_| [one, one].concat(), Invalid)?,
        made("r = n, s = 1", &|_| [N, one].concat(), Invalid)?,
        made("all ones", &|_| vec![0xff; 64], Invalid)?,
        made("r and s the wrong way round", &|sig| [&sig[32..], &sig[..32]].concat(), Invalid)?,
        made("DER", &|sig| der(&sig), Invalid)?,
        made("63 bytes", &|sig| sig[..63].to_vec(), Invalid)?,
        made("65 bytes", &|sig| [&sig[..], &[0]].concat(), Invalid)?,
        made("two bytes of zeroes inside", &|sig| [&[0], &sig[..32], &[0], &sig[32..]].concat(), Invalid)?,
        made("nothing", &|_| Vec::new(), Invalid)?,
    ])
}

/// The signature as X.509 has it.
fn der(signature: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| {
        let mut digits: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
        if digits.first().is_none_or(|b| b & 0x80 != 0) {
            digits.insert(0, 0);
        }
        [&[2, digits.len() as u8], &digits[..]].concat()
    };
    let both = [number(&signature[..32]), number(&signature[32..])].concat();
    [&[0x30, both.len() as u8], &both[..]].concat()
}
