//! H-198: payloads and headers that are no JSON, or not quite.

use proto_tests::Result;
use proto_tests::jose::b64;

use super::reasons as why;
use super::{Error, In, Invalid, Row, Signer, Want, row};

pub fn rows() -> Result<Vec<Row>> {
    Ok([payloads()?, headers()?].into_iter().flatten().collect())
}

fn payloads() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let claims = s.claims().to_string();
    let inside = claims.trim_start_matches('{').trim_end_matches('}').to_owned();
    let made = |what: &str, payload: &[u8], want: Want| -> Result<Row> {
        Ok(row(format!("H-198 {what}"), s.payload(payload)?, want))
    };
    let nested = |n: usize| format!("{{\"x\":{}{},{inside}}}", "[".repeat(n), "]".repeat(n));
    let filled = |n: usize| format!("{{\"x\":\"{}\",{inside}}}", "y".repeat(n));
    Ok(vec![
        made("nothing", b"", Invalid)?,
        made("no JSON", b"sub=alice", Invalid)?,
        made("a list", format!("[{claims}]").as_bytes(), Invalid)?,
        made("a text", b"\"alice\"", Invalid)?,
        made("a number", b"5", Invalid)?,
        made("null", b"null", Invalid)?,
        made("an empty object", b"{}", Invalid)?,
        made("white space around", format!(" \r\n\t{claims}\n").as_bytes(), In)?,
        made("10 deep", nested(10).as_bytes(), In)?,
        made("10,000 deep", nested(10_000).as_bytes(), In)?.front(Invalid, why::DEEP),
        made("100,000 deep", nested(100_000).as_bytes(), In)?.front(Error, why::TOO_LONG),
        made("40 KiB", filled(40 << 10).as_bytes(), In)?,
        made("300 KiB", filled(300 << 10).as_bytes(), In)?.front(Error, why::TOO_LONG),
        made("bytes that are no UTF-8", &[b"{\"x\":\"\xff\xfe\",", inside.as_bytes(), b"}"].concat(), In)?
            .front(Invalid, why::JSON),
        made("a name that is no UTF-8", &[b"{\"\xff\":1,", inside.as_bytes(), b"}"].concat(), In)?
            .front(Invalid, why::JSON),
        made("an overlong letter", &[b"{\"x\":\"\xc1\xa1\",", inside.as_bytes(), b"}"].concat(), In)?
            .front(Invalid, why::JSON),
        made("half a pair of surrogates", format!(r#"{{"x":"\ud800",{inside}}}"#).as_bytes(), In)?
            .front(Invalid, why::JSON),
        made("a byte order mark", format!("\u{feff}{claims}").as_bytes(), Invalid)?,
        made("more behind it", format!("{claims}{{}}").as_bytes(), Invalid)?,
        made("a NUL behind it", format!("{claims}\u{0}").as_bytes(), Invalid)?,
        made("a comma too many", format!("{{{inside},}}").as_bytes(), In)?.front(Invalid, why::JSON),
        made("a comma too few", format!("{{\"x\":1 {inside}}}").as_bytes(), In)?.front(Invalid, why::JSON),
        made("a comment", format!("{{/* x */{inside}}}").as_bytes(), Invalid)?,
        made("single quotes", format!("{{'x':1,{inside}}}").as_bytes(), Invalid)?,
        made("a name without quotes", format!("{{x:1,{inside}}}").as_bytes(), Invalid)?,
        made("NaN", format!("{{\"x\":NaN,{inside}}}").as_bytes(), Invalid)?,
        made("Infinity", format!("{{\"x\":Infinity,{inside}}}").as_bytes(), Invalid)?,
        made("a plus before a number", format!("{{\"x\":+1,{inside}}}").as_bytes(), Invalid)?,
        made("a zero before a number", format!("{{\"x\":01,{inside}}}").as_bytes(), In)?.front(Invalid, why::JSON),
        made("a hexadecimal number", format!("{{\"x\":0x7f,{inside}}}").as_bytes(), Invalid)?,
        made("a number of 10,000 digits", format!("{{\"x\":{},{inside}}}", "9".repeat(10_000)).as_bytes(), In)?
            .front(Invalid, why::JSON),
        made("a control character in a text", format!("{{\"x\":\"\u{1}\",{inside}}}").as_bytes(), In)?
            .front(Invalid, why::JSON),
        made("a line break in a text", format!("{{\"x\":\"\n\",{inside}}}").as_bytes(), In)?.front(Invalid, why::JSON),
        made("an end that is missing", &claims.as_bytes()[..claims.len() - 1], Invalid)?,
        made("the object twice", claims.repeat(2).as_bytes(), Invalid)?,
    ])
}

fn headers() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let header = s.header().to_string();
    let inside = header.trim_start_matches('{').trim_end_matches('}').to_owned();
    let made = |what: &str, header: &[u8], want: Want| -> Result<Row> {
        let token = s.rs.token_of(header, s.claims().to_string().as_bytes())?;
        Ok(row(format!("H-198 a header with {what}"), token, want))
    };
    let good = s.token(&s.claims())?;
    Ok(vec![
        made("white space around", format!(" {header}\n").as_bytes(), In)?,
        made("no JSON", b"alg=RS256", Invalid)?,
        made("a list", format!("[{header}]").as_bytes(), Invalid)?,
        made("null", b"null", Invalid)?,
        made("a byte order mark", format!("\u{feff}{header}").as_bytes(), Invalid)?,
        made("more behind it", format!("{header}x").as_bytes(), Invalid)?,
        made(
            "10,000 levels",
            format!("{{\"x\":{}{},{inside}}}", "[".repeat(10_000), "]".repeat(10_000)).as_bytes(),
            In,
        )?
        .front(Invalid, why::DEEP),
        made("bytes that are no UTF-8", &[b"{\"x\":\"\xff\",", inside.as_bytes(), b"}"].concat(), In)?
            .front(Invalid, why::JSON),
        row("H-198 a header that is no base64", format!("!{}", &good[1..]), Error),
        row(
            "H-198 a header of one letter",
            format!("e.{}", good.split_once('.').map_or("", |(_, rest)| rest)),
            Invalid,
        ),
        // Signed as they stand, padding and all.
        padded(&s, true)?,
        padded(&s, false)?,
    ])
}

/// A token whose header, or payload, is base64 in the standard alphabet.
fn padded(s: &Signer, header: bool) -> Result<Row> {
    let standard = |bytes: &[u8]| b64(bytes).replace('-', "+").replace('_', "/");
    // Three of these letters make sure that the two alphabets differ.
    let text = |json: String| json.replacen('{', "{\"x\":\"\u{7ff}\u{7ff}\u{7ff}???>>>~~~\",", 1);
    let (head, claims) = (text(s.header().to_string()), text(s.claims().to_string()));
    let input = match header {
        true => format!("{}.{}", standard(head.as_bytes()), b64(claims.as_bytes())),
        false => format!("{}.{}", b64(head.as_bytes()), standard(claims.as_bytes())),
    };
    let token = format!("{input}.{}", b64(&s.rs.sign(input.as_bytes())?));
    let part = if header { "header" } else { "payload" };
    Ok(row(format!("H-186 a {part} in the standard alphabet"), token, In).front(Invalid, why::BASE64))
}
