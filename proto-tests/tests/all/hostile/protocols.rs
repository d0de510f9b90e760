//! H-080 to H-088: other protocols on a Kafka port, and noise.

use proto_tests::hostile::{Case, Ending::*};

use super::{Differ, nothing, row, send};

pub fn cases() -> Vec<Case> {
    let mut all: Vec<Case> = [
        ("H-080 HTTP GET", &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..]),
        ("H-081 HTTP POST", b"POST / HTTP/1.1\r\n\r\n"),
        ("H-081 HTTP HEAD", b"HEAD / HTTP/1.1\r\n\r\n"),
        ("H-081 HTTP OPTIONS", b"OPTIONS * HTTP/1.1\r\n\r\n"),
        ("H-081 HTTP CONNECT", b"CONNECT x:443 HTTP/1.1\r\n\r\n"),
        ("H-081 HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("H-082 TLS ClientHello", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"),
        ("H-083 SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("H-083 SMTP", b"EHLO example.org\r\n"),
        ("H-083 Redis", b"*1\r\n$4\r\nPING\r\n"),
        ("H-084 PROXY v1", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"),
        ("H-084 PROXY v2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x01\0\x02"),
    ]
    .into_iter()
    .map(|(id, bytes)| row(id, send(bytes.to_vec()), nothing(Delayed)))
    .collect();
    all.push(
        row("H-083 PostgreSQL SSLRequest", send(vec![0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]), nothing(Open))
            .but_front(nothing(Deadline)),
    );
    for seed in 1..=40u64 {
        all.push(row(&format!("H-088 noise {seed}"), send(noise(seed, 64 << 10)), nothing(Delayed)));
    }
    all
}

/// Bytes of an xorshift generator: the same for the same seed. The first is never 0, so that the size is always too large.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut out: Vec<u8> = (0..len)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 32) as u8
        })
        .collect();
    out[0] |= 1;
    out
}
