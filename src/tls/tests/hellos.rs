//! H-093 and H-094: the first bytes of clients that are too old or offer nothing that we have. Each must be answered by an alert,
//! and the connection ended.

use rustls::ServerConnection;

use super::fixture::*;
use crate::config::ListenerTlsConfig;

const FATAL: u8 = 2;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const ILLEGAL_OR_UNREADABLE: &[u8] = &[10, 47, 50];

/// What the server sends back before it gives up.
fn answer(settings: &ListenerTlsConfig, bytes: &[u8]) -> Vec<u8> {
    let mut server = ServerConnection::new(server(settings).config().clone()).unwrap();
    let mut rest = bytes;
    let mut ended = false;
    while !rest.is_empty() && !ended {
        server.read_tls(&mut rest).unwrap();
        ended = server.process_new_packets().is_err();
    }
    assert!(ended, "the server waits for more after {bytes:02x?}");
    let mut out = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut out).unwrap();
    }
    out
}

/// The description of the only alert in `answer`.
fn alert(answer: &[u8]) -> u8 {
    let [21, 3, _, 0, 2, FATAL, description] = answer else { panic!("no alert alone: {answer:02x?}") };
    *description
}

/// A ClientHello (RFC 5246 section 7.4.1.2): legacy version, suites, groups, and the versions of `supported_versions`, if any.
fn hello(record: u16, version: u16, suites: &[u16], groups: &[u16], supported: &[u16]) -> Vec<u8> {
    fn list(numbers: &[u16]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
    }
    fn sized(bytes: &[u8], width: usize) -> Vec<u8> {
        let length = (bytes.len() as u32).to_be_bytes();
        [&length[4 - width..], bytes].concat()
    }
    let extension = |kind: u16, body: Vec<u8>| [&kind.to_be_bytes()[..], &sized(&body, 2)].concat();
    let mut extensions = extension(10, sized(&list(groups), 2));
    extensions.extend(extension(11, vec![1, 0]));
    // ecdsa_secp256r1_sha256, rsa_pss_rsae_sha256, rsa_pkcs1_sha256
    extensions.extend(extension(13, sized(&list(&[0x0403, 0x0804, 0x0401]), 2)));
    if !supported.is_empty() {
        extensions.extend(extension(43, sized(&list(supported), 1)));
        // A key share of X25519 that is no point of small order.
        let share = [&[0, 29][..], &sized(&[9; 32], 2)].concat();
        extensions.extend(extension(51, sized(if groups.contains(&29) { &share } else { &[] }, 2)));
    }
    let body = [&version.to_be_bytes()[..], &[7; 32], &[0], &sized(&list(suites), 2), &[1, 0], &sized(&extensions, 2)]
        .concat();
    let handshake = [&[1][..], &sized(&body, 3)].concat();
    [&[22][..], &record.to_be_bytes(), &sized(&handshake, 2)].concat()
}

const GOOD_SUITES: &[u16] = &[0xc02b, 0xc02f];
const GOOD_GROUPS: &[u16] = &[29, 23];

/// The helper makes hellos that are good but for what a test changes.
#[test]
fn a_good_hello_is_answered() {
    let tls = server(&listener(pem_file("plain.pem")));
    for (supported, suites) in [(&[][..], GOOD_SUITES), (&[0x0304][..], &[0x1301])] {
        let bytes = hello(0x0301, 0x0303, suites, GOOD_GROUPS, supported);
        let mut server = ServerConnection::new(tls.config().clone()).unwrap();
        server.read_tls(&mut &bytes[..]).unwrap();
        server.process_new_packets().unwrap();
        assert!(server.wants_write());
    }
}

#[test]
fn h_093_versions_of_the_past() {
    let settings = listener(pem_file("plain.pem"));
    for version in [0x0300, 0x0301, 0x0302] {
        let bytes = hello(version, version, GOOD_SUITES, GOOD_GROUPS, &[]);
        assert_eq!(alert(&answer(&settings, &bytes)), PROTOCOL_VERSION, "{version:04x}");
        // The same by the extension of TLS 1.3 (RFC 8446 section 4.2.1).
        let bytes = hello(0x0301, 0x0303, GOOD_SUITES, GOOD_GROUPS, &[version]);
        assert_eq!(alert(&answer(&settings, &bytes)), PROTOCOL_VERSION, "{version:04x} supported");
    }
    // As clients of that time send it: without extensions at all.
    for version in [0x0300u16, 0x0301, 0x0302] {
        let body = [&version.to_be_bytes()[..], &[7; 32], &[0, 0, 4, 0, 0x2f, 0, 0x35, 1, 0]].concat();
        let sizes = |n: usize| (n as u16).to_be_bytes();
        let handshake = [&[1, 0][..], &sizes(body.len()), &body].concat();
        let bytes = [&[22][..], &version.to_be_bytes(), &sizes(handshake.len()), &handshake].concat();
        let alert = alert(&answer(&settings, &bytes));
        assert!([HANDSHAKE_FAILURE, PROTOCOL_VERSION].contains(&alert), "{version:04x}: {alert}");
    }
    // SSLv2: 46 bytes, CLIENT-HELLO, version 2, three cipher kinds, a challenge.
    let mut sslv2 = vec![0x80, 0x2e, 1, 0, 2, 0, 9, 0, 0, 0, 16, 1, 0, 0x80, 2, 0, 0x80, 7, 0, 0xc0];
    sslv2.resize(48, 5);
    let answer = answer(&settings, &sslv2);
    assert!(answer.is_empty() || ILLEGAL_OR_UNREADABLE.contains(&alert(&answer)), "{answer:02x?}");
}

#[test]
fn h_094_nothing_in_common() {
    let settings = listener(pem_file("plain.pem"));
    for (name, suites) in [
        ("NULL", &[0x0001, 0x003b][..]),
        ("EXPORT", &[0x0003, 0x0008]),
        ("RC4", &[0x0004, 0xc007, 0xc011]),
        ("3DES", &[0x000a, 0xc008]),
        ("anonymous", &[0x0034, 0xc018]),
        ("CBC", &[0xc009, 0xc013, 0x002f]),
        ("static RSA", &[0x009c]),
        ("the other kind of key", &[0xc02f]),
        ("unknown", &[0xfafa]),
    ] {
        let bytes = hello(0x0301, 0x0303, suites, GOOD_GROUPS, &[]);
        assert_eq!(alert(&answer(&settings, &bytes)), HANDSHAKE_FAILURE, "{name}");
        let bytes = hello(0x0301, 0x0303, suites, GOOD_GROUPS, &[0x0304]);
        assert_eq!(alert(&answer(&settings, &bytes)), HANDSHAKE_FAILURE, "{name} in TLS 1.3");
    }
    // secp160r1 and sect163k1.
    for supported in [&[][..], &[0x0304]] {
        let suites = if supported.is_empty() { GOOD_SUITES } else { &[0x1301] };
        let bytes = hello(0x0301, 0x0303, suites, &[16, 1], supported);
        assert_eq!(alert(&answer(&settings, &bytes)), HANDSHAKE_FAILURE, "groups");
    }
}
