//! Key stores, trust stores and revocation lists: what is read, and what is said of those that cannot be.

use proptest::prelude::*;

use super::fixture::*;
use crate::config::{
    BackendTlsConfig, ClientAuth, KeystoreConfig, ListenerTlsConfig, StoreType, TlsVersions, TruststoreConfig,
};
use crate::secret::Secret;
use crate::tls::{ClientTls, ServerTls, Store};

fn good(keystore: KeystoreConfig) -> ServerTls {
    ServerTls::load(&listener(keystore)).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(settings: &ListenerTlsConfig) -> String {
    text(&ServerTls::load(settings).unwrap_err())
}

fn key_refused(keystore: KeystoreConfig) -> String {
    refused(&listener(keystore))
}

fn subjects(tls: &ServerTls, store: Store) -> Vec<&str> {
    tls.certificates().iter().filter(|c| c.store == store).map(|c| c.subject.as_str()).collect()
}

fn one_line(name: &str) -> String {
    content(name).replace('\n', " ")
}

#[test]
fn a_private_key_in_each_form() {
    let chain = content("server.pem");
    for key in ["server.key", "sec1.key"] {
        good(inline(&content(key), &chain, None));
    }
    for key in ["aes.key", "aes128.key", "3des.key", "scrypt.key"] {
        good(inline(&content(key), &chain, Some(KEY_PASSWORD)));
    }
    good(inline(&content("pkcs1.key"), &content("rsa.pem"), None));
    // As the value of a key: one line, with blanks for the newlines.
    let tls = good(inline(&one_line("aes.key"), &one_line("server.pem"), Some(KEY_PASSWORD)));
    assert_eq!(subjects(&tls, Store::Keystore), ["CN=server", "CN=inter"]);
    assert!(tls.files().is_empty());
    assert_eq!(tls.warnings(), [""; 0]);
}

#[test]
fn a_pem_file_with_key_chain_and_other_text() {
    let tls = good(pem_file_with("encrypted.pem", Some(KEY_PASSWORD)));
    assert_eq!(subjects(&tls, Store::Keystore), ["CN=server", "CN=inter"]);
    assert_eq!(tls.files(), [file("encrypted.pem")]);
    let in_days = |days: i64| crate::tls::material::now() + days * 86_400;
    for certificate in tls.certificates() {
        assert!((in_days(29)..=in_days(31)).contains(&certificate.not_after), "{certificate:?}");
        assert!((in_days(-1)..=in_days(0)).contains(&certificate.not_before), "{certificate:?}");
    }
}

#[test]
fn a_private_key_that_cannot_be_used_is_told_why() {
    let at = "listener EXTERNAL: ssl.keystore.key (f:1): Invalid PEM keystore configs: ";
    let convert = "openssl pkcs8 -topk8 -v2 aes256 -in OLD -out NEW";
    let cases = [
        ("server.key", Some("x"), "ssl.key.password is specified, but the private key is not encrypted".to_owned()),
        ("aes.key", None, "the private key is encrypted, but ssl.key.password is not specified".into()),
        (
            "aes.key",
            Some("wrong"),
            "the private key cannot be decrypted: ssl.key.password is wrong, or it is broken".into(),
        ),
        (
            "pbes1.key",
            Some(KEY_PASSWORD),
            format!(
                "the private key is encrypted with pbeWithSHAAnd3-KeyTripleDES-CBC, which is not supported; expected PBES2 with AES \
                 or 3DES: {convert}"
            ),
        ),
        (
            "traditional.key",
            Some(KEY_PASSWORD),
            format!("the private key is encrypted in OpenSSL's own way; expected PKCS#8: {convert}"),
        ),
        (
            "x25519.key",
            None,
            "the private key is broken or of a kind that is not supported; expected RSA of 2048 to 8192 bits, EC on P-256, P-384 \
             or P-521, or Ed25519"
                .into(),
        ),
        ("server.pem", None, "No matching PRIVATE KEY entries in PEM file".into()),
    ];
    for (name, password, problem) in cases {
        let told = key_refused(inline(&content(name), &content("server.pem"), password));
        assert_eq!(told, format!("{at}{problem}"), "{name}");
        assert!(!told.contains(KEY_PASSWORD));
    }
    let two = content("server.key") + &content("rsa.key");
    let told = key_refused(inline(&two, &content("server.pem"), None));
    assert_eq!(told, format!("{at}Expected one private key, but found 2"));
    let broken = content("server.key").replace("MIG", "M*G");
    assert_eq!(key_refused(inline(&broken, &content("server.pem"), None)), format!("{at}an entry that is not Base64"));
}

#[test]
fn the_certificate_must_belong_to_the_key() {
    let told = key_refused(inline(&content("client.key"), &content("server.pem"), None));
    assert_eq!(
        told,
        "listener EXTERNAL: ssl.keystore.certificate.chain (f:1): Invalid PEM keystore configs: the first certificate does not \
         belong to the private key"
    );
    let told = key_refused(inline(&content("server.key"), &(content("inter.pem") + &content("server.pem")), None));
    assert!(told.ends_with("the first certificate does not belong to the private key"), "{told}");
    let told = key_refused(inline(&content("server.key"), "nothing", None));
    assert!(told.ends_with("configs: No matching CERTIFICATE entries in PEM file"), "{told}");
    // rustls itself does not parse version 1.
    good(inline(&content("server.key"), &content("version1_server.pem"), None));
}

#[test]
fn a_certificate_out_of_its_time_is_warned_of() {
    for (name, when) in [("expired_server.pem", "has expired"), ("future_server.pem", "is not valid yet")] {
        let tls = good(inline(&content("server.key"), &content(name), None));
        let [warning] = tls.warnings() else { panic!("{:?}", tls.warnings()) };
        assert!(
            warning.starts_with("listener EXTERNAL: ssl.keystore.certificate.chain (f:1): the certificate of CN="),
            "{warning}"
        );
        assert!(warning.contains(when), "{warning}");
    }
}

#[test]
fn stores_of_openssl_and_keytool() {
    for name in ["openssl.p12", "legacy.p12"] {
        let tls = good(store(name, STORE_PASSWORD));
        assert_eq!(subjects(&tls, Store::Keystore), ["CN=server", "CN=inter"], "{name}");
        assert_eq!(tls.files(), [file(name)]);
    }
    good(store("unicode.p12", "pä€ss"));
    let same_password = |key_password: &str| {
        let KeystoreConfig::File { location, password, .. } = store("openssl.p12", STORE_PASSWORD) else { panic!() };
        let key_password = Some(Secret::new(key_password));
        KeystoreConfig::File { store_type: StoreType::Pkcs12, location, password, key_password }
    };
    good(same_password(STORE_PASSWORD));
    assert_eq!(
        key_refused(same_password("other")),
        "listener EXTERNAL: ssl.keystore.location (f:1): Failed to load SSL keystore openssl.p12 of type PKCS12: \
         ssl.key.password is not the store's password, but the keys of a PKCS12 store have none of their own"
    );
}

/// A key that cannot be used does not take the others with it.
#[test]
fn a_store_with_an_unusable_key() {
    let tls = good(store("odd.p12", STORE_PASSWORD));
    assert_eq!(subjects(&tls, Store::Keystore), ["CN=server", "CN=inter"]);
    let [warning] = tls.warnings() else { panic!("{:?}", tls.warnings()) };
    assert!(warning.contains("not used: entry 'dsa': the private key is broken or of a kind"), "{warning}");
    let told = key_refused(store("dsa.p12", STORE_PASSWORD));
    assert!(told.contains("type JKS: entry 'dsa': the private key is broken or of a kind"), "{told}");
}

/// Java takes whichever a hash table yields first; here the aliases' order decides, and each kind of key is used.
#[test]
fn of_several_keys_the_first_of_each_kind_is_used() {
    let tls = good(store("several.p12", STORE_PASSWORD));
    assert_eq!(subjects(&tls, Store::Keystore), ["CN=renamed", "CN=rsa"]);
    assert_eq!(
        tls.warnings(),
        [
            "listener EXTERNAL: ssl.keystore.location (f:1): entry 'server' is not used: another of its kind comes before it"
        ]
    );
}

#[test]
fn a_store_that_cannot_be_used_is_told_why() {
    let at = |name: &str| {
        format!("listener EXTERNAL: ssl.keystore.location (f:1): Failed to load SSL keystore {name} of type JKS: ")
    };
    write("text.p12", "no store");
    let cases = [
        ("openssl.p12", "wrong", "keystore password was incorrect"),
        ("trust.p12", STORE_PASSWORD, "there is no private key in the store"),
        ("server.key", "x", "the file is neither a PKCS12 nor a JKS store; a PEM file needs the store type PEM"),
        ("text.p12", "x", "the file is neither a PKCS12 nor a JKS store; a PEM file needs the store type PEM"),
        ("missing.p12", "x", "it cannot be read: No such file or directory (os error 2)"),
        (
            "java.jks",
            STORE_PASSWORD,
            "the file is in Java's old format JKS, which is not supported; expected PKCS12: keytool -importkeystore \
             -srckeystore java.jks -srcstoretype JKS -destkeystore java.jks.p12 -deststoretype PKCS12",
        ),
    ];
    for (name, password, problem) in cases {
        assert_eq!(key_refused(store(name, password)), at(name) + problem);
    }
    write("cut.p12", &std::fs::read(file("openssl.p12")).unwrap()[..500]);
    assert!(key_refused(store("cut.p12", STORE_PASSWORD)).starts_with(&(at("cut.p12") + "the store is broken: ")));
    let missing = key_refused(pem_file("missing.pem"));
    assert_eq!(
        missing,
        "listener EXTERNAL: ssl.keystore.location (f:1): Failed to load PEM SSL keystore missing.pem: it cannot be read: No such \
         file or directory (os error 2)"
    );
    let directory = key_refused(pem_file("db"));
    assert!(directory.contains("db: it cannot be read: Is a directory"), "{directory}");
}

#[test]
fn a_path_from_a_provider_is_not_shown() {
    let KeystoreConfig::File { store_type, mut location, password, key_password } = store("hunter2.p12", "x") else {
        panic!()
    };
    location.hidden = true;
    let told = key_refused(KeystoreConfig::File { store_type, location, password, key_password });
    assert!(told.contains("SSL keystore [hidden] of type JKS") && !told.contains("hunter2"), "{told}");
}

#[test]
fn trust_stores() {
    let load = |truststore: Option<TruststoreConfig>| {
        ServerTls::load(&ListenerTlsConfig { truststore, ..asking(ClientAuth::Required) })
    };
    let pem = load(trust("ca.pem")).unwrap();
    assert_eq!(subjects(&pem, Store::Truststore), ["CN=ca"]);
    assert_eq!(pem.files(), [file("plain.pem"), file("ca.pem")]);
    let both = load(trust_store("trust.p12", Some(STORE_PASSWORD))).unwrap();
    let mut names = subjects(&both, Store::Truststore);
    names.sort_unstable();
    assert_eq!(names, ["CN=ca", "CN=other"]);
    let text_of = |name: &str| located("ssl.truststore.certificates", Secret::new(one_line(name)));
    assert_eq!(
        subjects(&load(Some(TruststoreConfig::Inline(text_of("ca.pem")))).unwrap(), Store::Truststore),
        ["CN=ca"]
    );
    // Java trusts the own certificate of a key entry, too, and no other that is in the store.
    let own = load(trust_store("openssl.p12", Some(STORE_PASSWORD))).unwrap();
    assert_eq!(subjects(&own, Store::Truststore), ["CN=server"]);

    let told = |truststore| text(&load(truststore).unwrap_err());
    let at = "listener EXTERNAL: ssl.truststore.location (f:1): Failed to load SSL keystore";
    assert_eq!(
        told(trust_store("nokeys.p12", Some(STORE_PASSWORD))),
        format!(
            "{at} nokeys.p12 of type JKS: there is no trusted certificate in the store; Java, and Kafka with it, sees only those \
             that keytool -importcert put there"
        )
    );
    assert_eq!(
        told(trust_store("trust.p12", None)),
        format!("{at} trust.p12 of type JKS: the store cannot be read without its password")
    );
    assert_eq!(
        told(trust_store("trust.p12", Some("wrong"))),
        format!("{at} trust.p12 of type JKS: keystore password was incorrect")
    );
    assert_eq!(
        told(trust("server.key")),
        "listener EXTERNAL: ssl.truststore.location (f:1): Failed to load PEM SSL keystore server.key: No matching CERTIFICATE \
         entries in PEM file"
    );
    assert!(
        told(Some(TruststoreConfig::Inline(text_of("server.key"))))
            .contains("Invalid PEM truststore configs: No matching")
    );
}

/// Kafka reads the trust store of every listener that has one: a broken one shows before somebody relies on it.
#[test]
fn a_trust_store_is_read_though_nobody_is_asked() {
    let told = refused(&ListenerTlsConfig { truststore: trust("server.key"), ..listener(pem_file("plain.pem")) });
    assert!(told.contains("ssl.truststore.location"), "{told}");
}

/// The machine that tests has authorities of its own, as each has that speaks HTTPS.
#[test]
fn without_a_trust_store_the_systems_authorities_are_trusted() {
    let asking = ListenerTlsConfig { client_auth: ClientAuth::Required, ..listener(pem_file("plain.pem")) };
    let tls = server(&asking);
    assert_eq!(tls.files(), [file("plain.pem")]);
    assert_eq!(
        tls.warnings(),
        [
            "listener EXTERNAL: listener.name.external.ssl.truststore.location (not set): without a trust store, clients with a \
          certificate of any of the operating system's authorities are let in"
        ]
    );
    ClientTls::load(&BackendTlsConfig { truststore: None, ..backend() }).unwrap();
}

#[test]
fn revocation_lists() {
    let with = |names: &[&str]| ListenerTlsConfig {
        crls: names.iter().map(|name| located("ssl.crl.location", file(name))).collect(),
        ..asking(ClientAuth::Required)
    };
    let tls = server(&with(&["crl.pem", "crl.der"]));
    assert_eq!(tls.files()[2..], [file("crl.pem"), file("crl.der")]);
    assert_eq!(tls.warnings(), [""; 0]);
    assert_eq!(
        server(&with(&["old_crl.pem"])).warnings(),
        [
            "listener EXTERNAL: ssl.crl.location (f:1): the revocation list of CN=ca is out of date; it is used nevertheless"
        ]
    );
    let at = "listener EXTERNAL: ssl.crl.location (f:1): revocation list";
    let version = "it is no certificate revocation list of version 2 (RFC 5280 section 5.1); openssl writes that version with \
                   crl_extensions in its configuration";
    write("broken_crl.der", [0x30, 3, 2, 1, 1]);
    for (name, problem) in [
        ("ca.pem", "No matching X509 CRL entries in PEM file"),
        ("broken_crl.der", version),
        ("version1_crl.pem", version),
        ("missing.crl", "it cannot be read: No such file or directory (os error 2)"),
    ] {
        assert_eq!(refused(&with(&[name])), format!("{at} {name}: {problem}"));
    }
    // Asked or not, a list that is named must be good.
    assert!(refused(&ListenerTlsConfig { client_auth: ClientAuth::None, ..with(&["ca.pem"]) }).contains("X509 CRL"));
}

#[test]
fn cipher_suites_by_javas_names() {
    let with = |names: &[&str], versions: TlsVersions| {
        let settings = listener(pem_file("plain.pem"));
        ServerTls::load(&ListenerTlsConfig { cipher_suites: suites(names), versions, ..settings })
    };
    let all = [
        "TLS_AES_256_GCM_SHA384",
        "TLS_AES_128_GCM_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ];
    with(&all, BOTH).unwrap();
    for unsupported in ["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS13_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "x"]
    {
        let told = text(&with(&[all[0], unsupported], BOTH).unwrap_err());
        assert_eq!(
            told,
            format!(
                "listener EXTERNAL: ssl.cipher.suites (f:1): cipher suite {unsupported} is not supported; expected {}",
                all.join(", ")
            )
        );
    }
    assert_eq!(
        text(&with(&all[..3], TLS12).unwrap_err()),
        "listener EXTERNAL: ssl.cipher.suites (f:1): none of these cipher suites is for a version of TLS that \
         ssl.enabled.protocols has"
    );
    // A key that none of the suites can use would fail every handshake.
    assert_eq!(
        text(&with(&all[6..], BOTH).unwrap_err()),
        "listener EXTERNAL: ssl.keystore.location (f:1): the private key fits none of the cipher suites and versions of this \
         listener: every handshake would fail"
    );
}

#[test]
fn the_backends_errors_name_the_backend() {
    let told = text(&ClientTls::load(&client_with("missing.pem")).unwrap_err());
    assert!(
        told.starts_with("backend: ssl.keystore.location (f:1): Failed to load PEM SSL keystore missing.pem: "),
        "{told}"
    );
    let tls = client(&client_with("client_good.pem"));
    let names: Vec<_> = tls.certificates().iter().map(|c| (c.store.as_str(), c.subject.as_str())).collect();
    assert_eq!(names, [("keystore", "CN=good"), ("truststore", "CN=ca")]);
    assert_eq!(tls.files(), [file("client_good.pem"), file("ca.pem")]);
    assert_eq!(tls.warnings(), [""; 0]);
}

/// Kafka's rules for a key store that is replaced while the broker runs.
#[test]
fn what_a_new_key_store_may_change() {
    let load = |chain: &str, allow_dn_changes, allow_san_changes| {
        let settings = listener(inline(&content("server.key"), &content(chain), None));
        server(&ListenerTlsConfig { allow_dn_changes, allow_san_changes, ..settings })
    };
    let old = load("server.pem", false, false);
    load("server.pem", false, false).may_replace(&old).unwrap();
    load("renamed.pem", true, false).may_replace(&old).unwrap();
    let told = text(&load("renamed.pem", false, true).may_replace(&old).unwrap_err());
    assert_eq!(
        told,
        "listener EXTERNAL: ssl.keystore.key (f:1): the new certificate is for another subject than the one in use; \
         ssl.allow.dn.changes=true allows it"
    );
    let more = load("more_names.pem", true, false);
    more.may_replace(&old).unwrap();
    let told = text(&load("server.pem", true, false).may_replace(&more).unwrap_err());
    assert_eq!(
        told,
        "listener EXTERNAL: ssl.keystore.key (f:1): the new certificate lacks alternative names of the one in use; \
         ssl.allow.san.changes=true allows it"
    );
    load("server.pem", true, true).may_replace(&more).unwrap();
    let several = server(&listener(store("several.p12", STORE_PASSWORD)));
    assert!(text(&several.may_replace(&old).unwrap_err()).contains("another number of keys"));
}

#[test]
fn no_secret_is_in_what_is_printed() {
    let tls = good(pem_file_with("encrypted.pem", Some(KEY_PASSWORD)));
    let shown = format!("{tls:?}");
    assert!(!shown.contains(KEY_PASSWORD));
    let key = content("server.key");
    let middle = key.lines().nth(1).unwrap();
    assert!(!shown.contains(middle));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Stores are the operator's own files, but a broken one must end in an error, not in a panic.
    #[test]
    fn a_broken_store_ends_without_panic(at in 0usize..4000, byte in any::<u8>(), cut in any::<bool>()) {
        for name in ["openssl.p12", "java.jks", "encrypted.pem", "crl.der"] {
            let mut bytes = std::fs::read(file(name)).unwrap();
            let at = at % bytes.len();
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            write("mutant", bytes);
            let _ = ServerTls::load(&listener(store("mutant", STORE_PASSWORD)));
            let _ = ServerTls::load(&listener(pem_file_with("mutant", Some(KEY_PASSWORD))));
            let crls = vec![located("ssl.crl.location", file("mutant"))];
            let _ = ServerTls::load(&ListenerTlsConfig { crls, ..listener(pem_file("plain.pem")) });
        }
    }
}
