//! Hand-made bytes: for what no codec would ever write.

/// `len` + body.
pub fn framed(body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(body);
    out
}

pub fn i16s(n: i16) -> [u8; 2] {
    n.to_be_bytes()
}

pub fn i32s(n: i32) -> [u8; 4] {
    n.to_be_bytes()
}

/// int16 length + bytes.
pub fn string(s: &[u8]) -> Vec<u8> {
    let mut out = (s.len() as i16).to_be_bytes().to_vec();
    out.extend_from_slice(s);
    out
}

/// int32 length + bytes.
pub fn blob(s: &[u8]) -> Vec<u8> {
    let mut out = (s.len() as i32).to_be_bytes().to_vec();
    out.extend_from_slice(s);
    out
}

pub fn uvarint(mut n: u32) -> Vec<u8> {
    let mut out = Vec::new();
    while n > 0x7f {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

/// varint(length + 1) + bytes.
pub fn compact(s: &[u8]) -> Vec<u8> {
    let mut out = uvarint(s.len() as u32 + 1);
    out.extend_from_slice(s);
    out
}

/// Several pieces in a row.
pub fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Request header v1: correlation id 1, client id "c".
pub fn hdr1(key: i16, version: i16) -> Vec<u8> {
    cat(&[&i16s(key), &i16s(version), &i32s(1), &string(b"c")])
}

/// Request header v2: the same with no tagged fields.
pub fn hdr2(key: i16, version: i16) -> Vec<u8> {
    cat(&[&hdr1(key, version), &[0]])
}

/// ApiVersions v3 with that software name and version.
pub fn api_versions3(name: &[u8], version: &[u8]) -> Vec<u8> {
    framed(&cat(&[&hdr2(18, 3), &compact(name), &compact(version), &[0]]))
}

/// SaslHandshake of that version.
pub fn handshake(version: i16, mechanism: &[u8]) -> Vec<u8> {
    framed(&cat(&[&hdr1(17, version), &string(mechanism)]))
}

/// SaslAuthenticate v1 with that token.
pub fn authenticate(token: &[u8]) -> Vec<u8> {
    framed(&cat(&[&hdr1(36, 1), &blob(token)]))
}

/// The answer to SaslAuthenticate v1 that refuses with `message`, correlation id 1.
pub fn refused(code: i16, message: &str) -> Vec<u8> {
    framed(&cat(&[&i32s(1), &i16s(code), &string(message.as_bytes()), &i32s(0), &[0; 8]]))
}

/// The answer to SaslAuthenticate v1 that accepts, with no session limit.
pub fn accepted() -> Vec<u8> {
    framed(&cat(&[&i32s(1), &i16s(0), &string(b""), &i32s(0), &[0; 8]]))
}

/// The answer to a SaslHandshake when PLAIN is the only mechanism.
pub fn handshake_reply(code: i16) -> Vec<u8> {
    framed(&cat(&[&i32s(1), &i16s(code), &i32s(1), &string(b"PLAIN")]))
}

/// The answer to an ApiVersions of an unknown version: v0, error 35, one row for ApiVersions itself.
pub fn version_fallback() -> Vec<u8> {
    framed(&cat(&[&i32s(1), &i16s(35), &i32s(1), &i16s(18), &i16s(0), &i16s(4)]))
}
