//! Handshakes in memory: who gets in by which certificate, and whom the front believes to be its backend.

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConnection, Error, HandshakeKind, ServerConnection};

use super::fixture::*;
use crate::config::{BackendTlsConfig, ClientAuth, ListenerTlsConfig, TlsVersions};
use crate::tls::{ClientTls, ServerTls};

/// How a handshake ended on both sides, after each has read what the other had to say.
struct Outcome {
    client: Result<ClientConnection, Error>,
    server: Result<ServerConnection, Error>,
}

fn handshake(server: &ServerTls, client: &ClientTls, name: &str) -> Outcome {
    let mut server = ServerConnection::new(server.config().clone()).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client.config().clone(), name).unwrap();
    let (mut client_error, mut server_error) = (None, None);
    for _ in 0..8 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() && server_error.is_none() {
            server.read_tls(&mut rest).unwrap();
            server_error = server.process_new_packets().err();
        }
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() && client_error.is_none() {
            client.read_tls(&mut rest).unwrap();
            client_error = client.process_new_packets().err();
        }
    }
    assert!(client_error.is_some() || server_error.is_some() || !client.is_handshaking() && !server.is_handshaking());
    Outcome { client: client_error.map_or(Ok(client), Err), server: server_error.map_or(Ok(server), Err) }
}

/// A listener that asks for certificates, and a client with this one.
fn mutual(listener: &ListenerTlsConfig, certificate: Option<&str>) -> Outcome {
    let settings = certificate.map_or_else(backend, client_with);
    handshake(&server(listener), &client(&settings), "localhost")
}

fn in_versions(test: impl Fn(TlsVersions)) {
    for versions in [TLS12, TLS13] {
        test(versions);
    }
}

fn told(outcome: &Outcome) -> AlertDescription {
    match &outcome.client {
        Err(Error::AlertReceived(alert)) => *alert,
        other => panic!("{other:?}"),
    }
}

#[test]
fn client_auth_in_each_form() {
    in_versions(|versions| {
        for (auth, certificate, gets_in, is_known) in [
            (ClientAuth::None, None, true, false),
            (ClientAuth::None, Some("client_good.pem"), true, false),
            (ClientAuth::Requested, None, true, false),
            (ClientAuth::Requested, Some("client_good.pem"), true, true),
            (ClientAuth::Requested, Some("client_stranger.pem"), false, false),
            (ClientAuth::Required, None, false, false),
            (ClientAuth::Required, Some("client_good.pem"), true, true),
            (ClientAuth::Required, Some("client_stranger.pem"), false, false),
        ] {
            let outcome = mutual(&ListenerTlsConfig { versions, ..asking(auth) }, certificate);
            let case = format!("{versions:?} {auth:?} {certificate:?}");
            assert_eq!(outcome.server.is_ok(), gets_in, "{case}: {:?}", outcome.server);
            if let Ok(server) = &outcome.server {
                assert_eq!(server.peer_certificates().is_some(), is_known, "{case}");
            }
        }
        let without = mutual(&ListenerTlsConfig { versions, ..asking(ClientAuth::Required) }, None);
        assert!(matches!(without.server, Err(Error::NoCertificatesPresented)), "{:?}", without.server);
        assert_eq!(told(&without), AlertDescription::CertificateRequired);
    });
}

/// H-097, with `required` and `requested` alike.
#[test]
fn bad_client_certificates() {
    use AlertDescription as Alert;
    in_versions(|versions| {
        for auth in [ClientAuth::Required, ClientAuth::Requested] {
            for (certificate, expected) in [
                ("client_expired.pem", Alert::CertificateExpired),
                ("client_future.pem", Alert::CertificateExpired),
                ("client_wrong_use.pem", Alert::UnsupportedCertificate),
                ("client_stranger.pem", Alert::UnknownCA),
                ("client_itself.pem", Alert::UnknownCA),
                ("client_ca_leaf.pem", Alert::CertificateUnknown),
                ("client_revoked.pem", Alert::CertificateRevoked),
                ("client_version1.pem", Alert::CertificateUnknown),
            ] {
                let crls = vec![located("ssl.crl.location", file("crl.pem"))];
                let listener = ListenerTlsConfig { versions, crls, ..asking(auth) };
                let outcome = mutual(&listener, Some(certificate));
                let server = outcome.server.as_ref().err();
                assert!(matches!(server, Some(Error::InvalidCertificate(_))), "{certificate}: {server:?}");
                assert_eq!(told(&outcome), expected, "{versions:?} {certificate}: {server:?}");
            }
        }
    });
}

/// H-097: fifty authorities of one name, each of which could have issued the others. Tried in every order they would take for ever;
/// the number of signatures that are looked at is limited.
#[test]
fn a_chain_that_leads_everywhere_is_given_up() {
    write("client_maze.pem", content("client_good.pem") + &content("ca.pem").repeat(50));
    in_versions(|versions| {
        let listener = ListenerTlsConfig { versions, truststore: trust("other.pem"), ..asking(ClientAuth::Required) };
        let started = std::time::Instant::now();
        assert!(mutual(&listener, Some("client_maze.pem")).server.is_err());
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    });
}

#[test]
fn a_revocation_list_refuses_whom_it_names_and_no_other() {
    let listener = |crls: &[&str]| ListenerTlsConfig {
        crls: crls.iter().map(|name| located("ssl.crl.location", file(name))).collect(),
        ..asking(ClientAuth::Required)
    };
    assert!(mutual(&listener(&[]), Some("client_revoked.pem")).server.is_ok());
    assert!(mutual(&listener(&["crl.der"]), Some("client_revoked.pem")).server.is_err());
    assert!(mutual(&listener(&["crl.der"]), Some("client_good.pem")).server.is_ok());
    assert!(mutual(&listener(&["old_crl.pem"]), Some("client_revoked.pem")).server.is_err());
    // The list says nothing of other authorities.
    let both =
        ListenerTlsConfig { truststore: trust_store("trust.p12", Some(STORE_PASSWORD)), ..listener(&["crl.pem"]) };
    assert!(mutual(&both, Some("client_stranger.pem")).server.is_ok());
}

/// A certificate that is trusted itself, as a key store of keytool's own making is used: good unless it is an authority's.
#[test]
fn a_certificate_that_is_its_own_authority() {
    let pinned = ListenerTlsConfig { truststore: trust("itself.pem"), ..asking(ClientAuth::Required) };
    assert!(mutual(&pinned, Some("client_itself.pem")).server.is_ok());
    // Java also takes a certificate that is trusted itself though its authority is not.
    let leaf = ListenerTlsConfig { truststore: trust("good.pem"), ..asking(ClientAuth::Required) };
    assert!(mutual(&leaf, Some("client_good.pem")).server.is_err());
}

#[test]
fn the_chain_is_sent_from_each_kind_of_store() {
    for keystore in [
        pem_file("plain.pem"),
        pem_file_with("encrypted.pem", Some(KEY_PASSWORD)),
        inline(&content("server.key"), &content("server.pem"), None),
        store("openssl.p12", STORE_PASSWORD),
        store("legacy.p12", STORE_PASSWORD),
    ] {
        let outcome = handshake(&server(&listener(keystore)), &client(&backend()), "localhost");
        assert_eq!(outcome.client.unwrap().peer_certificates().unwrap().len(), 2);
        assert!(outcome.server.is_ok());
    }
}

#[test]
fn of_two_keys_the_one_that_the_client_can_use_is_shown() {
    let server = server(&listener(store("several.p12", STORE_PASSWORD)));
    for (suite, versions, subject) in [
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", TLS12, "rsa"),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", TLS12, "renamed"),
        ("TLS_AES_128_GCM_SHA256", TLS13, "renamed"),
    ] {
        let settings = BackendTlsConfig { cipher_suites: suites(&[suite]), versions, ..backend() };
        let client = handshake(&server, &client(&settings), "localhost").client.unwrap();
        let certificate = &client.peer_certificates().unwrap()[0];
        let shown = crate::tls::certificate::info(certificate, crate::tls::Store::Keystore).unwrap().subject;
        assert_eq!(shown, format!("CN={subject}"), "{suite}");
    }
}

#[test]
fn only_enabled_versions_and_suites_are_spoken() {
    let at = |listener_versions, client_versions| {
        let listener = ListenerTlsConfig { versions: listener_versions, ..listener(pem_file("plain.pem")) };
        handshake(
            &server(&listener),
            &client(&BackendTlsConfig { versions: client_versions, ..backend() }),
            "localhost",
        )
    };
    for (both, version) in [(TLS12, "TLSv1_2"), (TLS13, "TLSv1_3"), (BOTH, "TLSv1_3")] {
        let client = at(both, BOTH).client.unwrap();
        assert_eq!(format!("{:?}", client.protocol_version().unwrap()), version);
    }
    assert_eq!(told(&at(TLS12, TLS13)), AlertDescription::ProtocolVersion);
    assert_eq!(told(&at(TLS13, TLS12)), AlertDescription::ProtocolVersion);

    let with = |server_suites: &[&str], client_suites: &[&str]| {
        let listener = ListenerTlsConfig { cipher_suites: suites(server_suites), ..listener(pem_file("plain.pem")) };
        let settings = BackendTlsConfig { cipher_suites: suites(client_suites), ..backend() };
        handshake(&server(&listener), &client(&settings), "localhost")
    };
    let (aes128, aes256) = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384");
    // The listener's order decides.
    for order in [[aes128, aes256], [aes256, aes128]] {
        let client = with(&order, &[aes256, aes128]).client.unwrap();
        let name = format!("{:?}", client.negotiated_cipher_suite().unwrap().suite());
        assert_eq!(name, order[0].replace("TLS_", "TLS13_"));
    }
    assert_eq!(told(&with(&[aes128], &[aes256])), AlertDescription::HandshakeFailure);
    // With suites of TLS 1.2 only, TLS 1.3 is not offered at all.
    let old = with(&["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"], &[aes128, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]);
    assert_eq!(format!("{:?}", old.client.unwrap().protocol_version().unwrap()), "TLSv1_2");
}

/// A resumed session brings the client's certificate back unseen: there is none where clients show certificates.
#[test]
fn sessions_are_resumed_only_where_no_client_shows_a_certificate() {
    in_versions(|versions| {
        for (auth, expected) in [
            (ClientAuth::None, HandshakeKind::Resumed),
            (ClientAuth::Requested, HandshakeKind::Full),
            (ClientAuth::Required, HandshakeKind::Full),
        ] {
            let settings = ListenerTlsConfig { versions, ..asking(auth) };
            let (first, reloaded) = (server(&settings), server(&settings));
            let mut config = rustls::ClientConfig::clone(client(&client_with("client_good.pem")).config());
            config.resumption = rustls::client::Resumption::in_memory_sessions(8);
            let client = ClientTls::with_config(config);
            let kind = |server: &ServerTls| handshake(server, &client, "localhost").server.unwrap().handshake_kind();
            assert_eq!(kind(&first), Some(HandshakeKind::Full));
            assert_eq!(kind(&first), Some(expected), "{versions:?} {auth:?}");
            // Tickets end with the ServerTls that they are of.
            assert_eq!(kind(&reloaded), Some(HandshakeKind::Full));
        }
    });
}

#[test]
fn what_the_byte_stream_needs_is_on() {
    let tls = server(&listener(pem_file("plain.pem")));
    assert!(tls.config().enable_secret_extraction && tls.config().alpn_protocols.is_empty());
    assert_eq!((tls.config().max_early_data_size, tls.config().send_tls13_tickets), (0, 1));
    let tls = client(&backend());
    assert!(tls.config().enable_secret_extraction && tls.config().alpn_protocols.is_empty());
    assert!(!tls.config().enable_early_data && tls.config().enable_sni);
}

/// The brokers' certificates, with verification of the name and without: nothing else is left out.
#[test]
fn whom_the_front_believes_to_be_its_backend() {
    let unknown = |outcome: &Outcome| outcome.client.as_ref().err().cloned();
    in_versions(|versions| {
        for verify_host_name in [true, false] {
            let settings = BackendTlsConfig { versions, verify_host_name, ..backend() };
            let to = |chain: &str, name: &str, settings: &BackendTlsConfig| {
                let listener = listener(inline(&content("server.key"), &content(chain), None));
                unknown(&handshake(&server(&listener), &client(settings), name))
            };
            for name in ["localhost", "broker.example", "127.0.0.1"] {
                assert_eq!(to("server.pem", name, &settings), None, "{name}");
            }
            for name in ["other.example", "example", "127.0.0.2"] {
                let error = to("server.pem", name, &settings);
                let is_name =
                    matches!(&error, Some(Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })));
                assert_eq!(is_name, verify_host_name, "{name}: {error:?}");
                assert_eq!(error.is_some(), verify_host_name, "{name}: {error:?}");
            }
            // Whatever else is wrong, the name must not hide it.
            for name in ["localhost", "other.example"] {
                for chain in ["expired_server.pem", "future_server.pem", "itself_server.pem", "version1_server.pem"] {
                    assert!(to(chain, name, &settings).is_some(), "{chain} as {name}");
                }
                let stranger = BackendTlsConfig { truststore: trust("other.pem"), ..settings.clone() };
                assert!(to("server.pem", name, &stranger).is_some());
                let wrong_use =
                    ListenerTlsConfig { ..listener(inline(&content("client.key"), &content("good.pem"), None)) };
                assert!(unknown(&handshake(&server(&wrong_use), &client(&settings), name)).is_some());
                let revoked =
                    ListenerTlsConfig { ..listener(inline(&content("client.key"), &content("revoked.pem"), None)) };
                let crls = vec![located("backend.ssl.crl.location", file("crl.pem"))];
                let listed = BackendTlsConfig { crls, ..settings.clone() };
                assert!(unknown(&handshake(&server(&revoked), &client(&listed), name)).is_some());
            }
        }
    });
}

#[test]
fn every_connection_to_the_backend_verifies_it_anew() {
    let (server, client) = (server(&listener(pem_file("plain.pem"))), client(&backend()));
    for _ in 0..2 {
        let outcome = handshake(&server, &client, "localhost");
        assert_eq!(outcome.client.unwrap().handshake_kind(), Some(HandshakeKind::Full));
    }
}

/// With very many authorities their names are not sent: they would not fit into the message.
#[test]
fn a_huge_trust_store_works() {
    let many = content("ca.pem").repeat(3000);
    write("many.pem", many);
    let listener = ListenerTlsConfig { truststore: trust("many.pem"), ..asking(ClientAuth::Required) };
    assert!(mutual(&listener, Some("client_good.pem")).server.is_ok());
}
