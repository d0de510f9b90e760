//! Whole exchanges, bit by bit. The first is RFC 7677 §3; the others were worked out with Python's hashlib and hmac.

use std::num::NonZeroU32;

use super::*;

struct Exchange {
    mechanism: ScramMechanism,
    user: &'static str,
    password: &'static [u8],
    salt: &'static [u8],
    iterations: u32,
    client_nonce: &'static str,
    server_nonce: &'static str,
    client_first: &'static str,
    server_first: &'static str,
    client_final: &'static str,
    server_final: &'static str,
}

const SALT_OF_RFC_7677: &[u8] = b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";

const EXCHANGES: &[Exchange] = &[
    Exchange {
        mechanism: ScramMechanism::Sha256,
        user: "user",
        password: b"pencil",
        salt: SALT_OF_RFC_7677,
        iterations: 4096,
        client_nonce: CLIENT_NONCE,
        server_nonce: SERVER_NONCE,
        client_first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        client_final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        server_final: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    },
    Exchange {
        mechanism: ScramMechanism::Sha512,
        user: "user",
        password: b"pencil",
        salt: SALT_OF_RFC_7677,
        iterations: 4096,
        client_nonce: CLIENT_NONCE,
        server_nonce: SERVER_NONCE,
        client_first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        client_final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
        server_final: "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
    },
    Exchange {
        mechanism: ScramMechanism::Sha512,
        user: "jörg",
        password: &[b'x'; 200],
        salt: b"1p9gnx1y0mc3z5s1t6gz4m2ppt",
        iterations: 10000,
        client_nonce: "~!#$%&",
        server_nonce: "00000000000000000000000000",
        client_first: "n,,n=jörg,r=~!#$%&",
        server_first: "r=~!#$%&00000000000000000000000000,s=MXA5Z254MXkwbWMzejVzMXQ2Z3o0bTJwcHQ=,i=10000",
        client_final: "c=biws,r=~!#$%&00000000000000000000000000,\
                       p=CMnnruLOnnGZqaQ0+uw+plC1u5yuysgwDmcEWZPx140j//ZFsejlRhUu8Tl/e3gAnYN4Gn+VRD5CjNlJEoW29w==",
        server_final: "v=NPWrZdzqiu6ZVFx9km89NDYZemEPu4SU0WcLza3BCgSWwH8bcj8aDW045FGaAwNF3TTRCKIYZs3+PCL1/B6kjw==",
    },
];

#[test]
fn whole_exchanges_bit_by_bit() {
    for vector in EXCHANGES {
        let mechanism = vector.mechanism;
        let (client_first, client) = client::start(mechanism, vector.user, &nonce(vector.client_nonce)).unwrap();
        assert_eq!(client_first, vector.client_first);

        let server = server::start(mechanism, client_first.as_bytes()).unwrap();
        assert_eq!((server.user(), server.is_token()), (vector.user, false));
        let kept = ScramCredential::from_password(mechanism, vector.password, vector.salt, vector.iterations).unwrap();
        let (server_first, server) = server.challenge(kept, &nonce(vector.server_nonce));
        assert_eq!(server_first, vector.server_first);

        let client = client.read(server_first.as_bytes()).unwrap();
        assert_eq!((client.salt(), client.iterations().get()), (vector.salt, vector.iterations));
        let keys = client::ClientKeys::derive(mechanism, vector.password, client.salt(), client.iterations());
        let (client_final, client) = client.answer(&keys);
        assert_eq!(client_final, vector.client_final);

        assert_eq!(server.user(), vector.user);
        let server_final = server.verify(client_final.as_bytes()).unwrap();
        assert_eq!(server_final, vector.server_final);
        client.verify(server_final.as_bytes()).unwrap();
    }
}

/// A client that says who it acts as, sends an extension and has a name with both escapes; from Python as well.
#[test]
fn authorization_id_and_extensions_are_part_of_what_is_signed() {
    let opening = "n,a=a=3D=2Cb,n=a=3D=2Cb,r=fyko+d2lbbFgONRv9qkxdawL,ext=v";
    let server = server::start(ScramMechanism::Sha256, opening.as_bytes()).unwrap();
    assert_eq!(server.user(), "a=,b");
    let password = "pä,=ß".as_bytes();
    let kept = ScramCredential::from_password(ScramMechanism::Sha256, password, b"QSXCR+Q6sek8bf92", 8192).unwrap();
    let (server_first, server) = server.challenge(kept, &nonce("3rfcNHYJY1ZVvWVs7j"));
    assert_eq!(server_first, "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=UVNYQ1IrUTZzZWs4YmY5Mg==,i=8192");
    let answer = "c=bixhPWE9M0Q9MkNiLA==,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,\
                  p=u2cY39zJn2CCVg6hzOzmB1a+QqD/QkBbibfmCGjZLnA=";
    assert_eq!(server.verify(answer.as_bytes()).as_deref(), Ok("v=NQYHjG5blhezEk09F89aOnODf1MZyXoi0KwI9K2enuU="));
}

#[test]
fn stored_and_server_key_as_python_derives_them() {
    let kept = ScramCredential::from_password(ScramMechanism::Sha256, b"pencil", SALT_OF_RFC_7677, 4096).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(kept.stored_key().expose()), "586e5df283e6dceb5c3e791d8b8528ec191e664045ce971792e2e6b5bb13e2a6");
    assert_eq!(hex(kept.server_key().expose()), "c1f3cbc1c13a9d35a14c0990eed97629ea225863e566a4314ab99f3f00e5d9d5");
}

/// The client of another implementation, which has SHA-256 only.
#[test]
fn the_scram_crates_client_logs_in_with_the_right_password_only() {
    for (password, is_right) in [("pencil", true), ("Pencil", false)] {
        for authzid in [None, Some("user")] {
            let (theirs, client_first) = ::scram::ScramClient::new("user", password, authzid).client_first();
            let server = server::start(ScramMechanism::Sha256, client_first.as_bytes()).unwrap();
            let (server_first, server) =
                server.challenge(credential(ScramMechanism::Sha256), &Nonce::random().unwrap());
            let (theirs, client_final) = theirs.handle_server_first(&server_first).unwrap().client_final();
            let answer = server.verify(client_final.as_bytes());
            match is_right {
                true => theirs.handle_server_final(&answer.unwrap()).unwrap(),
                false => assert_eq!(answer, Err(server::ProofError::Proof)),
            }
        }
    }
}

/// And its server takes our client.
#[test]
fn the_scram_crates_server_accepts_our_client() {
    use ::scram::server::{AuthenticationProvider, AuthenticationStatus, PasswordInfo, ScramServer};
    struct One;
    impl AuthenticationProvider for One {
        fn get_password_for(&self, user: &str) -> Option<PasswordInfo> {
            let iterations = NonZeroU32::new(4096).unwrap();
            let hashed = ::scram::hash_password("pencil", iterations, b"salt").to_vec();
            (user == "user").then(|| PasswordInfo::new(hashed, 4096, b"salt".to_vec()))
        }
    }
    let (client_first, ours) = client::start(ScramMechanism::Sha256, "user", &Nonce::random().unwrap()).unwrap();
    let theirs = ScramServer::new(One);
    let (theirs, server_first) = theirs.handle_client_first(&client_first).unwrap().server_first();
    let (client_final, ours) = ours.read(server_first.as_bytes()).unwrap().answer(&keys(ScramMechanism::Sha256));
    let (status, server_final) = theirs.handle_client_final(&client_final).unwrap().server_final();
    assert!(status == AuthenticationStatus::Authenticated, "{status:?}");
    ours.verify(server_final.as_bytes()).unwrap();
}
