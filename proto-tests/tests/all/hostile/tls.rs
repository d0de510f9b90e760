//! H-080, H-086, H-088 and H-090 to H-106 before the end of a TLS handshake: bytes that are none, and ClientHellos of every make.

use proto_tests::hostile::{Case, Ending, Ending::*, Expect, Listener, Reply, Step};
use proto_tests::wire::bytes::{cat, handshake};

use super::protocols::noise;
use super::{Differ, nothing, send, versions3};

/// Alerts by their numbers (RFC 8446, 6).
const UNEXPECTED_MESSAGE: u8 = 10;
const RECORD_OVERFLOW: u8 = 22;
const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;
const PROTOCOL_VERSION: u8 = 70;
const INTERNAL_ERROR: u8 = 80;
const MISSING_EXTENSION: u8 = 109;

/// What any server may say to bytes that it can't read.
const ANY: [u8; 8] = [
    UNEXPECTED_MESSAGE,
    RECORD_OVERFLOW,
    HANDSHAKE_FAILURE,
    ILLEGAL_PARAMETER,
    DECODE_ERROR,
    PROTOCOL_VERSION,
    INTERNAL_ERROR,
    MISSING_EXTENSION,
];

/// ECDHE-ECDSA-AES128-GCM-SHA256, and with AES256.
const GOOD: [u16; 2] = [0xc02b, 0xc02c];

fn tls(id: &str, steps: Vec<Step>, both: Expect) -> Case {
    Case { id: id.into(), listener: Listener::Ssl, steps, front: both.clone(), kafka: Some(both) }
}

fn alert(codes: &[u8], end: Ending) -> Expect {
    Expect { reply: Reply::Alert(codes.to_vec()), end }
}

/// The server says hello and waits for more: doorkeeper until the deadline, a broker until the connection is idle for minutes.
fn greeted(id: &str, steps: Vec<Step>) -> Case {
    let hello = |end| Expect { reply: Reply::Hello, end };
    tls(id, steps, hello(Open)).but_front(hello(Deadline))
}

/// Nothing is answered, for there is no whole message yet.
fn held(id: &str, steps: Vec<Step>) -> Case {
    tls(id, steps, nothing(Open)).but_front(nothing(Deadline))
}

/// Turned away, with one of these alerts at doorkeeper, somehow at a broker.
fn refused(id: &str, bytes: Vec<u8>, codes: &[u8]) -> Case {
    let kafka = Expect { reply: Reply::Whatever, end: Closed };
    tls(id, send(bytes), kafka).but_front(alert(codes, Closed))
}

pub fn cases() -> Vec<Case> {
    [not_tls(), hellos(), names()].into_iter().flatten().collect()
}

fn not_tls() -> Vec<Case> {
    // A close without a word would do as well: what is said to something that speaks no TLS is nobody's loss.
    let no_tls = |id: &str, bytes: Vec<u8>| {
        let any = Expect { reply: Reply::Whatever, end: Closed };
        tls(id, send(bytes), any)
    };
    let hello = Hello::new().record();
    let mut all = vec![
        no_tls("H-080 HTTP GET on a TLS port", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        no_tls("H-083 SSH on a TLS port", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        no_tls("H-084 PROXY v1 on a TLS port", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n".to_vec()),
        no_tls("H-086 ApiVersions on a TLS port", versions3()),
        no_tls("H-086 SaslHandshake on a TLS port", handshake(1, b"PLAIN")),
        no_tls("H-105 ApiVersions, then ClientHello", cat(&[&versions3(), &hello])),
        held("H-090 silence on a TLS port", vec![]),
        held("H-090 one byte of a ClientHello", send(hello[..1].to_vec())),
        held("H-090 half a ClientHello", send(hello[..hello.len() / 2].to_vec())),
        // A length that no ClientHello has: refused at once, or waited for until the deadline.
        no_tls("H-092 16 MiB announced in 9 bytes", vec![22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff]),
        tls(
            "H-031 ClientHello then FIN",
            vec![Step::Send(hello.clone()), Step::Finish],
            Expect { reply: Reply::Whatever, end: Closed },
        ),
        tls("H-032 RST inside a ClientHello", vec![Step::Send(hello[..40].to_vec()), Step::Reset], nothing(Gone)),
    ];
    let mut sasl = no_tls("H-086 SaslHandshake on SASL_SSL", handshake(1, b"PLAIN"));
    sasl.listener = Listener::SaslSsl;
    all.push(sasl);
    for seed in 101..=120u64 {
        // A first byte of 22 and a version of 3.1 lead it further in.
        let mut bytes = noise(seed, 64 << 10);
        if seed % 2 == 0 {
            bytes[..5].copy_from_slice(&[22, 3, 1, 0x10, 0]);
            if seed % 4 == 0 {
                bytes[5..9].copy_from_slice(&[1, 0, 0x0f, 0xfc]);
            }
        }
        all.push(no_tls(&format!("H-088 noise {seed} on a TLS port"), bytes));
    }
    all
}

fn hellos() -> Vec<Case> {
    let good = || Hello::new();
    let one_byte_records = good().message().iter().flat_map(|b| [22, 3, 1, 0, 1, *b]).collect::<Vec<u8>>();
    let ciphers =
        |id: &str, list: &[u16]| refused(id, Hello { ciphers: list.to_vec(), ..good() }.record(), &[HANDSHAKE_FAILURE]);
    let old = |id: &str, version: u16| refused(id, Hello { version, ..good() }.record(), &[PROTOCOL_VERSION]);
    let first = |id: &str, bytes: Vec<u8>| refused(id, bytes, &ANY);
    let empty = cat(&[&[22, 3, 1, 0, 0].repeat(100), &good().record()]);
    let mut cut = good().record();
    // The message says one byte more than its last extension has.
    let last = cut.len() - 1;
    cut.truncate(last);
    cut[4] -= 1;
    cut[8] -= 1;
    vec![
        greeted("H-090 ClientHello, then silence", send(good().record())),
        greeted("H-091 ClientHello in records of one byte", send(one_byte_records.clone())),
        greeted("H-091 the same byte by byte", vec![Step::Bytewise(one_byte_records)]),
        first(
            "H-093 SSLv2 hello",
            cat(&[&[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10], &[1, 0, 0x80].repeat(7), &[7; 16]]),
        ),
        old("H-093 SSLv3", 0x0300),
        old("H-093 TLS 1.0", 0x0301),
        old("H-093 TLS 1.1", 0x0302),
        refused(
            "H-093 supported_versions with 1.1 and 1.0 only",
            good().with(43, &[4, 3, 2, 3, 1]).record(),
            &[PROTOCOL_VERSION],
        ),
        ciphers("H-094 NULL ciphers", &[0x0001, 0x0002, 0x003b, 0xc006, 0xc010]),
        ciphers("H-094 EXPORT ciphers", &[0x0003, 0x0006, 0x0008, 0x0011, 0x0014]),
        ciphers("H-094 RC4", &[0x0004, 0x0005, 0xc007, 0xc011]),
        ciphers("H-094 3DES", &[0x000a, 0x0016, 0xc008, 0xc012]),
        ciphers("H-094 anonymous", &[0x0034, 0x006d, 0x00a6, 0xc018, 0xc019]),
        ciphers("H-094 no ciphers that anyone knows", &[0x5a5a, 0xfafa]),
        refused(
            "H-094 no group that anyone knows",
            Hello { groups: vec![0x5a5a], ..good() }.record(),
            &[HANDSHAKE_FAILURE, ILLEGAL_PARAMETER],
        ),
        refused("H-094 empty cipher list", Hello { ciphers: vec![], ..good() }.record(), &ANY),
        greeted("H-096 ALPN http/1.1", send(good().with(16, b"\0\x09\x08http/1.1").record())),
        greeted("H-096 ALPN of noise", send(good().with(16, b"\0\x05\x04\xff\x00\x01\x02").record())),
        greeted("H-106 compression", send(Hello { compressions: vec![1, 0], ..good() }.record())),
        // Java never looks at the list.
        greeted("H-106 compression only", send(Hello { compressions: vec![1], ..good() }.record()))
            .but_front(alert(&ANY, Closed)),
        greeted("H-106 heartbeat extension", send(good().with(15, &[1]).record())),
        greeted("H-106 an unknown extension of 8000 bytes", send(good().with(0xfe01, &[7; 8000]).record())),
        first("H-104 a heartbeat record first", vec![24, 3, 3, 0, 3, 1, 0x40, 0]),
        first("H-104 application data first", cat(&[&[23, 3, 3, 0, 5], b"hello"])),
        first("H-104 ChangeCipherSpec first", vec![20, 3, 3, 0, 1, 1]),
        tls(
            "H-104 a fatal alert first",
            send(vec![21, 3, 3, 0, 2, 2, 40]),
            Expect { reply: Reply::Whatever, end: Closed },
        ),
        first("H-104 a Finished first", cat(&[&[22, 3, 3, 0, 16, 20, 0, 0, 12], &[7; 12]])),
        first("H-104 a record of 65535 bytes", cat(&[&[22, 3, 1, 0xff, 0xff, 1, 0, 0xff, 0xfb], &[0; 65_531]])),
        // Handshake records must not be empty (RFC 8446, 5.1): a hundred of them are an attack.
        tls(
            "H-101 a hundred empty records before the hello",
            send(empty),
            Expect { reply: Reply::Whatever, end: Gone },
        ),
        first("H-093 a hello that lies about its extensions", cut),
        first("H-093 a session id of 33 bytes", Hello { session: vec![9; 33], ..good() }.record()),
        first("H-093 two hellos at once", cat(&[&good().record(), &good().record()])),
    ]
}

/// H-095: the name that the client asks for. The listener routes by port: no name is used, and every one is taken that is one.
fn names() -> Vec<Case> {
    let name = |bytes: &[u8]| {
        let entry = cat(&[&[0], &(bytes.len() as u16).to_be_bytes(), bytes]);
        cat(&[&(entry.len() as u16).to_be_bytes(), &entry])
    };
    let asking = |extension: &[u8]| Hello::new().with(0, extension).record();
    // Either is right: a server that doesn't look, and one that can't read.
    let odd =
        |id: &str, extension: &[u8]| tls(id, send(asking(extension)), Expect { reply: Reply::Whatever, end: Gone });
    let two = cat(&[&name(b"a.example")[2..], &name(b"b.example")[2..]]);
    vec![
        greeted("H-095 a name", send(asking(&name(b"broker.example")))),
        greeted("H-095 a name that nobody knows", send(asking(&name(b"unknown.invalid")))),
        odd("H-095 an address as a name", &name(b"127.0.0.1")),
        odd("H-095 an empty list", &[0, 0]),
        odd("H-095 an empty extension", &[]),
        odd("H-095 an empty name", &name(b"")),
        odd("H-095 a name of 300 letters", &name(&[b'a'; 300])),
        odd("H-095 a name of 16000 letters", &name(&[b'a'; 16_000])),
        odd("H-095 NUL inside", &name(b"broker\0.example")),
        odd("H-095 not UTF-8", &name(b"br\xff\xfeker.example")),
        odd("H-095 terminal codes", &name(b"\x1b[2Jbroker.example")),
        odd("H-095 two names", &cat(&[&(two.len() as u16).to_be_bytes(), &two])),
        odd("H-095 a type that nobody knows", &[0, 5, 9, 0, 2, b'x', b'y']),
    ]
}

/// A ClientHello for TLS 1.2, piece by piece.
struct Hello {
    version: u16,
    session: Vec<u8>,
    ciphers: Vec<u16>,
    compressions: Vec<u8>,
    groups: Vec<u16>,
    more: Vec<(u16, Vec<u8>)>,
}

impl Hello {
    fn new() -> Hello {
        Hello {
            version: 0x0303,
            session: Vec::new(),
            ciphers: GOOD.to_vec(),
            compressions: vec![0],
            groups: vec![0x001d, 0x0017],
            more: Vec::new(),
        }
    }

    fn with(mut self, extension: u16, content: &[u8]) -> Hello {
        self.more.push((extension, content.to_vec()));
        self
    }

    /// The handshake message.
    fn message(&self) -> Vec<u8> {
        let list = |numbers: &[u16]| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
            cat(&[&(bytes.len() as u16).to_be_bytes(), &bytes])
        };
        let mut extensions = Vec::new();
        let fixed = [
            (10, list(&self.groups)),
            (11, vec![1, 0]),
            (13, list(&[0x0403, 0x0804, 0x0401])),
            (23, vec![]),
            (0xff01, vec![0]),
        ];
        for (id, content) in fixed.iter().chain(&self.more) {
            extensions.extend(id.to_be_bytes());
            extensions.extend((content.len() as u16).to_be_bytes());
            extensions.extend(content);
        }
        let body = cat(&[
            &self.version.to_be_bytes(),
            &[0x5a; 32],
            &[self.session.len() as u8],
            &self.session,
            &list(&self.ciphers),
            &[self.compressions.len() as u8],
            &self.compressions,
            &(extensions.len() as u16).to_be_bytes(),
            &extensions,
        ]);
        cat(&[&[1], &(body.len() as u32).to_be_bytes()[1..], &body])
    }

    /// The message in records that are not too long.
    fn record(&self) -> Vec<u8> {
        let message = self.message();
        let records = message.chunks(1 << 14).map(|part| cat(&[&[22, 3, 1], &(part.len() as u16).to_be_bytes(), part]));
        records.collect::<Vec<_>>().concat()
    }
}
