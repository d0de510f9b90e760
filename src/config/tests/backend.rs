use super::*;

const MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

fn security(text: &str) -> String {
    let BackendSecurity { tls, sasl } = good(text).config.backend.security;
    let shown = |login: BackendLogin| {
        let by = login.mechanism().as_str();
        match login {
            BackendLogin::Plain(Credentials { username, password }) => {
                format!("{username}/{}", String::from_utf8_lossy(password.expose()))
            }
            BackendLogin::Scram(_, Credentials { username, password }) => {
                format!("{by} {username}/{}", String::from_utf8_lossy(password.expose()))
            }
            BackendLogin::OauthBearer(_) => by.to_owned(),
        }
    };
    let login = sasl.map_or("no login".into(), shown);
    format!("{}{login}", if tls.is_some() { "tls, " } else { "" })
}

#[test]
fn the_address_must_be_set_and_well_formed() {
    let told = load_text("", &[], &[]).unwrap_err().to_string();
    assert_eq!(
        told,
        "backend.bootstrap.servers: Missing required configuration \"backend.bootstrap.servers\" which has no default value: \
         expected host:port of the Kafka cluster, separated by commas"
    );
    for bad in ["kafka", "kafka:0", "kafka:65536", ":9092", "[::1:9092", "a b:9092", "x:y:9092", "a:9092,"] {
        let told = load_text("", &[&format!("backend.bootstrap.servers={bad}")], &[]).unwrap_err().to_string();
        let start = "backend.bootstrap.servers (override): Invalid url in backend.bootstrap.servers: ";
        assert!(told.starts_with(start), "{bad}: {told}");
    }
    let loaded = load_text("", &["backend.bootstrap.servers=a-1.b:1, [::1]:2"], &[]).unwrap();
    let expected = [("a-1.b", 1), ("::1", 2)].map(|(host, port)| HostPort { host: host.into(), port });
    assert_eq!(loaded.config.backend.bootstrap_servers, expected);
}

#[test]
fn logs_in_as_a_broker_would() {
    assert_eq!(security(""), "no login");
    let jaas = format!("{MODULE} required username=\"broker\" password=\"pw\";");

    let by_protocol = format!(
        "security.inter.broker.protocol=SASL_PLAINTEXT\nsasl.mechanism.inter.broker.protocol=PLAIN\n\
         listener.name.sasl_plaintext.plain.sasl.jaas.config={jaas}"
    );
    assert_eq!(security(&by_protocol), "broker/pw");
    assert_eq!(security(&format!("{by_protocol}\nbackend.security.protocol=PLAINTEXT")), "no login");
    let own = format!("{by_protocol}\nbackend.sasl.jaas.config={MODULE} required username=own password=\"x\";");
    assert_eq!(security(&own), "own/x");

    let by_name = format!(
        "listeners=IN://h:9192\nlistener.security.protocol.map=IN:SASL_PLAINTEXT\ninter.broker.listener.name=in\n\
         listener.name.in.sasl.enabled.mechanisms=PLAIN\nsasl.mechanism.inter.broker.protocol=PLAIN\n\
         listener.name.in.plain.sasl.jaas.config={jaas}"
    );
    assert_eq!(security(&by_name), "broker/pw");

    let explicit = format!(
        "backend.security.protocol=SASL_PLAINTEXT\nbackend.sasl.mechanism=PLAIN\nbackend.sasl.jaas.config={jaas}"
    );
    assert_eq!(security(&explicit), "broker/pw");
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    let cases = [
        (
            "backend.security.protocol=plaintext",
            "backend.security.protocol (server.properties:1): Invalid value plaintext for configuration \
             backend.security.protocol: String must be one of: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL",
        ),
        (
            "backend.security.protocol=SASL_PLAINTEXT",
            "sasl.mechanism.inter.broker.protocol (default): this version speaks PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and \
             OAUTHBEARER to the backend, but the mechanism would be GSSAPI; set backend.sasl.mechanism",
        ),
        (
            "backend.security.protocol=SASL_PLAINTEXT\nbackend.sasl.mechanism=scram-sha-256",
            "backend.sasl.mechanism (server.properties:2): this version speaks PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and \
             OAUTHBEARER to the backend, but the mechanism would be scram-sha-256",
        ),
        (
            "backend.security.protocol=SASL_SSL",
            "sasl.mechanism.inter.broker.protocol (default): this version speaks PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and \
             OAUTHBEARER to the backend, but the mechanism would be GSSAPI; set backend.sasl.mechanism",
        ),
        (
            "backend.sasl.login.class=a.B",
            "backend.sasl.login.class (server.properties:1): this version runs no Java classes to log in to the backend; \
             expected no such key",
        ),
        (
            "inter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT",
            "inter.broker.listener.name (server.properties:1): Only one of inter.broker.listener.name and \
             security.inter.broker.protocol should be set.",
        ),
        (
            "inter.broker.listener.name=SSL",
            "inter.broker.listener.name (server.properties:1): inter.broker.listener.name must be a listener name defined in \
             advertised.listeners. The valid options based on currently configured listeners are PLAINTEXT",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(errors(text)[0], expected, "{text}");
    }
    let told = errors("inter.broker.listener.name=X");
    assert_eq!(
        told[1],
        "inter.broker.listener.name (server.properties:1): Listener with name X defined in inter.broker.listener.name not \
         found in listener.security.protocol.map."
    );
}

#[test]
fn the_mechanism_between_brokers_must_be_enabled() {
    let text = format!(
        "listeners=SASL_PLAINTEXT://h:9192\nsecurity.inter.broker.protocol=SASL_PLAINTEXT\nsasl.enabled.mechanisms=X\n\
         sasl.mechanism.inter.broker.protocol=PLAIN\nlistener.name.sasl_plaintext.x.sasl.jaas.config={MODULE} required;"
    );
    assert_eq!(
        errors(&text),
        [
            "sasl.mechanism.inter.broker.protocol (server.properties:4): sasl.mechanism.inter.broker.protocol must be included \
          in sasl.enabled.mechanisms when SASL is used for inter-broker communication"
        ]
    );
}

#[test]
fn a_login_without_user_or_password_is_an_error() {
    let expected = format!("expected a {MODULE} with options username and password to log in to the backend");
    let own = |jaas: &str| {
        errors(&format!(
            "backend.security.protocol=SASL_PLAINTEXT\nbackend.sasl.mechanism=PLAIN\nbackend.sasl.jaas.config={jaas}"
        ))
    };
    for jaas in
        ["required;", "required username=a;", "required password=hunter2;", "required username=\"\" password=a;"]
    {
        assert_eq!(
            own(&format!("{MODULE} {jaas}")),
            [format!("backend.sasl.jaas.config (server.properties:3): {expected}")]
        );
    }
    assert_eq!(own("a.B required username=a password=b;").len(), 1);
    let derived = SASL.replace("required user_alice", "required username=a user_alice");
    let told = errors(&format!(
        "{derived}security.inter.broker.protocol=SASL_PLAINTEXT\nsasl.mechanism.inter.broker.protocol=PLAIN"
    ));
    assert_eq!(
        told,
        [format!("backend.sasl.jaas.config: {expected}; the JAAS entry of listener SASL_PLAINTEXT for PLAIN has none")]
    );
}

#[test]
fn a_missing_login_names_the_key_for_it() {
    let told = errors("backend.security.protocol=SASL_PLAINTEXT\nbackend.sasl.mechanism=PLAIN");
    assert_eq!(told.len(), 1);
    assert!(
        told[0].ends_with("(wanted to log in to the backend; backend.sasl.jaas.config would do as well)"),
        "{told:?}"
    );
}

#[test]
fn a_scram_login_comes_from_a_scram_login_module() {
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule";
    let protocol = "backend.security.protocol=SASL_PLAINTEXT\n";
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let text = format!("{protocol}backend.sasl.mechanism={mechanism}\nbackend.sasl.jaas.config=");
        assert_eq!(
            security(&format!("{text}{scram} required username=\"front\" password=\"pw\";")),
            format!("{mechanism} front/pw")
        );
        let expected = format!("expected a {scram} with options username and password to log in to the backend");
        for jaas in [format!("{MODULE} required username=a password=hunter2;"), format!("{scram} required username=a;")]
        {
            let told = errors(&format!("{text}{jaas}"));
            assert_eq!(told, [format!("backend.sasl.jaas.config (server.properties:3): {expected}")]);
        }
        let told = errors(&format!("{text}{scram} required username=id password=hunter2 tokenauth=\"true\";"));
        assert_eq!(
            told,
            [
                "backend.sasl.jaas.config (server.properties:3): this version logs in to the backend as a user, not by a \
              delegation token; expected no option tokenauth"
            ]
        );
    }
    // The two modules may stand together, as in a broker's own section; each mechanism takes its own.
    let file = TempFile::new(
        "jaas.conf",
        &format!(
            "KafkaServer {{ {MODULE} required username=\"p\" password=\"1\"; {scram} required username=\"s\" password=\"2\"; }};"
        ),
    );
    let text = format!("{protocol}java.security.auth.login.config={}\nbackend.sasl.mechanism=", file.0.display());
    assert_eq!(security(&format!("{text}PLAIN")), "p/1");
    assert_eq!(security(&format!("{text}SCRAM-SHA-512")), "SCRAM-SHA-512 s/2");
}
