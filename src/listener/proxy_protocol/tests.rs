use std::net::Ipv6Addr;

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::header::{Scanned, scan};
use super::*;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_be_bytes();
    [SIGNATURE, &[command, family], &len, payload].concat()
}

const TCP4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0x23, 0x84];

fn tcp6() -> Vec<u8> {
    let ip = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    [&ip("2001:db8::7")[..], &ip("2001:db8::1"), &[0x12, 0x34, 0x23, 0x84]].concat()
}

fn at(address: &str) -> Client {
    Client::At(address.parse().unwrap())
}

/// Good headers and whom they name.
fn good() -> Vec<(Vec<u8>, Client)> {
    let unix = [0; 216];
    vec![
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 9092\r\n".to_vec(), at("192.0.2.7:4660")),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4660 9092\r\n".to_vec(), at("[2001:db8::7]:4660")),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_vec(), at("255.255.255.255:65535")),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 0 0\r\n".to_vec(), at("192.0.2.7:0")),
        (b"PROXY UNKNOWN\r\n".to_vec(), Client::Unnamed),
        (b"PROXY UNKNOWN ffff::1 a b c d e f \xff\r\n".to_vec(), Client::Unnamed),
        ([b"PROXY UNKNOWN ", &[b'x'; 91][..], b"\r\n"].concat(), Client::Unnamed),
        (v2(0x21, 0x11, &TCP4), at("192.0.2.7:4660")),
        (v2(0x21, 0x21, &tcp6()), at("[2001:db8::7]:4660")),
        (v2(0x21, 0x11, &[&TCP4[..], &[1, 0, 2, b'h', b'2', 4, 0, 0]].concat()), at("192.0.2.7:4660")),
        (v2(0x21, 0x11, &[&TCP4[..], &[4, 0x0f, 0xf1], &[0; 0xff1]].concat()), at("192.0.2.7:4660")),
        (v2(0x21, 0x00, &[]), Client::Unnamed),
        (v2(0x21, 0x00, b"anything"), Client::Unnamed),
        (v2(0x20, 0x00, &[]), Client::Unnamed),
        (v2(0x20, 0x11, &TCP4), Client::Unnamed),
        (v2(0x20, 0x31, &unix), Client::Unnamed),
        (v2(0x20, 0xff, b"not looked at"), Client::Unnamed),
    ]
}

#[test]
fn good_headers_name_their_client_and_end_where_they_end() {
    for (bytes, client) in good() {
        let header = Scanned::Whole(Header { client, len: bytes.len() });
        assert_eq!(scan(&bytes), header, "{bytes:?}");
        let more = [&bytes[..], b"\0\0\0\x14\0\x12\0\x03\r\n"].concat();
        assert_eq!(scan(&more), header, "{more:?}");
        for len in 1..bytes.len() {
            assert_eq!(scan(&bytes[..len]), Scanned::Incomplete, "{:?}", &bytes[..len]);
        }
    }
}

#[test]
fn hostile_headers_are_refused() {
    // H-085.
    let two_tlvs_one_cut = [&TCP4[..], &[1, 0, 1, 0, 2, 0, 9, 1]].concat();
    for (bytes, what) in [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 80 80\n".to_vec(), "a line that does not end with CRLF"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 80 80\rX".to_vec(), "a line that does not end with CRLF"),
        (b"PROXY UNKNOWN\n".to_vec(), "a line that does not end with CRLF"),
        (b"PROXY \r\n".to_vec(), "neither TCP4, TCP6 nor UNKNOWN"),
        (b"PROXY UDP4 192.0.2.7 10.0.0.1 80 80\r\n".to_vec(), "neither TCP4, TCP6 nor UNKNOWN"),
        (b"PROXY  TCP4 192.0.2.7 10.0.0.1 80 80\r\n".to_vec(), "neither TCP4, TCP6 nor UNKNOWN"),
        (b"PROXY tcp4 192.0.2.7 10.0.0.1 80 80\r\n".to_vec(), "neither TCP4, TCP6 nor UNKNOWN"),
        (b"PROXY TCP4\r\n".to_vec(), "an address"),
        (b"PROXY TCP4 192.0.2.7\r\n".to_vec(), "an address"),
        (b"PROXY TCP4 2001:db8::7 2001:db8::1 80 80\r\n".to_vec(), "an address"),
        (b"PROXY TCP6 192.0.2.7 10.0.0.1 80 80\r\n".to_vec(), "an address"),
        (b"PROXY TCP4 192.0.2.07 10.0.0.1 80 80\r\n".to_vec(), "an address"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.256 80 80\r\n".to_vec(), "an address"),
        (b"PROXY TCP4 localhost 10.0.0.1 80 80\r\n".to_vec(), "an address"),
        (b"PROXY TCP4 192.0.2.7 \xff 80 80\r\n".to_vec(), "an address"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 80\r\n".to_vec(), "a port"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 080 80\r\n".to_vec(), "a port"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 +80 80\r\n".to_vec(), "a port"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 -80 80\r\n".to_vec(), "a port"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 80 65536\r\n".to_vec(), "a port"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1  80 80\r\n".to_vec(), "a port"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 80 80 \r\n".to_vec(), "words behind the ports"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 80 80 80\r\n".to_vec(), "words behind the ports"),
        ([b"PROXY UNKNOWN ", &[b'x'; 93][..]].concat(), "a line of more than 107 bytes"),
        ([b"PROXY UNKNOWN ", &[b'x'; 92][..], b"\r\n"].concat(), "a line that does not end with CRLF"),
        (v2(0x11, 0x11, &TCP4), "neither command LOCAL nor PROXY of version 2"),
        (v2(0x22, 0x11, &TCP4), "neither command LOCAL nor PROXY of version 2"),
        (v2(0x31, 0x11, &TCP4), "neither command LOCAL nor PROXY of version 2"),
        (v2(0x21, 0x31, &[0; 216]), "a client at a Unix socket"),
        (v2(0x21, 0x32, &[0; 216]), "a client at a Unix socket"),
        (v2(0x21, 0x12, &TCP4), "a client over UDP"),
        (v2(0x21, 0x22, &tcp6()), "a client over UDP"),
        (v2(0x21, 0x01, &TCP4), "an address family or protocol that does not exist"),
        (v2(0x21, 0x10, &TCP4), "an address family or protocol that does not exist"),
        (v2(0x21, 0x41, &TCP4), "an address family or protocol that does not exist"),
        (v2(0x21, 0x11, &TCP4[..11]), "too short for its addresses"),
        (v2(0x21, 0x21, &tcp6()[..35]), "too short for its addresses"),
        (v2(0x21, 0x11, &[0; 4097]), "longer than 4096 bytes"),
        (v2(0x20, 0x00, &[0; 65535]), "longer than 4096 bytes"),
        (v2(0x21, 0x11, &two_tlvs_one_cut), "a TLV that is longer than the header"),
        (v2(0x21, 0x11, &[&TCP4[..], &[1, 0xff, 0xff]].concat()), "a TLV that is longer than the header"),
        (v2(0x21, 0x21, &[&tcp6()[..], &[1, 0]].concat()), "bytes behind the last TLV"),
    ] {
        assert_eq!(scan(&bytes), Scanned::Malformed(what), "{:?}", String::from_utf8_lossy(&bytes));
    }
    for other in [&b"GET / HTTP/1.1\r\n"[..], b"PROXYTCP4", b"\0\0\0\x14\0\x12\0\x03", b"\x16\x03\x01", b"\r\n\r\nX"] {
        assert_eq!(scan(other), Scanned::Other, "{other:?}");
    }
}

proptest! {
    /// What is known of the first bytes does not change with what follows, but for what was incomplete.
    #[test]
    fn more_bytes_never_change_a_verdict(start in 0..3usize, tail in proptest::collection::vec(any::<u8>(), 1..200)) {
        let bytes = [[b"PROXY ", SIGNATURE, b""][start], &tail].concat();
        let whole = scan(&bytes);
        for len in 1..bytes.len() {
            match scan(&bytes[..len]) {
                Scanned::Incomplete => {}
                verdict => prop_assert_eq!(verdict, whole),
            }
        }
        if let Scanned::Whole(header) = whole {
            prop_assert!(header.len <= bytes.len());
        }
    }
}

/// What a socket that receives `pieces` gives, and what is left on it.
async fn received(pieces: &[&[u8]]) -> (Result<Header, HeaderError>, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.set_nodelay(true).unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let send = async {
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            // The reader gets a turn between two pieces; the outcome must not depend on whether it uses it.
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        drop(client);
    };
    let (header, ()) = tokio::join!(read(&mut server), send);
    let mut left = Vec::new();
    server.read_to_end(&mut left).await.unwrap();
    (header, left)
}

#[tokio::test]
async fn exactly_the_header_is_taken_off_the_socket() {
    for (bytes, client) in good() {
        let expected = Ok(Header { client, len: bytes.len() });
        let all = [&bytes[..], b"what follows"].concat();
        assert_eq!(received(&[&all]).await, (expected, b"what follows".to_vec()), "{bytes:?}");
        let cut = bytes.len() / 2;
        assert_eq!(received(&[&all[..cut], &all[cut..]]).await, (expected, b"what follows".to_vec()), "{bytes:?}");
    }
    let bytes = v2(0x21, 0x11, &TCP4);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(received(&single).await.0, Ok(Header { client: at("192.0.2.7:4660"), len: 28 }));
}

#[tokio::test]
async fn without_a_header_every_byte_is_left() {
    let request = b"\0\0\0\x14\0\x12\0\x03 and so on";
    assert_eq!(received(&[request]).await, (Err(HeaderError::Absent), request.to_vec()));
    assert_eq!(received(&[]).await.0, Err(HeaderError::Nothing));
    assert_eq!(received(&[b"PROXY TCP4 "]).await.0, Err(HeaderError::CutOff));
    assert_eq!(received(&[b"PRO", b"DUCE"]).await.0, Err(HeaderError::Malformed("signature")));
}
