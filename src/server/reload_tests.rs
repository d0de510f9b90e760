//! What a reload may change, key by key: after it the server is as one that was started with the new configuration, and
//! otherwise as it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;

use super::*;
use crate::config::keys::KEYS;
use crate::config::load;
use crate::sasl::{AuthnError, BoxFuture, Mechanism, MechanismName, Peer, ServerExchange, Step};

#[path = "reload_tests_oauthbearer.rs"]
mod oauthbearer;
#[path = "reload_tests_tokens.rs"]
mod tokens;

/// A directory with a configuration file, key stores and the like, deleted with the value.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("doorkeeper-server-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    /// Keys and certificates: `one.pem` and `two.pem` (the same name, other keys), `old.pem` (has expired), `other.pem` (another
    /// name), `one.p12` and `one.enc.pem` with the password `secret`, `ca.pem`, `ca.p12`, `ca.crl`.
    fn with_certificates(self) -> Self {
        let script = "
            set -e
            printf '[ca]\\ndefault_ca=a\\n[a]\\ndatabase=index\\nnew_certs_dir=.\\nserial=number\\ncrlnumber=number\\ndefault_md=sha256\\n' > ca.cnf
            printf 'policy=p\\nunique_subject=no\\nx509_extensions=x\\ndefault_crl_days=9999\\n[p]\\ncommonName=supplied\\n' >> ca.cnf
            printf '[x]\\nsubjectAltName=DNS:a\\n[req]\\ndistinguished_name=n\\n[n]\\n' >> ca.cnf
            touch index; echo 1000 > number
            new() {
                openssl req -config ca.cnf -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -subj /CN=$2 -out $1.csr
                openssl ca -config ca.cnf -batch -notext -selfsign -keyfile $1.key -in $1.csr -out $1.crt \
                    -startdate ${3}0101000000Z -enddate ${4}0101000000Z
                cat $1.key $1.crt > $1.pem
            }
            new one a 2020 2088; new two a 2020 2089; new old a 2020 2021; new early a 2088 2089; new other b 2020 2089
            new ca ca 2020 2089; cp ca.crt ca.pem
            openssl pkcs12 -export -inkey one.key -in one.crt -out one.p12 -passout pass:secret
            keytool -importcert -noprompt -alias ca -file ca.crt -keystore ca.p12 -storetype PKCS12 -storepass secret
            openssl pkcs8 -topk8 -v2 aes256 -in one.key -out enc.key -passout pass:secret
            cat enc.key one.crt > one.enc.pem
            openssl ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.crt -out ca.crl";
        let made = Command::new("sh").args(["-c", script]).current_dir(&self.0).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self
    }

    fn source(&self) -> Arc<Source> {
        let file = self.0.join("server.properties");
        Arc::new(move || load(&file, &[], &|name| (name == "SOME").then(|| "value".to_owned())))
    }

    /// `@` in the text is this directory, `{file}` what is in a file of it, in one line.
    fn configure(&self, text: &str) {
        let mut text = text.replace('@', &self.0.display().to_string());
        for name in ["one.key", "one.crt", "ca.crt"].into_iter().filter(|name| self.0.join(name).exists()) {
            text = text.replace(&format!("{{{name}}}"), &self.read(name).replace('\n', " "));
        }
        self.write("server.properties", &format!("{text}\nbackend.bootstrap.servers=127.0.0.1:1\n"));
    }

    async fn start(&self, text: &str) -> Server {
        self.configure(text);
        let loaded = self.source()().unwrap_or_else(|errors| panic!("{text}\n{errors}"));
        Server::start(loaded, &registry()).await.unwrap_or_else(|error| panic!("{text}\n{error}"))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// PLAIN, and a mechanism that lets nobody in.
fn registry() -> Registry {
    struct Other(MechanismName);
    struct No;
    impl Mechanism for Other {
        fn name(&self) -> &MechanismName {
            &self.0
        }
        fn max_token_len(&self) -> usize {
            100
        }
        fn start(&self, _: &Peer) -> Box<dyn ServerExchange> {
            Box::new(No)
        }
        fn must_reject(&self) -> Vec<Bytes> {
            vec![Bytes::from_static(b"x")]
        }
    }
    impl ServerExchange for No {
        fn step(self: Box<Self>, _: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>> {
            Box::pin(std::future::ready(Err(AuthnError::Malformed(crate::sasl::Rejection::text("no")))))
        }
    }
    let mut registry = Registry::with_builtin();
    let name = MechanismName::new("OTHER").unwrap();
    registry.register("OTHER", move |_| Ok(Arc::new(Other(name.clone())))).unwrap();
    registry
}

/// All that the connections to come will be served by.
async fn state(server: &Server, directory: &Path) -> Vec<String> {
    let mut state = vec![
        format!("{:?}", server.common.topology.config()),
        format!("{:?}", server.common.limiter),
        format!("{:?} {:?}", server.loaded.config.shutdown_timeout, server.watcher.interval()),
        format!("{:?} {:?}", server.shared.guesses, server.shared.passwords),
        format!("backend {:?}", server.backend_tls.as_ref().map(|tls| tls.load().certificates().to_vec())),
    ];
    for running in &server.listeners {
        let context = running.context();
        let name = running.name();
        let users = match &context.gate {
            Some(gate) => {
                let gate = gate.load();
                let mechanism = gate.mechanisms.get(b"PLAIN").expect("all rows have PLAIN");
                let peer = Peer { address: ([127, 0, 0, 1], 1).into(), listener: name.clone() };
                let mut known = Vec::new();
                for user in ["alice", "eve"] {
                    let token = Bytes::from(format!("\0{user}\0secret"));
                    known.push(matches!(mechanism.start(&peer).step(token).await, Ok(Step::Success { .. })));
                }
                let mut unknown = String::new();
                if let Some(scram) = gate.mechanisms.get(b"SCRAM-SHA-256") {
                    let first = scram.start(&peer).step(Bytes::from_static(b"n,,n=nobody,r=x")).await;
                    let Ok(Step::Challenge { token, .. }) = first else { panic!("no challenge") };
                    // All but the nonce.
                    unknown = String::from_utf8_lossy(&token).split_once(",s=").unwrap().1.to_owned();
                }
                let gate = (&gate.mechanisms, gate.max_receive_size, gate.failure_delay);
                format!("{gate:?} {known:?} {unknown}")
            }
            None => "-".to_owned(),
        };
        state.push(format!("{name} {users} {:?} {:?}", context.authentication_timeout, context.relay));
        let (told, naming) = (running.addresses().bootstrap(), &context.naming);
        state.push(format!("{name} is told as {}, {:?}, {naming:?}", told.0, context.proxy_protocol));
        state.push(format!("{name} {}", running.limits()));
        // What the mechanism was built from: it shows nothing itself.
        let of_listener = server.loaded.config.listeners.iter().filter(|listener| listener.name == *name);
        let mechanisms = of_listener.flat_map(|listener| &listener.sasl).flat_map(|sasl| &sasl.mechanisms);
        state.push(format!("{name} {:?}", mechanisms.map(|mechanism| &mechanism.oauthbearer).collect::<Vec<_>>()));
        let tls = running.tls();
        state.push(format!("{name} {:?} {:?}", tls, tls.as_ref().map(|tls| tls.certificates())));
    }
    // Key material has no Debug worth comparing, and a place in the file may move.
    let line = regex::Regex::new(r"server\.properties:\d+").unwrap();
    state.iter().map(|text| line.replace_all(text, "file").replace(&directory.display().to_string(), "@")).collect()
}

async fn reload(server: &mut Server, directory: &Directory) -> Result<Vec<String>, String> {
    let prepared = server.prepare(&directory.source(), &registry()).await;
    let prepared = prepared.map_err(|refused| refused.lines().join("\n"))?;
    let changed = prepared.changed.clone();
    server.apply(prepared);
    Ok(changed)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// The server is another one afterwards.
    Effect,
    /// Nobody reads the value: the change is taken, and the server as it was.
    Nothing,
    /// The reload is refused.
    Refusal,
}
use Shows::{Effect, Nothing, Refusal};

const SASL: &str = "listeners=SASL_PLAINTEXT://127.0.0.1:0
listener.security.protocol.map=SASL_PLAINTEXT:SASL_PLAINTEXT,B:PLAINTEXT
listener.name.sasl_plaintext.node.id.ranges=0-1
listener.name.b.node.id.ranges=0-1
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"secret\";
worker.threads=1
";
const SCRAM: &str = "listeners=SASL_PLAINTEXT://127.0.0.1:0
listener.name.sasl_plaintext.node.id.ranges=0-1
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"secret\";
store.dir=@/store
sasl.scram.unknown.user.key=the same for each of two stores, so that they look alike
worker.threads=1
";
const TLS: &str = "listeners=SSL://127.0.0.1:0
listener.name.ssl.node.id.ranges=0-1
ssl.keystore.type=PEM
ssl.keystore.location=@/one.pem
ssl.truststore.type=PEM
ssl.truststore.location=@/ca.pem
ssl.client.auth=requested
worker.threads=1
";
const BACKEND_TLS: &str = "listeners=PLAINTEXT://127.0.0.1:0
listener.name.plaintext.node.id.ranges=0-1
backend.security.protocol=SSL
backend.ssl.truststore.type=PEM
backend.ssl.truststore.location=@/ca.pem
worker.threads=1
";
const ENVIRONMENT: &str = "config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider";

/// Key, what it is changed in, the change (`-key` takes a line away), and what that shows.
fn rows() -> Vec<(&'static str, &'static str, Vec<&'static str>, Shows)> {
    let jaas = "listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
                user_alice=\"secret\" user_eve=\"secret\";";
    let in_file = "-listener.name.sasl_plaintext.plain.sasl.jaas.config";
    let two = "listeners=SASL_PLAINTEXT://127.0.0.1:0,B://127.0.0.1:0";
    let keystore = "-ssl.keystore.location";
    let inline = ["ssl.keystore.key={one.key}", "ssl.keystore.certificate.chain={one.crt}", keystore];
    let p12 = ["ssl.keystore.type=PKCS12", "ssl.keystore.location=@/one.p12", "ssl.keystore.password=secret"];
    let trust = ["ssl.truststore.type=PKCS12", "ssl.truststore.location=@/ca.p12", "ssl.truststore.password=secret"];
    let anchors = ["ssl.truststore.certificates={ca.crt}", "-ssl.truststore.location"];
    let backend = |lines: &[&str]| -> Vec<&'static str> {
        let prefixed = |line: &&str| match line.strip_prefix('-') {
            Some(key) => format!("-backend.{key}"),
            None => format!("backend.{line}"),
        };
        lines.iter().map(|line| &*Box::leak(prefixed(line).into_boxed_str())).collect()
    };
    let own = ["ssl.keystore.type=PEM", "ssl.keystore.location=@/one.pem"];
    let encrypted = ["ssl.keystore.type=PEM", "ssl.keystore.location=@/one.enc.pem", "ssl.key.password=secret"];
    let own_inline = ["ssl.keystore.type=PEM", inline[0], inline[1]];
    let protocols = ["ssl.enabled.protocols=TLSv1.3"];
    let suites = ["ssl.cipher.suites=TLS_AES_128_GCM_SHA256", protocols[0]];
    vec![
        ("listeners", SASL, vec![two], Effect),
        ("advertised.listeners", SASL, vec![two, "advertised.listeners=SASL_PLAINTEXT://127.0.0.1:0,B://b:0"], Effect),
        (
            "listener.security.protocol.map",
            SASL,
            vec![
                "listeners=SASL_PLAINTEXT://127.0.0.1:0,C://127.0.0.1:0",
                "listener.security.protocol.map=SASL_PLAINTEXT:SASL_PLAINTEXT,C:PLAINTEXT",
                "listener.name.c.node.id.ranges=0-1",
            ],
            Effect,
        ),
        ("node.id.ranges", SASL, vec!["listener.name.sasl_plaintext.node.id.ranges=0-2"], Refusal),
        ("node.port.base", SASL, vec!["listener.name.sasl_plaintext.node.port.base=9999"], Refusal),
        ("node.host.pattern", TLS, vec!["listener.name.ssl.node.host.pattern=broker-$(nodeId).a"], Refusal),
        ("controller.listener.names", SASL, vec![two, "controller.listener.names=B"], Nothing),
        (
            "sasl.enabled.mechanisms",
            SASL,
            vec![
                "sasl.enabled.mechanisms=PLAIN,OTHER",
                "listener.name.sasl_plaintext.other.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required;",
            ],
            Effect,
        ),
        ("sasl.plain.credentials", SCRAM, vec!["sasl.plain.credentials=scram-sha-256"], Effect),
        ("sasl.plain.cache.size", SASL, vec!["sasl.plain.cache.size=9"], Effect),
        ("password.verification.threads", SASL, vec!["password.verification.threads=9"], Refusal),
        (
            "sasl.failed.logins.per.minute.per.address",
            SASL,
            vec!["sasl.failed.logins.per.minute.per.address=9"],
            Effect,
        ),
        (
            "sasl.failed.logins.per.minute.per.account",
            SASL,
            vec!["sasl.failed.logins.per.minute.per.account=9"],
            Effect,
        ),
        ("store.dir", SASL, vec!["store.dir=@/store"], Refusal),
        ("super.users", SASL, vec!["super.users=User:alice;User:CN=a,O=b"], Effect),
        ("admin.principals", SASL, vec!["admin.principals=User:eve"], Effect),
        ("sasl.jaas.config", SASL, vec![jaas], Effect),
        ("java.security.auth.login.config", SASL, vec![in_file, "java.security.auth.login.config=@/eve.conf"], Effect),
        (
            "sasl.scram.unknown.user.key",
            SCRAM,
            vec!["sasl.scram.unknown.user.key=0123456789abcdef0123456789abcdef"],
            Effect,
        ),
        (
            "sasl.scram.unknown.user.iterations",
            SCRAM,
            vec!["listener.name.sasl_plaintext.sasl.scram.unknown.user.iterations=8192"],
            Effect,
        ),
        ("sasl.server.max.receive.size", SASL, vec!["sasl.server.max.receive.size=1000"], Effect),
        ("authentication.timeout.ms", SASL, vec!["authentication.timeout.ms=1234"], Effect),
        ("connection.failed.authentication.delay.ms", SASL, vec!["connection.failed.authentication.delay.ms=77"], Effect),
        ("ssl.keystore.location", TLS, vec!["ssl.keystore.location=@/two.pem"], Effect),
        ("ssl.keystore.type", TLS, p12.to_vec(), Effect),
        ("ssl.keystore.password", TLS, p12.to_vec(), Effect),
        ("ssl.key.password", TLS, encrypted.to_vec(), Effect),
        ("ssl.keystore.key", TLS, inline.to_vec(), Effect),
        ("ssl.keystore.certificate.chain", TLS, inline.to_vec(), Effect),
        ("ssl.truststore.location", TLS, vec!["ssl.truststore.location=@/two.crt"], Effect),
        ("ssl.truststore.type", TLS, trust.to_vec(), Effect),
        ("ssl.truststore.password", TLS, trust.to_vec(), Effect),
        ("ssl.truststore.certificates", TLS, anchors.to_vec(), Effect),
        ("ssl.crl.location", TLS, vec!["ssl.crl.location=@/ca.crl"], Effect),
        ("ssl.client.auth", TLS, vec!["ssl.client.auth=required"], Effect),
        ("ssl.principal.mapping.rules", TLS, vec!["ssl.principal.mapping.rules=RULE:^CN=(.*)$/$1/L"], Effect),
        ("ssl.principal.source", TLS, vec!["ssl.principal.source=san.dns"], Effect),
        ("ssl.enabled.protocols", TLS, protocols.to_vec(), Effect),
        ("ssl.cipher.suites", TLS, suites.to_vec(), Effect),
        ("ssl.allow.dn.changes", TLS, vec!["ssl.allow.dn.changes=true"], Effect),
        ("ssl.allow.san.changes", TLS, vec!["ssl.allow.san.changes=true"], Effect),
        (
            "ssl.endpoint.identification.algorithm",
            "listeners=PLAINTEXT://127.0.0.1:0\nlistener.name.plaintext.node.id.ranges=0-1\nworker.threads=1
security.inter.broker.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location=@/ca.pem\n",
            vec!["ssl.endpoint.identification.algorithm="],
            Effect,
        ),
        ("ssl.protocol", TLS, vec!["ssl.protocol=TLSv1.2"], Nothing),
        ("ssl.engine.factory.class", TLS, vec!["ssl.engine.factory.class=x"], Refusal),
        ("ssl.provider", TLS, vec!["ssl.provider=x"], Nothing),
        ("ssl.secure.random.implementation", TLS, vec!["ssl.secure.random.implementation=x"], Nothing),
        ("ssl.keymanager.algorithm", TLS, vec!["ssl.keymanager.algorithm=x"], Nothing),
        ("ssl.trustmanager.algorithm", TLS, vec!["ssl.trustmanager.algorithm=x"], Nothing),
        (
            "connections.max.reauth.ms",
            SASL,
            vec!["listener.name.sasl_plaintext.plain.connections.max.reauth.ms=9"],
            Effect,
        ),
        ("max.connections", SASL, vec!["max.connections=9"], Effect),
        ("max.connections.per.ip", SASL, vec!["max.connections.per.ip=9"], Effect),
        ("max.connections.per.ip.overrides", SASL, vec!["max.connections.per.ip.overrides=127.0.0.9:9"], Effect),
        ("max.connection.creation.rate", SASL, vec!["max.connection.creation.rate=9"], Effect),
        ("max.unauthenticated.connections", SASL, vec!["max.unauthenticated.connections=9"], Effect),
        ("max.unauthenticated.connections.per.ip", SASL, vec!["max.unauthenticated.connections.per.ip=9"], Effect),
        ("proxy.protocol", SASL, vec!["proxy.protocol=required", "proxy.protocol.trusted.addresses=10.0.0.0/8"], Effect),
        (
            "proxy.protocol.trusted.addresses",
            SASL,
            vec!["proxy.protocol=allowed", "proxy.protocol.trusted.addresses=10.0.0.0/8"],
            Effect,
        ),
        ("connections.max.idle.ms", SASL, vec!["connections.max.idle.ms=9000"], Effect),
        ("connection.max.in.flight.requests", SASL, vec!["connection.max.in.flight.requests=9"], Effect),
        ("socket.request.max.bytes", SASL, vec!["socket.request.max.bytes=9000"], Effect),
        ("socket.send.buffer.bytes", SASL, vec!["socket.send.buffer.bytes=9000"], Refusal),
        ("socket.receive.buffer.bytes", SASL, vec!["socket.receive.buffer.bytes=9000"], Refusal),
        ("socket.listen.backlog.size", SASL, vec!["socket.listen.backlog.size=9"], Refusal),
        ("backend.bootstrap.servers", SASL, vec!["backend.bootstrap.servers=127.0.0.1:2"], Refusal),
        ("backend.security.protocol", SASL, vec!["backend.security.protocol=SSL"], Refusal),
        ("backend.sasl.mechanism", SASL, vec!["backend.sasl.mechanism=PLAIN"], Refusal),
        (
            "backend.sasl.jaas.config",
            "listeners=PLAINTEXT://127.0.0.1:0\nlistener.name.plaintext.node.id.ranges=0-1\nworker.threads=1
backend.security.protocol=SASL_PLAINTEXT\nbackend.sasl.mechanism=PLAIN
backend.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"a\" password=\"b\";\n",
            vec![
                "backend.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"x\" password=\"y\";",
            ],
            Effect,
        ),
        ("security.inter.broker.protocol", SASL, vec!["security.inter.broker.protocol=SSL"], Refusal),
        (
            "inter.broker.listener.name",
            SASL,
            vec!["inter.broker.listener.name=SASL_PLAINTEXT", "backend.security.protocol=PLAINTEXT"],
            Refusal,
        ),
        ("sasl.mechanism.inter.broker.protocol", SASL, vec!["sasl.mechanism.inter.broker.protocol=PLAIN"], Refusal),
        ("backend.client.id", SASL, vec!["backend.client.id=x"], Effect),
        ("backend.socket.connection.setup.timeout.ms", SASL, vec!["backend.socket.connection.setup.timeout.ms=9"], Effect),
        ("backend.metadata.max.age.ms", SASL, vec!["backend.metadata.max.age.ms=9"], Effect),
        ("backend.reconnect.backoff.ms", SASL, vec!["backend.reconnect.backoff.ms=9"], Effect),
        ("backend.reconnect.backoff.max.ms", SASL, vec!["backend.reconnect.backoff.max.ms=9"], Effect),
        ("backend.rewritten.response.max.bytes", SASL, vec!["backend.rewritten.response.max.bytes=9000"], Effect),
        ("backend.ssl.truststore.location", BACKEND_TLS, vec!["backend.ssl.truststore.location=@/two.crt"], Effect),
        ("backend.ssl.truststore.type", BACKEND_TLS, backend(&trust), Effect),
        ("backend.ssl.truststore.password", BACKEND_TLS, backend(&trust), Effect),
        ("backend.ssl.truststore.certificates", BACKEND_TLS, backend(&anchors), Effect),
        ("backend.ssl.crl.location", BACKEND_TLS, backend(&["ssl.crl.location=@/ca.crl"]), Effect),
        (
            "backend.ssl.endpoint.identification.algorithm",
            BACKEND_TLS,
            backend(&["ssl.endpoint.identification.algorithm="]),
            Effect,
        ),
        ("backend.ssl.keystore.location", BACKEND_TLS, backend(&own), Effect),
        ("backend.ssl.keystore.type", BACKEND_TLS, backend(&own), Effect),
        ("backend.ssl.keystore.password", BACKEND_TLS, backend(&p12), Effect),
        ("backend.ssl.key.password", BACKEND_TLS, backend(&encrypted), Effect),
        ("backend.ssl.keystore.key", BACKEND_TLS, backend(&own_inline), Effect),
        ("backend.ssl.keystore.certificate.chain", BACKEND_TLS, backend(&own_inline), Effect),
        ("backend.ssl.enabled.protocols", BACKEND_TLS, backend(&protocols), Effect),
        ("backend.ssl.cipher.suites", BACKEND_TLS, backend(&suites), Effect),
        ("backend.ssl.protocol", BACKEND_TLS, backend(&["ssl.protocol=TLSv1.2"]), Nothing),
        ("backend.ssl.engine.factory.class", BACKEND_TLS, backend(&["ssl.engine.factory.class=x"]), Refusal),
        ("backend.ssl.provider", BACKEND_TLS, backend(&["ssl.provider=x"]), Nothing),
        (
            "backend.ssl.secure.random.implementation",
            BACKEND_TLS,
            backend(&["ssl.secure.random.implementation=x"]),
            Nothing,
        ),
        ("backend.ssl.keymanager.algorithm", BACKEND_TLS, backend(&["ssl.keymanager.algorithm=x"]), Nothing),
        ("backend.ssl.trustmanager.algorithm", BACKEND_TLS, backend(&["ssl.trustmanager.algorithm=x"]), Nothing),
        ("worker.threads", SASL, vec!["worker.threads=2"], Refusal),
        ("shutdown.timeout.ms", SASL, vec!["shutdown.timeout.ms=9"], Effect),
        ("tls.reload.interval.ms", SASL, vec!["tls.reload.interval.ms=9"], Effect),
        ("metrics.listeners", SASL, vec!["metrics.listeners=http://127.0.0.1:0"], Refusal),
        ("config.providers", SASL, vec![ENVIRONMENT, "config.providers=env", "backend.client.id=${env:SOME}"], Effect),
        (
            "config.providers.<name>.class",
            SASL,
            vec![ENVIRONMENT, "config.providers=env", "backend.client.id=${env:SOME}"],
            Effect,
        ),
        (
            "config.providers.<name>.param.allowed.paths",
            SASL,
            vec![
                "config.providers=f",
                "config.providers.f.class=org.apache.kafka.common.config.provider.FileConfigProvider",
                "config.providers.f.param.allowed.paths=@",
                "backend.client.id=${f:@/values:id}",
            ],
            Effect,
        ),
        (
            "config.providers.<name>.param.allowlist.pattern",
            SASL,
            vec![
                ENVIRONMENT,
                "config.providers=env",
                "config.providers.env.param.allowlist.pattern=S.*",
                "backend.client.id=${env:SOME}",
            ],
            Effect,
        ),
        (
            "principal.builder.class",
            SASL,
            vec!["principal.builder.class= org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"],
            Nothing,
        ),
        ("queued.max.request.bytes", SASL, vec!["queued.max.request.bytes=200000000"], Nothing),
    ]
}

fn changed_text(base: &str, lines: &[&str]) -> String {
    let gone: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix('-')).collect();
    let stays = |line: &&str| !gone.iter().any(|key| line.split('=').next() == Some(key));
    let new = lines.iter().filter(|line| !line.starts_with('-'));
    base.lines().filter(stays).chain(new.copied()).map(|line| format!("{line}\n")).collect()
}

/// The table of keys says which a reload may change. Each that may takes effect as at a start, each other refuses the reload.
#[tokio::test]
async fn the_table_of_keys_tells_the_truth_about_reloads() {
    let directory = Directory::new().with_certificates();
    directory.write("values", "id=from-a-file\n");
    let entry =
        "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"secret\" user_eve=\"secret\";";
    directory.write("keys.json", oauthbearer::KEYS);
    directory.write("other.json", oauthbearer::KEYS);
    directory.write("eve.conf", &format!("KafkaServer {{ {entry} }};"));
    let mut rows = rows();
    rows.extend(oauthbearer::rows());
    rows.extend(tokens::rows());
    let mut wrong = Vec::new();
    for key in KEYS {
        let Some((_, base, lines, shows)) = rows.iter().find(|(name, ..)| *name == key.name) else {
            wrong.push(format!("{} has no row", key.name));
            continue;
        };
        if key.reloadable == (*shows == Refusal) {
            wrong.push(format!("{}: the table says reloadable: {}", key.name, key.reloadable));
        }
        let text = changed_text(base, lines);
        let mut server = directory.start(base).await;
        let before = state(&server, &directory.0).await;
        directory.configure(&text);
        if *shows == Refusal && key.name == "backend.bootstrap.servers" {
            directory.write("server.properties", &text);
        }
        let outcome = reload(&mut server, &directory).await;
        let after = state(&server, &directory.0).await;
        // A store is one server's at a time.
        server.stop().await;
        let names_it = |text: &str| text.contains(key.name.split('<').next().unwrap_or_default());
        let verdict = match (shows, outcome) {
            (Refusal, Err(problem)) if names_it(&problem) && after == before => None,
            (Effect | Nothing, Ok(changed))
                if !changed.iter().any(|key| names_it(key)) && key.name != "principal.builder.class" =>
            {
                Some(format!("is not among {changed:?}"))
            }
            (Nothing, Ok(_)) if after == before => None,
            (Effect, Ok(_)) if after == before => Some("the server is as before".to_owned()),
            (Effect, Ok(_)) => {
                // A store is one process's alone.
                let fresh = directory.start(&text.replace("@/store", "@/store-of-another")).await;
                let expected = state(&fresh, &directory.0).await;
                fresh.stop().await;
                let differs = after.iter().zip(&expected).find(|(after, expected)| after != expected);
                differs.map(|(after, expected)| format!("after the reload:\n{after}\nafter a start:\n{expected}"))
            }
            (_, outcome) => Some(format!("{outcome:?}\nbefore {before:?}\nafter {after:?}")),
        };
        wrong.extend(verdict.map(|verdict| format!("{}: {verdict}", key.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What a listener shows, after the certificate of `name` was put in the place of its own.
async fn served_after(directory: &Directory, server: &mut Server, name: &str) -> (bool, i64) {
    fs::copy(directory.0.join(name), directory.0.join("new")).unwrap();
    fs::rename(directory.0.join("new"), directory.0.join("served.pem")).unwrap();
    let changes = tokio::time::timeout(Duration::from_secs(20), server.watcher.next()).await.expect("a change");
    let good = changes.iter().all(Result::is_ok);
    server.change_certificates(changes);
    (good, server.listeners[0].tls().unwrap().certificates()[0].not_after)
}

/// The good is served, the bad is refused and the old stays; what stands in the file is no hindrance for the next.
#[tokio::test]
async fn certificates_that_change_on_disk() {
    let directory = Directory::new().with_certificates();
    fs::copy(directory.0.join("one.pem"), directory.0.join("served.pem")).unwrap();
    let mixed = format!("{}{}", directory.read("one.key"), directory.read("two.crt"));
    directory.write("mixed.pem", &mixed);
    directory.write("half.pem", &directory.read("two.pem")[..500]);
    let text = TLS.replace("@/one.pem", "@/served.pem") + "tls.reload.interval.ms=20\n";
    let mut server = directory.start(&text).await;
    let year = |year: i64| (year - 1970) * 31_556_952;
    let is = |(good, not_after): (bool, i64), expected: bool, last: i64| {
        assert_eq!(good, expected);
        assert!((not_after - year(last)).abs() < 3 * 86_400, "valid until {not_after}, expected {last}");
    };
    is(served_after(&directory, &mut server, "two.pem").await, true, 2089);
    for bad in ["mixed.pem", "half.pem", "old.pem", "early.pem", "other.pem"] {
        is(served_after(&directory, &mut server, bad).await, false, 2089);
    }
    is(served_after(&directory, &mut server, "one.pem").await, true, 2088);

    // A reload asks the same of a certificate, and one that stays may have expired since.
    for (bad, why) in
        [("old.pem", "has expired"), ("early.pem", "not valid yet"), ("other.pem", "ssl.allow.dn.changes")]
    {
        directory.configure(&text.replace("served.pem", bad));
        let refused = reload(&mut server, &directory).await.unwrap_err();
        assert!(refused.contains(why), "{bad}: {refused}");
    }
    directory.configure(
        &(text.replace("served.pem", "other.pem") + "ssl.allow.dn.changes=true\nssl.allow.san.changes=true\n"),
    );
    reload(&mut server, &directory).await.unwrap();
    server.stop().await;
    let expired = TLS.replace("one.pem", "old.pem");
    let mut server = directory.start(&expired).await;
    directory.configure(&(expired + "max.connections=5\n"));
    assert_eq!(reload(&mut server, &directory).await.unwrap(), ["max.connections"]);
    server.stop().await;
}
