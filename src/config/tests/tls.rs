//! The texts are Kafka's (spec section 8), where Kafka has one.

use super::*;

const SSL: &str = "listeners=SSL://h:9192\n";
const STORE: &str = "ssl.keystore.location=/k\nssl.keystore.password=hunter2\n";

fn listener(text: &str) -> ListenerTlsConfig {
    good(&format!("{SSL}{text}")).config.listeners.remove(0).tls.unwrap()
}

fn backend(text: &str) -> Option<BackendTlsConfig> {
    good(text).config.backend.security.tls
}

fn path(at: &Located<PathBuf>) -> &str {
    at.value.to_str().unwrap()
}

fn key_path(store: &KeystoreConfig) -> &str {
    let KeystoreConfig::File { location, .. } = store else { panic!("{store:?}") };
    path(location)
}

fn trust_path(store: &Option<TruststoreConfig>) -> &str {
    let Some(TruststoreConfig::File { location, .. }) = store else { panic!("{store:?}") };
    path(location)
}

#[test]
fn a_key_store_file_and_kafkas_defaults() {
    let tls = listener(STORE);
    let KeystoreConfig::File { store_type, location, password, key_password } = &tls.keystore else { panic!() };
    assert_eq!((*store_type, path(location)), (StoreType::Jks, "/k"));
    assert_eq!(location.key, "ssl.keystore.location");
    assert!(location.origin.ends_with("server.properties:2"), "{}", location.origin);
    assert!(password.as_ref().unwrap().matches(b"hunter2"));
    assert!(key_password.is_none() && tls.truststore.is_none() && tls.crls.is_empty() && tls.cipher_suites.is_none());
    assert_eq!(tls.client_auth, ClientAuth::None);
    assert_eq!(tls.versions, TlsVersions { tls12: true, tls13: true });
    assert!(!tls.allow_dn_changes && !tls.allow_san_changes);
    assert_eq!(tls.listener.as_str(), "SSL");
    assert!(good(SASL).config.listeners[0].tls.is_none());
}

#[test]
fn everything_may_be_set_for_one_listener() {
    let prefix = "listener.name.a.";
    let own = [
        "ssl.keystore.type=PEM",
        "ssl.keystore.location=/own",
        "ssl.key.password=kp",
        "ssl.truststore.type=PKCS12",
        "ssl.truststore.location=/trust",
        "ssl.truststore.password=tp",
        "ssl.crl.location=/one, /two",
        "ssl.client.auth=required",
        "ssl.enabled.protocols=TLSv1.3",
        "ssl.cipher.suites=B, A",
        "ssl.allow.dn.changes=TRUE",
        "ssl.allow.san.changes=true",
    ];
    let own: String = own.iter().map(|line| format!("{prefix}{line}\n")).collect();
    let loaded = good(&format!(
        "listeners=A://h:9192,B://h:9300\nlistener.security.protocol.map=A:SSL,B:SSL\n{own}ssl.keystore.location=/both\n\
         listener.name.b.ssl.keystore.password=x"
    ));
    assert_eq!(loaded.warnings, [""; 0]);
    let [a, b] = &loaded.config.listeners[..] else { panic!() };
    let (a, b) = (a.tls.as_ref().unwrap(), b.tls.as_ref().unwrap());
    assert_eq!((key_path(&a.keystore), key_path(&b.keystore)), ("/own", "/both"));
    let KeystoreConfig::File { store_type, location, password, key_password } = &a.keystore else { panic!() };
    assert_eq!((*store_type, &*location.key), (StoreType::Pem, "listener.name.a.ssl.keystore.location"));
    assert!(password.is_none() && key_password.as_ref().unwrap().matches(b"kp"));
    assert_eq!(trust_path(&a.truststore), "/trust");
    let Some(TruststoreConfig::File { store_type: StoreType::Pkcs12, password, .. }) = &a.truststore else { panic!() };
    assert!(password.as_ref().unwrap().matches(b"tp"));
    assert_eq!(a.crls.iter().map(path).collect::<Vec<_>>(), ["/one", "/two"]);
    assert_eq!(a.client_auth, ClientAuth::Required);
    assert_eq!(a.versions, TlsVersions { tls12: false, tls13: true });
    assert_eq!(a.cipher_suites.as_ref().unwrap().value, ["B", "A"]);
    assert!(a.allow_dn_changes && a.allow_san_changes);
    assert!(b.truststore.is_none() && b.client_auth == ClientAuth::None);
}

#[test]
fn inline_pem() {
    let tls = listener(
        "ssl.keystore.type=PEM\nssl.keystore.key=hunter2 key\nssl.keystore.certificate.chain=the chain\n\
         ssl.key.password=kp\nssl.truststore.type=PEM\nssl.truststore.certificates=the trust\n",
    );
    let KeystoreConfig::Inline { key, certificate_chain, key_password } = &tls.keystore else { panic!() };
    assert!(key.value.matches(b"hunter2 key") && certificate_chain.value.matches(b"the chain"));
    assert!(key_password.as_ref().unwrap().matches(b"kp"));
    let Some(TruststoreConfig::Inline(certificates)) = &tls.truststore else { panic!() };
    assert!(certificates.value.matches(b"the trust"));
    assert!(!format!("{tls:?}").contains("hunter2"));
}

/// Each of Kafka's messages for what does not go together, with the key and line that it is about.
#[test]
fn what_does_not_go_together() {
    let key = "ssl.keystore.key=hunter2\n";
    let chain = "ssl.keystore.certificate.chain=c\n";
    let pem = "ssl.keystore.type=PEM\n";
    let trust_pem = "ssl.truststore.type=PEM\n";
    let cases = [
        (
            format!("{key}{chain}"),
            "ssl.keystore.key (server.properties:2): SSL private key can be specified only for PEM, but key store type is JKS.",
        ),
        (
            format!("ssl.keystore.type=pkcs12\n{key}{chain}"),
            "ssl.keystore.key (server.properties:3): SSL private key can be specified only for PEM, but key store type is \
             pkcs12.",
        ),
        (
            format!("{pem}{key}"),
            "ssl.keystore.key (server.properties:3): SSL private key is specified, but certificate chain is not specified.",
        ),
        (
            format!("{pem}{key}{chain}ssl.keystore.location=/k"),
            "ssl.keystore.key (server.properties:3): Both SSL key store location and separate private key are specified.",
        ),
        (
            format!("{pem}{key}{chain}ssl.keystore.password=x"),
            "ssl.keystore.password (server.properties:5): SSL key store password cannot be specified with PEM format, only \
             key password may be specified.",
        ),
        (
            format!("{pem}{chain}"),
            "ssl.keystore.certificate.chain (server.properties:3): SSL certificate chain is specified, but private key is \
             not specified",
        ),
        (
            format!("{pem}ssl.keystore.location=/k\nssl.keystore.password=x"),
            "ssl.keystore.password (server.properties:4): SSL key store password cannot be specified with PEM format, only \
             key password may be specified",
        ),
        (
            "ssl.keystore.location=/k".into(),
            "ssl.keystore.location (server.properties:2): SSL key store is specified, but key store password is not \
             specified.",
        ),
        (
            "ssl.keystore.password=x".into(),
            "ssl.keystore.password (server.properties:2): SSL key store is not specified, but key store password is \
             specified.",
        ),
        (
            format!("{pem}ssl.keystore.password=x"),
            "ssl.keystore.password (server.properties:3): SSL key store is not specified, but key store password is \
             specified.",
        ),
        (
            format!("{STORE}ssl.truststore.certificates=c"),
            "ssl.truststore.certificates (server.properties:4): SSL trust store certs can be specified only for PEM, but \
             trust store type is JKS.",
        ),
        (
            format!("{STORE}{trust_pem}ssl.truststore.certificates=c\nssl.truststore.location=/t"),
            "ssl.truststore.certificates (server.properties:5): Both SSL trust store location and separate trust \
             certificates are specified.",
        ),
        (
            format!("{STORE}{trust_pem}ssl.truststore.certificates=c\nssl.truststore.password=x"),
            "ssl.truststore.password (server.properties:6): SSL trust store password cannot be specified for PEM format.",
        ),
        (
            format!("{STORE}{trust_pem}ssl.truststore.location=/t\nssl.truststore.password=x"),
            "ssl.truststore.password (server.properties:6): SSL trust store password cannot be specified for PEM format.",
        ),
        (
            format!("{STORE}ssl.truststore.password=x"),
            "ssl.truststore.password (server.properties:4): SSL trust store is not specified, but trust store password is \
             specified.",
        ),
        (
            "ssl.keystore.location=\nssl.keystore.password=x".into(),
            "ssl.keystore.location (server.properties:2): expected the path of a file",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(errors(&format!("{SSL}{text}")), [expected], "{text}");
    }
    // A store is read without its password, but not checked.
    assert_eq!(trust_path(&listener(&format!("{STORE}ssl.truststore.location=/t")).truststore), "/t");
}

/// Kafka starts, and every handshake fails.
#[test]
fn a_listener_without_key_store_is_refused() {
    for protocol in ["SSL", "SASL_SSL"] {
        let text = SASL.replace("sasl_plaintext", "a").replace("SASL_PLAINTEXT", "A");
        let told = errors(&format!("{text}listener.security.protocol.map=A:{protocol}"));
        assert_eq!(
            told,
            [format!(
                "listener.name.a.ssl.keystore.location: listener A has security protocol {protocol} and no key store: every TLS \
                 handshake would fail; expected that key or ssl.keystore.location, or ssl.keystore.key and \
                 ssl.keystore.certificate.chain"
            )]
        );
    }
}

#[test]
fn values_that_are_not_understood() {
    let cases = [
        (
            "ssl.client.auth=REQUIRED",
            "Invalid value REQUIRED for configuration ssl.client.auth: String must be one of: required, requested, none",
        ),
        (
            "ssl.keystore.type=BKS",
            "Invalid value BKS for configuration ssl.keystore.type: String must be one of: JKS, PKCS12, PEM",
        ),
        (
            "ssl.truststore.type=",
            "Invalid value  for configuration ssl.truststore.type: String must be one of: JKS, PKCS12, PEM",
        ),
        (
            "ssl.enabled.protocols=TLSv1.2,TLSv1.1",
            "protocol TLSv1.1 is not supported; expected TLSv1.2, TLSv1.3 or both",
        ),
        (
            "ssl.protocol=TLSv1.1",
            "Invalid value TLSv1.1 for configuration ssl.protocol: String must be one of: TLSv1.3, TLSv1.2, TLS",
        ),
        ("ssl.engine.factory.class=a.B", "doorkeeper runs no Java classes for TLS; expected no such key"),
        (
            "ssl.allow.dn.changes=yes",
            "Invalid value yes for configuration ssl.allow.dn.changes: Expected value to be either true or false",
        ),
        ("ssl.crl.location=/a,,/b", "Configuration 'ssl.crl.location' values must not be empty."),
        ("ssl.cipher.suites=A,A", "Configuration 'ssl.cipher.suites' values must not be duplicated."),
    ];
    for (line, problem) in cases {
        let key = line.split_once('=').unwrap().0;
        assert_eq!(errors(&format!("{SSL}{STORE}{line}")), [format!("{key} (server.properties:4): {problem}")]);
    }
    for protocol in ["TLS", "TLSv1.2", "TLSv1.3"] {
        listener(&format!("{STORE}ssl.protocol={protocol}"));
    }
    let both = TlsVersions { tls12: true, tls13: true };
    assert_eq!(listener(&format!("{STORE}ssl.enabled.protocols=")).versions, both);
    assert_eq!(listener(&format!("{STORE}ssl.cipher.suites=")).cipher_suites, None);
}

#[test]
fn what_is_javas_own_has_no_effect() {
    for key in
        ["ssl.provider", "ssl.secure.random.implementation", "ssl.keymanager.algorithm", "ssl.trustmanager.algorithm"]
    {
        let warnings = good(&format!("{SSL}{STORE}{key}=x")).warnings;
        assert_eq!(warnings.len(), 1, "{key}: {warnings:?}");
        assert!(warnings[0].ends_with("server.properties:4): has no effect: doorkeeper's TLS is not Java's"), "{key}");
    }
}

/// H-100: on SASL_SSL the key without prefix is ignored, as in Kafka, but not in silence.
#[test]
fn client_auth_without_prefix_does_not_reach_sasl_ssl() {
    let text = format!(
        "{}listener.security.protocol.map=A:SASL_SSL\n{STORE}",
        SASL.replace("sasl_plaintext", "a").replace("SASL_PLAINTEXT", "A")
    );
    let auth = |more: &str| {
        let Loaded { mut config, warnings, .. } = good(&format!("{text}{more}"));
        (config.listeners.remove(0).tls.unwrap().client_auth, warnings)
    };
    assert_eq!(auth(""), (ClientAuth::None, vec![]));
    assert_eq!(auth("ssl.client.auth=none"), (ClientAuth::None, vec![]));
    let (ignored, warnings) = auth("ssl.client.auth=required");
    assert_eq!((ignored, warnings.len()), (ClientAuth::None, 1));
    assert!(
        warnings[0].contains("has no effect on listener A, because its security protocol is SASL_SSL")
            && warnings[0].ends_with("expected listener.name.a.ssl.client.auth"),
        "{warnings:?}"
    );
    assert_eq!(auth("listener.name.a.ssl.client.auth=requested"), (ClientAuth::Requested, vec![]));
    let both = auth("ssl.client.auth=none\nlistener.name.a.ssl.client.auth=required");
    assert_eq!(both, (ClientAuth::Required, vec![]));
    assert_eq!(listener(&format!("{STORE}ssl.client.auth=required")).client_auth, ClientAuth::Required);
}

#[test]
fn towards_the_backend_with_its_own_keys() {
    let none = backend("backend.security.protocol=SSL").unwrap();
    assert!(none.keystore.is_none() && none.truststore.is_none() && none.verify_host_name);
    assert_eq!(none.versions, TlsVersions { tls12: true, tls13: true });
    assert!(backend("").is_none());

    let text = "backend.security.protocol=SSL\nbackend.ssl.keystore.location=/k\nbackend.ssl.keystore.password=x\n\
                backend.ssl.truststore.type=PEM\nbackend.ssl.truststore.location=/t\nbackend.ssl.crl.location=/c\n\
                backend.ssl.enabled.protocols=TLSv1.2\nbackend.ssl.cipher.suites=A\n";
    let own = backend(text).unwrap();
    assert_eq!((key_path(own.keystore.as_ref().unwrap()), trust_path(&own.truststore)), ("/k", "/t"));
    assert_eq!(path(&own.crls[0]), "/c");
    assert_eq!(own.versions, TlsVersions { tls12: true, tls13: false });
    assert_eq!(own.cipher_suites.unwrap().key, "backend.ssl.cipher.suites");

    // With a protocol of its own, nothing of a listener reaches the backend.
    let text = format!("{SSL}{STORE}ssl.truststore.location=/t\nbackend.security.protocol=SSL\n");
    let own = backend(&text).unwrap();
    assert!(own.keystore.is_none() && own.truststore.is_none());

    let told = errors("backend.security.protocol=SSL\nbackend.ssl.keystore.location=/k");
    assert_eq!(
        told,
        [
            "backend.ssl.keystore.location (server.properties:2): SSL key store is specified, but key store password is not \
             specified."
        ]
    );
}

#[test]
fn towards_the_backend_as_between_brokers() {
    let stores = format!("{STORE}ssl.truststore.location=/t\n");
    let by_protocol = backend(&format!("{SSL}{stores}security.inter.broker.protocol=SSL")).unwrap();
    assert_eq!((key_path(by_protocol.keystore.as_ref().unwrap()), trust_path(&by_protocol.truststore)), ("/k", "/t"));

    let by_name = format!(
        "listeners=IN://h:9192\nlistener.security.protocol.map=IN:SSL\ninter.broker.listener.name=IN\n{stores}\
         listener.name.in.ssl.truststore.location=/in\n"
    );
    let tls = backend(&by_name).unwrap();
    assert_eq!((key_path(tls.keystore.as_ref().unwrap()), trust_path(&tls.truststore)), ("/k", "/in"));

    // A store of the backend's own replaces the whole store, its type and password too.
    let own = format!(
        "{by_name}ssl.truststore.password=x\nbackend.ssl.truststore.type=PEM\nbackend.ssl.truststore.location=/own\n"
    );
    let tls = backend(&own).unwrap();
    assert_eq!((key_path(tls.keystore.as_ref().unwrap()), trust_path(&tls.truststore)), ("/k", "/own"));
    let Some(TruststoreConfig::File { store_type, password, .. }) = tls.truststore else { panic!() };
    assert!(store_type == StoreType::Pem && password.is_none());

    let both = format!(
        "{by_name}listener.name.in.ssl.endpoint.identification.algorithm=\nsasl.mechanism.inter.broker.protocol=PLAIN\n"
    );
    assert!(!backend(&both).unwrap().verify_host_name);
    assert!(backend(&format!("{both}backend.ssl.endpoint.identification.algorithm=HTTPS")).unwrap().verify_host_name);
}

#[test]
fn sasl_ssl_towards_the_backend() {
    let module = "org.apache.kafka.common.security.plain.PlainLoginModule";
    let security = good(&format!(
        "backend.security.protocol=SASL_SSL\nbackend.sasl.mechanism=PLAIN\n\
         backend.sasl.jaas.config={module} required username=a password=b;"
    ))
    .config
    .backend
    .security;
    assert!(security.tls.is_some());
    assert!(matches!(security.sasl, Some(BackendLogin::Plain(Credentials { username, .. })) if username == "a"));
}

#[test]
fn host_names_of_the_backend_are_verified_unless_told_otherwise() {
    let text = "backend.security.protocol=SSL\nbackend.ssl.endpoint.identification.algorithm=";
    let Loaded { config, warnings, .. } = good(text);
    assert!(!config.backend.security.tls.unwrap().verify_host_name);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("server.properties:2): the backend's host names are NOT VERIFIED"), "{warnings:?}");
    for bad in ["LDAPS", "none", "http"] {
        assert_eq!(
            errors(&format!("{text}{bad}")),
            [format!(
                "backend.ssl.endpoint.identification.algorithm (server.properties:2): Invalid value {bad} for configuration \
                 backend.ssl.endpoint.identification.algorithm: expected https, or nothing to leave host names unverified"
            )]
        );
    }
}
