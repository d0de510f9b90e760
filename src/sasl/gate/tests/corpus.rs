//! The hostile inputs H-001 to H-083 and H-110 to H-128, by their numbers. Those that `states` holds are not repeated.

use super::*;
use crate::foreign::ForeignProtocol;
use GateFailureReason::{
    Deadline, InvalidReceiveSize, MalformedRequest, MalformedToken, OtherProtocol, PeerClosed, RejectedCredentials,
    TooManyVersionErrors, UnsupportedMechanism,
};

const AV3_BODY: [u8; 5] = [2, b'n', 2, b'1', 0];

/// ApiVersions answers by version, correlation id 1.
fn av_ok(version: i16) -> Vec<u8> {
    api_versions().encode_response(version, 1).to_vec()
}

const AV_35: &[u8] = &[0, 0, 0, 16, 0, 0, 0, 1, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
const AV_42: &[u8] = &[0, 0, 0, 12, 0, 0, 0, 1, 0, 42, 1, 0, 0, 0, 0, 0];

#[tokio::test(start_paused = true)]
async fn frame_lengths() {
    // H-001 to H-004.
    for prefix in [[0xff; 4], [0x80, 0, 0, 0], [0x7f, 0xff, 0xff, 0xff], [0, 8, 0, 1]] {
        run(prefix).await.assert_refused(InvalidReceiveSize, &[], DELAY);
        // The same behind good frames.
        let behind = [hdr1(18, 0, &[]), hs("PLAIN"), prefix.to_vec()].concat();
        run(behind).await.assert_refused(InvalidReceiveSize, &[&av_ok(0), HS_OK].concat(), DELAY);
    }
    // H-005, H-007, H-008.
    for input in [&[0, 8, 0, 0, 0, 18, 0, 0][..], &[0, 0, 0], &[]] {
        run(input).await.assert_refused(Deadline, &[], DEADLINE);
    }
    // Exactly the limit is judged.
    let mut largest = hdr1(18, 0, &vec![0; MAX_RECEIVE_SIZE as usize - 11]);
    assert_eq!(largest[..4], [0, 8, 0, 0]);
    largest.extend(hs("PLAIN"));
    largest.extend(sa(ALICE));
    run(largest).await.assert_user("alice", &[&av_ok(0), HS_OK, &sa_ok(1)].concat());
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_meets_an_absolute_deadline() {
    // H-009.
    let rules = rules(plain_only().await);
    let (mut client, mut server) = tokio::io::duplex(1024);
    let slow = async {
        for byte in hdr1(18, 0, &[]) {
            if client.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(9)).await;
        }
    };
    let begin = Instant::now();
    let (versions, peer) = (api_versions(), peer());
    let failure = tokio::select! {
        _ = slow => panic!("the gate outlived its deadline"),
        result = authenticate(&mut server, &rules, &versions, &peer) => result.expect_err("refused"),
    };
    assert_eq!((failure.reason, failure.bytes_in, begin.elapsed()), (Deadline, 2, DEADLINE));
}

#[tokio::test(start_paused = true)]
async fn headers() {
    // H-006, H-010 to H-012, H-015: no Kafka header, and no GSSAPI to give it to.
    let cut = |payload: &[u8]| frame(payload);
    for input in [
        cut(&[]),
        cut(&[0]),
        cut(&[0, 18]),
        cut(&[0, 18, 0, 0, 0, 0, 0, 1]),
        cut(&[0, 18, 0, 0, 0, 0, 0, 1, 0x7f, 0xff, b'a', b'b', b'c']),
    ] {
        run(input).await.assert_refused(MalformedRequest, &[], AT_ONCE);
    }
    // H-013, H-014, H-016 to H-018: any client id.
    for id in [
        vec![0xff, 0xff],
        vec![0xff, 0xfe],
        vec![0x80, 0],
        [vec![0x7f, 0xff], vec![b'x'; 32_767]].concat(),
        vec![0, 2, 0xff, 0xfe],
        [vec![0, 9], b"\r\n\x1b[2J\xe2\x80\xae".to_vec()].concat(),
        vec![0, 0],
    ] {
        let request = frame([&[0, 17, 0, 1, 0, 0, 0, 1][..], &id, &[0, 5], b"PLAIN"].concat());
        run([request, sa(ALICE)].concat()).await.assert_user("alice", &[HS_OK, &sa_ok(1)].concat());
    }
    // H-019 to H-024.
    let tags = |tags: &[u8]| hdr1(18, 3, &[tags, &AV3_BODY].concat());
    let bomb = [vec![0x90, 0xa1, 0x0f], [1, 0].repeat(250_000)].concat();
    for bad in [
        &[0xff, 0xff, 0xff, 0xff, 0x07][..],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f],
        &[1, 0, 6],
        &bomb,
    ] {
        run(tags(bad)).await.assert_refused(MalformedRequest, &[], AT_ONCE);
    }
    // H-025.
    let login = [hs("PLAIN"), sa(ALICE)].concat();
    let answers = [HS_OK, &sa_ok(1)].concat();
    let odd = [tags(&[3, 9, 1, 7, 2, 0, 2, 1, 8]), login.clone()].concat();
    run(odd).await.assert_user("alice", &[&av_ok(3)[..], &answers].concat());
    // H-026: the name's length byte is taken as a count of tags.
    run(hdr1(18, 3, &AV3_BODY)).await.assert_refused(MalformedRequest, &[], AT_ONCE);
    run(hdr1(18, 99, &[])).await.assert_refused(MalformedRequest, &[], AT_ONCE);
    // H-027: the empty tags shift the mechanism's length; in ApiVersions they are trailing bytes.
    run(hdr2(17, 1, b"\0\x05PLAIN")).await.assert_refused(UnsupportedMechanism, HS_33, DELAY);
    run([hdr2(18, 0, &[]), login.clone()].concat()).await.assert_user("alice", &[&av_ok(0)[..], &answers].concat());
    // H-028.
    let trailing = [hdr1(18, 0, &vec![0xee; 100 << 10]), login].concat();
    run(trailing).await.assert_user("alice", &[&av_ok(0)[..], &answers].concat());
}

#[tokio::test(start_paused = true)]
async fn fragments_half_closes_and_resets() {
    // H-030: one byte at a time, each awaited.
    let rules = rules(plain_only().await);
    let (mut client, mut server) = tokio::io::duplex(1);
    let (versions, peer) = (api_versions(), peer());
    let (mut read, mut write) = tokio::io::split(&mut client);
    let input = [hdr1(18, 0, &[]), hs("PLAIN"), sa(ALICE)].concat();
    let expected = [&av_ok(0)[..], HS_OK, &sa_ok(1)].concat();
    let mut sent = vec![0; expected.len()];
    let (result, written, got) = tokio::join!(
        authenticate(&mut server, &rules, &versions, &peer),
        write.write_all(&input),
        read.read_exact(&mut sent),
    );
    written.expect("write");
    got.expect("read");
    assert_eq!(sent, expected);
    assert!(result.expect("authenticated").unread.is_empty());

    // H-031: a request, then FIN: answered, then closed.
    for (input, expected) in [(hdr1(18, 0, &[]), av_ok(0)), (Vec::new(), Vec::new()), (vec![0, 0], Vec::new())] {
        let (mut client, mut server) = tokio::io::duplex(4096);
        client.write_all(&input).await.expect("write");
        client.shutdown().await.expect("shutdown");
        let failure = authenticate(&mut server, &rules, &versions, &peer).await.expect_err("refused");
        assert_eq!((failure.reason, failure.bytes_in), (PeerClosed, input.len() as u64));
        drop(server);
        assert_eq!(read_all(&mut client).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn api_versions_before_the_handshake() {
    // H-046.
    let login = [hs("PLAIN"), sa(ALICE)].concat();
    let answers = [HS_OK, &sa_ok(1)].concat();
    // H-047 to H-049: three refusals, and the client may still go on; a fourth ends it.
    let refused = |version| if version < 3 { hdr1(18, version, &[9; 7]) } else { hdr2(18, version, &[9; 7]) };
    for version in [-1, i16::MIN, 5, 99, i16::MAX] {
        for times in 1..=3 {
            let input = [refused(version).repeat(times), hdr1(18, 0, &[]), login.clone()].concat();
            run(input).await.assert_user("alice", &[&AV_35.repeat(times)[..], &av_ok(0), &answers].concat());
            let input = [refused(version).repeat(times), login.clone()].concat();
            run(input).await.assert_user("alice", &[&AV_35.repeat(times)[..], &answers].concat());
        }
        let outcome = run(refused(version).repeat(1000)).await;
        outcome.assert_refused(TooManyVersionErrors, &AV_35.repeat(3), AT_ONCE);
    }
    // H-050.
    let named = |name: &[u8], version: &[u8]| {
        let compact = |text: &[u8]| [&[text.len() as u8 + 1], text].concat();
        hdr2(18, 3, &[compact(name), compact(version), vec![0]].concat())
    };
    for (name, version) in [("a b", "1"), ("", "1"), ("-a", "1"), ("a-", "1"), ("ä", "1"), ("a", ""), ("a", "1 ")] {
        let bad = named(name.as_bytes(), version.as_bytes());
        let outcome = run([bad.clone(), named(b"a", b"1"), login.clone()].concat()).await;
        outcome.assert_user("alice", &[AV_42, &av_ok(3), &answers].concat());
        // Both kinds of refusal count together.
        let outcome = run([bad.repeat(2), refused(99).repeat(2)].concat()).await;
        outcome.assert_refused(TooManyVersionErrors, &[AV_42, AV_42, AV_35].concat(), AT_ONCE);
    }
    let long = [&[0xb1, 0xea, 0x01][..], &[b'a'; 30_000], &[2, b'1', 0]].concat();
    run([hdr2(18, 3, &long), login].concat()).await.assert_user("alice", &[&av_ok(3)[..], &answers].concat());
    // H-052, and a body that ends early.
    for body in [&[0, 2, b'1', 0][..], &[2, b'a', 0, 0], &[2, b'a', 2, b'1'], &[]] {
        run(hdr2(18, 3, body)).await.assert_refused(MalformedRequest, &[], AT_ONCE);
    }
}

#[tokio::test(start_paused = true)]
async fn handshakes() {
    // H-057, H-060.
    for body in [&[0xff, 0xff][..], &[0, 6, b'P', b'L', b'A', b'I', b'N'], &[0], &[]] {
        run(hdr1(17, 1, body)).await.assert_refused(MalformedRequest, &[], AT_ONCE);
    }
    // H-058, H-059, H-061.
    let long = "A".repeat(32_767);
    for mechanism in [
        "",
        "plain",
        "PLAIN ",
        "PLAIN\0",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256-PLUS",
        "ANONYMOUS",
        "EXTERNAL",
        "GSSAPI",
        &long,
    ] {
        for version in 0..=1 {
            // Nothing behind it is looked at.
            let input = [hs_v(version, mechanism), hs("PLAIN"), sa(ALICE)].concat();
            run(input).await.assert_refused(UnsupportedMechanism, HS_33, DELAY);
        }
    }
    run(hdr1(17, 1, b"\0\x05PL\xffIN")).await.assert_refused(UnsupportedMechanism, HS_33, DELAY);
    // H-070: correlation ids are echoed.
    for id in [-1, 0, i32::MAX, i32::MIN] {
        let mut input = hs("PLAIN");
        input[8..12].copy_from_slice(&id.to_be_bytes());
        let mut expected = HS_OK.to_vec();
        expected[4..8].copy_from_slice(&id.to_be_bytes());
        run([input, sa(ALICE)].concat()).await.assert_user("alice", &[&expected[..], &sa_ok(1)].concat());
    }
}

#[tokio::test(start_paused = true)]
async fn tokens() {
    let wrapped = |request: Vec<u8>| [hs("PLAIN"), request].concat();
    let one_part = "Invalid SASL/PLAIN response: expected 3 tokens, got 1";
    // H-062, H-063: the wrong framing.
    let outcome = run([hs_v(0, "PLAIN"), sa(ALICE)].concat()).await;
    outcome.assert_refused(MalformedToken, HS_OK, DELAY);
    run(wrapped(frame(ALICE))).await.assert_refused(MalformedRequest, HS_OK, AT_ONCE);
    // H-064 to H-066.
    for request in [
        hdr2(36, 2, &[0, 0]),
        hdr2(36, 2, &[1]),
        hdr2(36, 2, &[9, 1, 0]),
        hdr1(36, 1, &[0xff; 4]),
        hdr1(36, 1, &[0, 0, 0, 2, 1]),
        hdr1(36, 1, &[0x7f, 0xff, 0xff, 0xff]),
        hdr1(36, 0, &[]),
    ] {
        run(wrapped(request)).await.assert_refused(MalformedRequest, HS_OK, AT_ONCE);
    }
    // H-068, H-110.
    for version in 0..=2 {
        let expected = [HS_OK, &sa_58(version, one_part)].concat();
        run(wrapped(sa_v(version, b""))).await.assert_refused(MalformedToken, &expected, DELAY);
    }
    // H-069, H-119, H-121: refused by its length, unread.
    let too_long = "Authentication failed during authentication due to invalid credentials with SASL mechanism PLAIN";
    for token in [vec![b'x'; 524_000], vec![0; 524_000], vec![0; crate::sasl::plain::MAX_TOKEN_LEN + 1]] {
        for version in 0..=2 {
            let expected = [HS_OK, &sa_58(version, too_long)].concat();
            run(wrapped(sa_v(version, &token))).await.assert_refused(MalformedToken, &expected, DELAY);
        }
        let raw = [hs_v(0, "PLAIN"), frame(token)].concat();
        run(raw).await.assert_refused(MalformedToken, HS_OK, DELAY);
    }
    // H-111 to H-118, H-122: the mechanism's own tests hold the texts; here is how they travel.
    for (token, reason, text) in [
        (&b"alice\0secret"[..], MalformedToken, "Invalid SASL/PLAIN response: expected 3 tokens, got 2"),
        (b"\0alice\0alice-secret\0", MalformedToken, "Invalid SASL/PLAIN response: expected 3 tokens, got 4"),
        (b"\0\0alice-secret", MalformedToken, "Authentication failed: username not specified"),
        (b"\0alice\0", MalformedToken, "Authentication failed: password not specified"),
        (b"\0al\xffice\0alice-secret", MalformedToken, "Invalid SASL/PLAIN response: not UTF-8"),
        (
            b"bob\0alice\0alice-secret",
            RejectedCredentials,
            "Authentication failed: Client requested an authorization id that is different from username",
        ),
        (b"\0bob\0alice-secret", RejectedCredentials, WRONG),
        (b"\0mallory\0alice-secret", RejectedCredentials, WRONG),
        (b"\0alice\0alice-secret\n", RejectedCredentials, WRONG),
    ] {
        for version in 0..=2 {
            let expected = [HS_OK, &sa_58(version, text)].concat();
            let outcome = run(wrapped(sa_v(version, token))).await;
            outcome.assert_refused(reason, &expected, DELAY);
            let mechanism = outcome.result.expect_err("refused").mechanism;
            assert_eq!(mechanism.as_ref().map(|name| name.as_str()), Some("PLAIN"));
        }
        // After SaslHandshake v0 there is no way to say why.
        let raw = [hs_v(0, "PLAIN"), frame(token)].concat();
        run(raw).await.assert_refused(reason, HS_OK, DELAY);
    }
    // Success after SaslHandshake v0 is an empty frame.
    let raw = [hs_v(0, "PLAIN"), frame(b"alice\0alice\0alice-secret")].concat();
    run(raw).await.assert_user("alice", &[HS_OK, &[0, 0, 0, 0]].concat());
    run(wrapped(sa(b"alice\0alice\0alice-secret"))).await.assert_user("alice", &[HS_OK, &sa_ok(1)].concat());
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_the_last_token() {
    // H-071: it is the relay's. So is a second SaslAuthenticate (H-128).
    for behind in [hdr1(3, 1, &[0xff; 4]), sa(ALICE), vec![1, 2, 3], Vec::new(), vec![0xff; 4]] {
        let outcome = run([hs("PLAIN"), sa(ALICE), behind.clone()].concat()).await;
        outcome.assert_user("alice", &[HS_OK, &sa_ok(1)].concat());
        let authenticated = outcome.result.expect("authenticated");
        assert_eq!(authenticated.unread, behind);
        assert_eq!(authenticated.bytes_in, (hs("PLAIN").len() + sa(ALICE).len() + behind.len()) as u64);
    }
    // H-072: after a failure nothing is, not even the right token.
    let input = [hs("PLAIN"), sa(b"\0alice\0wrong"), sa(ALICE).repeat(100)].concat();
    let outcome = run(input).await;
    outcome.assert_refused(RejectedCredentials, &[HS_OK, &sa_58(1, WRONG)].concat(), DELAY);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_or_leaves_early() {
    let rules = rules(plain_only().await);
    let (versions, peer) = (api_versions(), peer());
    // H-073: its window holds 10 bytes of the answer.
    let (mut client, mut server) = tokio::io::duplex(10);
    let begin = Instant::now();
    let request = hdr1(18, 0, &[]);
    let (result, _) = tokio::join!(authenticate(&mut server, &rules, &versions, &peer), client.write_all(&request));
    assert_eq!(result.expect_err("refused").reason, Deadline);
    assert_eq!(begin.elapsed(), DEADLINE);
    // H-074.
    let rules = GateRules { deadline: Instant::now() + DEADLINE, ..rules };
    let (mut client, mut server) = tokio::io::duplex(4096);
    client.write_all(&[hs("PLAIN"), sa(b"\0alice\0wrong")].concat()).await.expect("write");
    let begin = Instant::now();
    let leave = async {
        tokio::time::sleep(DELAY / 2).await;
        drop(client);
    };
    let (result, ()) = tokio::join!(authenticate(&mut server, &rules, &versions, &peer), leave);
    assert_eq!(result.expect_err("refused").reason, RejectedCredentials);
    assert_eq!(begin.elapsed(), DELAY);
    assert_eq!(rules.failure_delays.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn other_protocols() {
    // H-080 to H-084.
    use ForeignProtocol::{Http, ProxyHeader, Ssh, Tls};
    for (input, protocol) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], Http),
        (b"POST / HTTP/1.1\r\n", Http),
        (b"HEAD / HTTP/1.1\r\n", Http),
        (b"OPTIONS * HTTP/1.1\r\n", Http),
        (b"CONNECT a:1 HTTP/1.1\r\n", Http),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Http),
        (b"\x16\x03\x01\x02\x00\x01\x00", Tls),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Ssh),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", ProxyHeader),
        (b"\r\n\r\n\0\r\nQUIT\n", ProxyHeader),
    ] {
        run(input).await.assert_refused(OtherProtocol(protocol), &[], DELAY);
        // Later in a connection they are only lengths.
        let later = [hdr1(18, 0, &[]), input.to_vec()].concat();
        run(later).await.assert_refused(InvalidReceiveSize, &av_ok(0), DELAY);
    }
    for input in [&b"EHLO example.org\r\n"[..], b"*1\r\n$4\r\nPING\r\n"] {
        run(input).await.assert_refused(InvalidReceiveSize, &[], DELAY);
    }
    run(b"\0\0\0\x08\x04\xd2\x16\x2f").await.assert_refused(Deadline, &[], DEADLINE);
}

/// A client and a gate over loopback TCP: the gate's result, and what `client` gave.
async fn over_tcp<T>(client: impl AsyncFnOnce(tokio::net::TcpStream) -> T) -> (Result<Authenticated, GateFailure>, T) {
    let acceptor = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
    let address = acceptor.local_addr().expect("address");
    let rules = rules(plain_only().await);
    let (versions, peer) = (api_versions(), peer());
    let gate = async {
        let (mut server, _) = acceptor.accept().await.expect("accept");
        authenticate(&mut server, &rules, &versions, &peer).await
    };
    let client = async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("connect");
        client(stream).await
    };
    tokio::join!(gate, client)
}

#[tokio::test]
async fn a_reset_inside_a_frame() {
    // H-032.
    let (result, ()) = over_tcp(async |mut client| {
        client.write_all(&hdr1(18, 0, &[])[..6]).await.expect("write");
        tokio::time::sleep(Duration::from_millis(20)).await;
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("linger");
    })
    .await;
    let failure = result.expect_err("refused");
    assert_eq!((failure.reason, failure.bytes_in, failure.bytes_out), (PeerClosed, 6, 0));
}

#[tokio::test]
async fn urgent_data_is_not_in_the_stream() {
    // H-033.
    let input = [hdr1(18, 0, &[]), hs("PLAIN"), sa(ALICE)].concat();
    let expected = [&av_ok(0)[..], HS_OK, &sa_ok(1)].concat();
    let (result, sent) = over_tcp(async |mut client| {
        client.write_all(&input[..6]).await.expect("write");
        let urgent = socket2::SockRef::from(&client).send_out_of_band(b"!").expect("urgent");
        assert_eq!(urgent, 1);
        client.write_all(&input[6..]).await.expect("write");
        let mut sent = vec![0; expected.len()];
        client.read_exact(&mut sent).await.expect("read");
        sent
    })
    .await;
    assert!(result.is_ok());
    assert_eq!(sent, expected);
}
