//! The DER that certificates and lists of revoked ones are made of, written by hand: so that a name can hold what no tool would
//! write into it.

use std::time::{SystemTime, UNIX_EPOCH};

pub const UTF8: u8 = 12;
pub const PRINTABLE: u8 = 19;
pub const TELETEX: u8 = 20;
pub const IA5: u8 = 22;
pub const UNIVERSAL: u8 = 28;
pub const BMP: u8 = 30;

/// One value: tag, length, what it holds.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=127 => out.push(short as u8),
        long => {
            let bytes: Vec<u8> = (long as u32).to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
            out.push(0x80 | bytes.len() as u8);
            out.extend(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}

pub fn seq(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub fn octets(content: &[u8]) -> Vec<u8> {
    tlv(4, content)
}

pub fn bits(content: &[u8]) -> Vec<u8> {
    tlv(3, &[&[0], content].concat())
}

/// An integer that is not negative.
pub fn integer(n: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = n.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
    if bytes.first().is_none_or(|b| *b > 127) {
        bytes.insert(0, 0);
    }
    tlv(2, &bytes)
}

pub fn boolean(value: bool) -> Vec<u8> {
    tlv(1, &[if value { 0xff } else { 0 }])
}

/// An object identifier from its dotted text.
pub fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u32> = dotted.split('.').map(|arc| arc.parse().expect("an arc is a number")).collect();
    let mut out = Vec::new();
    for arc in std::iter::once(arcs[0] * 40 + arcs[1]).chain(arcs[2..].iter().copied()) {
        let mut septets = vec![(arc & 0x7f) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            septets.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.extend(septets.iter().rev());
    }
    tlv(6, &out)
}

/// A time that many seconds from now: UTCTime up to 2049, GeneralizedTime after it (RFC 5280, 4.1.2.5).
pub fn time(seconds_from_now: i64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
    let at = now + seconds_from_now;
    let (days, rest) = (at.div_euclid(86_400), at.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let clock = format!("{month:02}{day:02}{:02}{:02}{:02}Z", rest / 3600, rest / 60 % 60, rest % 60);
    if year < 2050 {
        tlv(23, format!("{:02}{clock}", year % 100).as_bytes())
    } else {
        tlv(24, format!("{year:04}{clock}").as_bytes())
    }
}

/// Year, month and day of a day counted from 1970-01-01 (the proleptic Gregorian calendar, in eras of 400 years).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Base64 in lines between the two marks of PEM.
pub fn pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in der.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = ALPHABET[(n >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|l| std::str::from_utf8(l).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_calendar() {
        for (days, date) in [(0, (1970, 1, 1)), (11_016, (2000, 2, 29)), (20_779, (2026, 11, 22)), (-1, (1969, 12, 31))]
        {
            assert_eq!(civil(days), date, "{days}");
        }
    }

    #[test]
    fn writes_oids_and_base64() {
        assert_eq!(oid("1.2.840.113549.1.9.1"), [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1]);
        assert_eq!(pem("X", b"abcd").lines().nth(1), Some("YWJjZA=="));
        assert_eq!(pem("X", b"abcde").lines().nth(1), Some("YWJjZGU="));
        assert_eq!(integer(128), [2, 2, 0, 128]);
    }
}
