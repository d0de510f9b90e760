//! Every key that doorkeeper honours, once. `docs/configuration.md` is generated from here.

use super::keys::Default::{Derived, Fixed, Required, Unset};
use super::keys::Kind::{Bool, Choice, Double, Int, List, Long, Password, Short, Text};
use super::keys::Scope::{Broker, Listener, ListenerOnly, Mechanism, MechanismOnly};
use super::keys::{Default, Key, Kind, Scope};
use crate::principal::NameSource;

const PROTOCOLS: &[&str] = &["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
/// Kafka's classes that get a client its tokens: from an endpoint or a file, and unsecured ones.
pub(super) const LOGIN_HANDLERS: &[&str] = &[
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler",
];
const RETRIEVERS: &[&str] = &[
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.FileJwtRetriever",
];
const CLIENT_VALIDATORS: &[&str] = &[
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
    "org.apache.kafka.common.security.oauthbearer.ClientJwtValidator",
];
const TLS_PROTOCOLS: &[&str] = &["TLSv1.3", "TLSv1.2", "TLS"];

macro_rules! keys {
    ($($group:literal { $($ident:ident = $name:literal, $kind:expr, $default:expr, $scope:expr, $reload:literal, $doc:literal;)* })*) => {
        $($(
            #[doc = concat!("`", $name, "`")]
            pub static $ident: Key = {
                const KIND: Kind = $kind;
                const DEFAULT: Default = $default;
                const SCOPE: Scope = $scope;
                Key { name: $name, kind: KIND, default: DEFAULT, scope: SCOPE, reloadable: $reload, group: $group, doc: $doc }
            };
        )*)*
        /// All rows, in the order of the documentation.
        pub static KEYS: &[&Key] = &[$($(&$ident),*),*];
    };
}

keys! {
"Listeners" {
    LISTENERS = "listeners", List, Fixed("PLAINTEXT://:9092"), Broker, true,
        "Where clients connect: `NAME://host:port`, separated by commas. An empty host binds all interfaces, port 0 any free \
         port. Each listener also binds one port per backend node, see `node.id.ranges`, or tells the nodes apart by name, see \
         `node.host.pattern`. Listeners that \
         `controller.listener.names` names are skipped, because they are not for clients.";
    ADVERTISED_LISTENERS = "advertised.listeners", List, Derived("the value of `listeners`"), Broker, true,
        "The host and port of each listener that clients are told. Where the host is empty, clients are told this \
         machine's host name. If the port differs from the bound one, the ports of the nodes are told shifted by the same \
         difference.";
    LISTENER_SECURITY_PROTOCOL_MAP = "listener.security.protocol.map", List,
        Fixed("PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL"), Broker, true,
        "The security protocol of each listener name, as `NAME:PROTOCOL` separated by commas. A value of your own replaces \
         the default completely.";
    NODE_ID_RANGES = "node.id.ranges", List, Fixed("0-31"), ListenerOnly, false,
        "Which node ids of the backend this listener can show to clients: numbers and ranges `first-last`, separated by \
         commas. Each id has a port of its own, in this order, starting at `node.port.base`, or a name of its own by \
         `node.host.pattern`. Ranges must not overlap.";
    NODE_PORT_BASE = "node.port.base", Int(1), Derived("the listener's port + 1"), ListenerOnly, false,
        "The port of the first node id of `node.id.ranges`; the others follow without a gap. They must not meet another \
         listener's ports. Not allowed for a listener with port 0, whose nodes get free ports too.";
    NODE_HOST_PATTERN = "node.host.pattern", Text, Unset, ListenerOnly, false,
        "Not a Kafka key. For listeners with TLS: the host name of each node, with `$(nodeId)` for the node id, such as \
         `broker-$(nodeId).kafka.example.com`. The listener then binds its own port alone, and the name that a client asks for in \
         its TLS handshake says which node it wants; the host in `advertised.listeners` is the bootstrap. All names must lead to \
         this listener's advertised port, and its certificate must be good for all of them. A client that asks for another \
         name, or for none, is refused. Not together with `node.port.base`.";
    CONTROLLER_LISTENER_NAMES = "controller.listener.names", List, Unset, Broker, true,
        "Listeners of this name in a broker's own file are skipped with a warning.";
}
"SASL" {
    SASL_ENABLED_MECHANISMS = "sasl.enabled.mechanisms", List, Fixed("GSSAPI"), Listener, true,
        "The SASL mechanisms of a listener, in the order in which clients are told them. The default is Kafka's; this \
         version offers PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER. PLAIN needs a JAAS entry on every SASL listener, unless \
         `sasl.plain.credentials` names SCRAM credentials alone; the SCRAM mechanisms need `store.dir` instead, and OAUTHBEARER the keys of an issuer.";
    SASL_JAAS_CONFIG = "sasl.jaas.config", Password, Derived("section `<listener>.KafkaServer`, else `KafkaServer`, of the static JAAS file"),
        MechanismOnly, true,
        "The JAAS entry of one mechanism on one listener: exactly one login module with its options, ended by a semicolon. \
         For PLAIN each option `user_<name>=\"<password>\"` is a user. The SCRAM mechanisms need no entry; if there is one, it is a \
         `org.apache.kafka.common.security.scram.ScramLoginModule`. Without both prefixes it is ignored, as in Kafka. \
         The file is ISO-8859-1 and halves backslashes: write `\\\\\"` for a quote inside a password.";
    JAAS_FILE = "java.security.auth.login.config", Text, Derived("`-Djava.security.auth.login.config=` in the environment variable `KAFKA_OPTS`"),
        Broker, true,
        "The static JAAS file, read where a mechanism has no `sasl.jaas.config` of its own. `${name}` in it is a property \
         that `KAFKA_OPTS` sets by `-D`; an unknown one is an error.";
    SASL_SCRAM_UNKNOWN_USER_KEY = "sasl.scram.unknown.user.key", Password, Derived("a random one that is made with the store"),
        Listener, true,
        "Not a Kafka key. The key from which SCRAM makes the salt that is shown for a user that does not exist, so that nobody can ask who \
         does: at least 32 characters, for example of `openssl rand -base64 32`. Several fronts for the same clients need the same one.";
    SASL_SCRAM_UNKNOWN_USER_ITERATIONS = "sasl.scram.unknown.user.iterations", Int(4096), Fixed("4096"), Listener, true,
        "Not a Kafka key. The iteration count that SCRAM shows for a user that does not exist, 4096 to 16384. It should be the one that \
         all users have: who has another one can be told to exist.";
    SASL_PLAIN_CREDENTIALS = "sasl.plain.credentials", List, Fixed("jaas"), Listener, true,
        "Not a Kafka key. Where PLAIN looks for users: `jaas`, the options of the JAAS entry; `scram-sha-256` or \
         `scram-sha-512`, the credentials of that mechanism in `store.dir`, for which no JAAS entry is needed; or `jaas` and one of the \
         two, separated by a comma, where a user who is in both is \
         judged by the JAAS entry alone.";
    SASL_PLAIN_CACHE_SIZE = "sasl.plain.cache.size", Int(0), Fixed("10000"), Broker, true,
        "Not a Kafka key. How many logins of PLAIN with users of the store are remembered as right (by a hash under a key that only this \
         process has), so that a client that comes often does not cost milliseconds of computing each time. A changed or deleted \
         credential counts at once. Rounded up to a multiple of 16; 0 remembers nothing.";
    PASSWORD_VERIFICATION_THREADS = "password.verification.threads", Int(1), Derived("half the processors that the process may use, rounded up"),
        Broker, false,
        "Not a Kafka key. Threads that check passwords against SCRAM credentials (PLAIN with users of the store), beside `worker.threads`. \
         Addresses are served in turn; a login for which there is no room among those that wait is closed without an answer.";
    SASL_FAILED_LOGINS_PER_MINUTE_PER_ADDRESS = "sasl.failed.logins.per.minute.per.address", Int(0), Fixed("300"), Broker, true,
        "Not a Kafka key. Failed logins in a minute, of all mechanisms, after which those of one address (of IPv6, of one /64) are \
         answered as wrong without being checked. An account that has logged in from there before and has not failed since is \
         still checked, so that clients who share an address do not suffer from one of them. Logins that succeed do not count. 0 is \
         no limit.";
    SASL_FAILED_LOGINS_PER_MINUTE_PER_ACCOUNT = "sasl.failed.logins.per.minute.per.account", Int(0), Fixed("60"), Broker, true,
        "Not a Kafka key. Failed logins in a minute, of all mechanisms and from all addresses, after which those of one account are \
         answered as wrong without being checked if they come from an address that has failed on it in the last 10 minutes and has \
         never logged in to it. Whoever knows the password gets in from every other address. 0 is no limit.";
    SASL_SERVER_MAX_RECEIVE_SIZE = "sasl.server.max.receive.size", Int(1), Fixed("524288"), Listener, true,
        "The largest request in bytes that is read before a client has authenticated.";
    AUTHENTICATION_TIMEOUT_MS = "authentication.timeout.ms", Long(1), Fixed("15000"), Broker, true,
        "Not a Kafka key. The longest time in milliseconds from accepting a connection to its authentication. The deadline \
         is absolute: bytes that arrive do not move it.";
    CONNECTIONS_MAX_REAUTH_MS = "connections.max.reauth.ms", Long(i64::MIN), Fixed("0"), Mechanism, true,
        "How long in milliseconds a client stays known after its login; it must authenticate anew on its connection before (KIP-368), \
         as clients since Kafka 2.2 do by themselves. 0 or less is no limit. A credential that ends by itself, such as a token, ends \
         the session too if that is sooner. After the end the next request closes the connection, and, other than in Kafka, so do 30 \
         seconds without one; nothing lasts longer than 60 seconds after it. Applies from the next login or re-authentication on.";
    CONNECTION_FAILED_AUTHENTICATION_DELAY_MS = "connection.failed.authentication.delay.ms", Int(0), Fixed("100"), Broker, true,
        "How long in milliseconds the answer to a failed authentication and the close are held back. Must be less than \
         `connections.max.idle.ms`.";
}
"OAUTHBEARER" {
    SASL_OAUTHBEARER_JWKS_ENDPOINT_URL = "sasl.oauthbearer.jwks.endpoint.url", Text, Unset, Mechanism, true,
        "Where the issuer's keys are, as a JSON Web Key Set (RFC 7517): `https://...`, `file:///...`, or `http://` towards a loopback \
         address. A listener with OAUTHBEARER needs it, together with `sasl.oauthbearer.expected.issuer` and \
         `sasl.oauthbearer.expected.audience`. The keys are fetched in the background and kept while the issuer is away; a listener \
         also starts while it is, and refuses tokens until the keys are there. For `https` the `ssl.*` options of the JAAS entry say whose \
         certificates are believed, as in Kafka. If `KAFKA_OPTS` sets `-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=`, the URL must \
         be in that list.";
    SASL_OAUTHBEARER_JWKS_ENDPOINT_REFRESH_MS = "sasl.oauthbearer.jwks.endpoint.refresh.ms", Long(1), Fixed("3600000"), Mechanism, true,
        "How often in milliseconds the keys are fetched anew. A key that the issuer has withdrawn is taken at most this long.";
    SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MS = "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Long(1), Fixed("100"), Mechanism, true,
        "The wait in milliseconds after the first failed fetch; it doubles with each.";
    SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MAX_MS = "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Long(1), Fixed("10000"), Mechanism, true,
        "The longest wait in milliseconds after a failed fetch.";
    SASL_OAUTHBEARER_JWKS_ENDPOINT_MAX_STALENESS_MS = "sasl.oauthbearer.jwks.endpoint.max.staleness.ms", Long(1), Fixed("86400000"), Mechanism, true,
        "Not a Kafka key. How long in milliseconds keys are used after they were last seen at the issuer; then its tokens are refused until \
         they are fetched again. At least `sasl.oauthbearer.jwks.endpoint.refresh.ms`; where it is not set, at least twice that.";
    SASL_OAUTHBEARER_JWKS_ENDPOINT_EARLY_REFRESH_MS = "sasl.oauthbearer.jwks.endpoint.early.refresh.ms", Long(1), Fixed("60000"), Mechanism, true,
        "Not a Kafka key. A token whose key is not known has the keys fetched at once, and is judged by the new ones. The least time in \
         milliseconds between two such fetches, whoever causes them.";
    SASL_OAUTHBEARER_JWKS_ENDPOINT_INSECURE_HTTP_ALLOWED = "sasl.oauthbearer.jwks.endpoint.insecure.http.allowed", Bool, Fixed("false"), Mechanism, true,
        "Not a Kafka key. Lets the keys come by `http` from anywhere. Whoever is between here and there can then give keys of their own, \
         and be anyone.";
    SASL_OAUTHBEARER_EXPECTED_ISSUER = "sasl.oauthbearer.expected.issuer", Text, Unset, Mechanism, true,
        "What `iss` of a token must be, byte for byte. Required where tokens are signed.";
    SASL_OAUTHBEARER_EXPECTED_AUDIENCE = "sasl.oauthbearer.expected.audience", List, Unset, Mechanism, true,
        "Of these, separated by commas, `aud` of a token must have one. Required where tokens are signed: without it every token that the \
         issuer gives for any other service would do.";
    SASL_OAUTHBEARER_ALLOW_UNVERIFIED_ISSUER = "sasl.oauthbearer.allow.unverified.issuer", Bool, Fixed("false"), Mechanism, true,
        "Must be false: the issuer is always verified.";
    SASL_OAUTHBEARER_ALLOW_UNVERIFIED_AUDIENCE = "sasl.oauthbearer.allow.unverified.audience", Bool, Fixed("false"), Mechanism, true,
        "Must be false: the audience is always verified.";
    SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS = "sasl.oauthbearer.clock.skew.seconds", Int(0), Fixed("30"), Mechanism, true,
        "How far in seconds the issuer's clock may be off.";
    SASL_OAUTHBEARER_SUB_CLAIM_NAME = "sasl.oauthbearer.sub.claim.name", Text, Fixed("sub"), Mechanism, true,
        "The claim that has the principal's name.";
    SASL_OAUTHBEARER_SCOPE_CLAIM_NAME = "sasl.oauthbearer.scope.claim.name", Text, Fixed("scope"), Mechanism, true,
        "The claim that has the scope: a string, or strings. Blank or repeated elements make a token invalid.";
    SASL_OAUTHBEARER_GROUPS_CLAIM_NAME = "sasl.oauthbearer.groups.claim.name", Text, Unset, Mechanism, true,
        "Not a Kafka key. The claim that has the groups: a string, or strings. They are kept with the session. Without it there are none.";
    SASL_OAUTHBEARER_PRINCIPAL_TEMPLATE = "sasl.oauthbearer.principal.template", Text, Unset, Mechanism, true,
        "Not a Kafka key. Puts the principal's name together instead of taking it from one claim: each `${claim}` stands for the text of \
         that claim, for example `corp-${sub}`. Where several issuers are trusted, it keeps their names apart. Config providers take \
         `${name:key}` alone, with a colon.";
    SASL_OAUTHBEARER_TOKEN_TYPES = "sasl.oauthbearer.token.types", List, Fixed("JWT,at+jwt,absent"), Mechanism, true,
        "Not a Kafka key. Which `typ` of token is taken; `absent` is a token that does not say. To have access tokens alone (RFC 9068), \
         and no ID tokens, set `at+jwt`.";
    SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS = "sasl.oauthbearer.jwt.validator.class",
        Choice(&["org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator", "org.apache.kafka.common.security.oauthbearer.BrokerJwtValidator"]),
        Fixed("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"), Mechanism, true,
        "No Java classes are run: both names stand for this front's own validator.";
    SASL_SERVER_CALLBACK_HANDLER_CLASS = "sasl.server.callback.handler.class",
        Choice(&["org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"]), Unset, MechanismOnly, true,
        "For OAUTHBEARER alone, and this class alone: it asks for the validator of signed tokens, which \
         `sasl.oauthbearer.jwks.endpoint.url` does as well. No Java classes are run: any other is refused.";
    SASL_OAUTHBEARER_ISSUERS = "sasl.oauthbearer.issuers", List, Unset, Mechanism, true,
        "Not a Kafka key. Names of issuers, separated by commas, where a listener takes the tokens of several. Each has the keys \
         `sasl.oauthbearer.issuer.<name>.<key>`. A token's `iss` chooses the issuer, and by that one alone it is judged.";
    SASL_OAUTHBEARER_ISSUER_KEY = "sasl.oauthbearer.issuer.<name>.<key>", Text, Derived("the value of `sasl.oauthbearer.<key>`"), Mechanism, true,
        "Not a Kafka key. What holds for one issuer of `sasl.oauthbearer.issuers`. `<key>` is `expected.issuer`, `expected.audience`, \
         `jwks.endpoint.url` with its `.refresh.ms`, `.retry.backoff.ms`, `.retry.backoff.max.ms` and `.max.staleness.ms`, \
         `clock.skew.seconds`, `scope.claim.name`, `sub.claim.name`, `groups.claim.name`, `principal.template` or `token.types`. No two \
         may have the same `expected.issuer`.";
    SASL_OAUTHBEARER_INSECURE_UNSECURED_TOKENS_ALLOWED = "sasl.oauthbearer.insecure.unsecured.tokens.allowed", Bool, Fixed("false"), MechanismOnly, true,
        "Not a Kafka key. For development only: the listener takes tokens without a signature, as Kafka does where no callback handler class is \
         set, so that everyone can be anyone. The options `unsecuredValidator...` of the JAAS entry apply. A listener that is bound to a loopback \
         address and has no key of an issuer does so without this key.";
}
"TLS" {
    SSL_KEYSTORE_LOCATION = "ssl.keystore.location", Text, Unset, Listener, true,
        "The file with a listener's private key and certificates. Each listener of protocol SSL or SASL_SSL needs a key store, by \
         this key or by `ssl.keystore.key`: Kafka starts without and then fails every handshake.";
    SSL_KEYSTORE_TYPE = "ssl.keystore.type", Text, Fixed("JKS"), Listener, true,
        "`PEM` (private key and certificates in one file), `PKCS12` or `JKS`. Of the last two the file's content decides, as in \
         Java.";
    SSL_KEYSTORE_PASSWORD = "ssl.keystore.password", Password, Unset, Listener, true,
        "The password of the key store; not for type PEM.";
    SSL_KEY_PASSWORD = "ssl.key.password", Password, Derived("the key store's password"), Listener, true,
        "The password of the private key. With type PEM it must be set exactly if the key is encrypted.";
    SSL_KEYSTORE_KEY = "ssl.keystore.key", Password, Unset, Listener, true,
        "The private key itself, PKCS#8 in PEM, instead of a file; type PEM only. Blanks may stand for the newlines, so that it \
         fits in one line.";
    SSL_KEYSTORE_CERTIFICATE_CHAIN = "ssl.keystore.certificate.chain", Password, Unset, Listener, true,
        "The certificates that belong to `ssl.keystore.key`, the key's own first, in PEM.";
    SSL_TRUSTSTORE_LOCATION = "ssl.truststore.location", Text, Unset, Listener, true,
        "The file with the authorities from which clients' certificates must come. Without it and without \
         `ssl.truststore.certificates`, the operating system's authorities are trusted.";
    SSL_TRUSTSTORE_TYPE = "ssl.truststore.type", Text, Fixed("JKS"), Listener, true,
        "`PEM`, `PKCS12` or `JKS`. Of the last two the file's content decides, as in Java.";
    SSL_TRUSTSTORE_PASSWORD = "ssl.truststore.password", Password, Unset, Listener, true,
        "The password of the trust store; not for type PEM. Without it the integrity of the store is not checked.";
    SSL_TRUSTSTORE_CERTIFICATES = "ssl.truststore.certificates", Password, Unset, Listener, true,
        "The trusted certificates themselves, in PEM, instead of a file; type PEM only.";
    SSL_CRL_LOCATION = "ssl.crl.location", List, Fixed(""), Listener, true,
        "Not a Kafka key. Files with certificate revocation lists, PEM or DER, separated by commas. A certificate that one of them \
         revokes is refused; one whose issuer has no list here passes.";
    SSL_CLIENT_AUTH = "ssl.client.auth", Choice(&["required", "requested", "none"]), Fixed("none"), Listener, true,
        "Whether clients must show a certificate. `requested`: a client without one is `User:ANONYMOUS`, one with a bad \
         certificate is refused. On a listener of protocol SASL_SSL only the form with the listener's prefix has an effect, as in \
         Kafka.";
    SSL_PRINCIPAL_MAPPING_RULES = "ssl.principal.mapping.rules", Text, Fixed("DEFAULT"), Listener, true,
        "What name the certificate of a client gives, on listeners of protocol SSL: rules separated by commas, each \
         `DEFAULT` (the name as it is) or `RULE:pattern/replacement/[LU]`. The first rule whose pattern matches the whole \
         name replaces all of its matches, and `L` or `U` makes the result lower or upper case; `\\/` is a slash. The \
         name is the subject as Java prints it: `CN=alice,OU=Unit,O=Org`, the most specific part first. Patterns are \
         Java's; one that has no exact counterpart here is an error at start. A client to which no rule applies is \
         disconnected after its handshake (in Kafka at its first request), and so is one whose name is ambiguous: with a NUL or bytes that \
         are not text, empty, or, where a pattern would be tried, with a line break or longer than 2048 bytes. \
         `doorkeeper explain-certificate` shows what a certificate gives.";
    SSL_PRINCIPAL_SOURCE = "ssl.principal.source", Choice(NameSource::VALUES), Fixed("subject"), Listener, true,
        "Not a Kafka key. What of a client's certificate the mapping rules are applied to: its subject, or the one \
         subject alternative name that is a URI (such as a SPIFFE id), a DNS name or an e-mail address. A certificate \
         without such a name, or with several of them, gives no principal: its client is disconnected after its \
         handshake.";
    SSL_ENABLED_PROTOCOLS = "ssl.enabled.protocols", List, Fixed("TLSv1.2,TLSv1.3"), Listener, true,
        "The versions of TLS: `TLSv1.2`, `TLSv1.3` or both. Older ones are refused at start. Empty means both.";
    SSL_CIPHER_SUITES = "ssl.cipher.suites", List, Fixed(""), Listener, true,
        "The cipher suites by their Java names, the preferred first. Empty means all that there are: \
         TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256 for TLS 1.3; \
         TLS_ECDHE_{ECDSA,RSA}_WITH_{AES_256_GCM_SHA384,AES_128_GCM_SHA256,CHACHA20_POLY1305_SHA256} for TLS 1.2.";
    SSL_ALLOW_DN_CHANGES = "ssl.allow.dn.changes", Bool, Fixed("false"), Listener, true,
        "Whether a key store that is replaced while the server runs may name another subject than before.";
    SSL_ALLOW_SAN_CHANGES = "ssl.allow.san.changes", Bool, Fixed("false"), Listener, true,
        "Whether a key store that is replaced while the server runs may lack alternative names that it had before.";
    SSL_ENDPOINT_IDENTIFICATION_ALGORITHM = "ssl.endpoint.identification.algorithm", Text, Fixed("https"), Listener, true,
        "Towards the backend, where it is spoken to as between brokers: `https` verifies that the certificate is for the host \
         name that was dialled; empty leaves that out. Clients' host names are never verified.";
    SSL_PROTOCOL = "ssl.protocol", Choice(TLS_PROTOCOLS), Fixed("TLSv1.3"), Listener, true,
        "Only checked: `ssl.enabled.protocols` decides.";
    SSL_ENGINE_FACTORY_CLASS = "ssl.engine.factory.class", Text, Unset, Listener, false,
        "Must not be set: a class of your own would verify certificates otherwise than this front does.";
    SSL_PROVIDER = "ssl.provider", Text, Unset, Listener, true, "Without effect, with a warning: there is no Java here.";
    SSL_SECURE_RANDOM_IMPLEMENTATION = "ssl.secure.random.implementation", Text, Unset, Listener, true,
        "Without effect, with a warning: there is no Java here.";
    SSL_KEYMANAGER_ALGORITHM = "ssl.keymanager.algorithm", Text, Unset, Listener, true,
        "Without effect, with a warning: there is no Java here.";
    SSL_TRUSTMANAGER_ALGORITHM = "ssl.trustmanager.algorithm", Text, Unset, Listener, true,
        "Without effect, with a warning: there is no Java here.";
}
"Connections" {
    MAX_CONNECTIONS = "max.connections", Int(0), Fixed("2147483647"), Listener, true,
        "The most connections at a time, over all listeners, or with a listener's prefix of that listener. At the limit \
         new connections wait in the kernel's queue.";
    MAX_CONNECTIONS_PER_IP = "max.connections.per.ip", Int(0), Fixed("2147483647"), Broker, true,
        "The most connections at a time from one address, over all listeners. Those above it are closed at once. 0 is \
         allowed only with `max.connections.per.ip.overrides`.";
    MAX_CONNECTIONS_PER_IP_OVERRIDES = "max.connections.per.ip.overrides", List, Fixed(""), Broker, true,
        "Other limits for single addresses: `host:count`, separated by commas, cut at the last colon, so IPv6 addresses \
         work. Host names are resolved at start and at each reload.";
    MAX_CONNECTION_CREATION_RATE = "max.connection.creation.rate", Int(0), Fixed("2147483647"), Listener, true,
        "The most new connections per second, over all listeners, or with a listener's prefix on that listener.";
    MAX_UNAUTHENTICATED_CONNECTIONS = "max.unauthenticated.connections", Int(1), Fixed("10000"), Listener, true,
        "Not a Kafka key. The most connections of a listener at a time that have been accepted and have not authenticated yet: \
         each listener counts for itself. PROXY header, TLS handshake and SASL exchange all count. At the limit new \
         connections wait in the kernel's queue, in order, until another client has logged in or `authentication.timeout.ms` \
         has ended it. So strangers who hold all places delay clients, and cannot keep them out: with the defaults 666 places \
         per second come free even if nobody logs in. The default is more than the clients that log in at the same moment in \
         most clusters, and holds what strangers can occupy to some tens of MB, with TLS a few hundred.";
    MAX_UNAUTHENTICATED_CONNECTIONS_PER_IP = "max.unauthenticated.connections.per.ip", Int(1),
        Derived("half of `max.unauthenticated.connections`"), Listener, true,
        "Not a Kafka key. The most of these connections from one address; an IPv6 address counts with its /64. Those above it \
         are closed at once. Where all clients come from one address, such as that of a balancer without PROXY protocol, set \
         it to the same number as `max.unauthenticated.connections`.";
    PROXY_PROTOCOL = "proxy.protocol", Choice(&["off", "allowed", "required"]), Fixed("off"), Listener, true,
        "Not a Kafka key. Whether connections begin with a header of the PROXY protocol, version 1 or 2, by which a balancer \
         tells the client's address. Logs and limits then go by that address. The header is believed from \
         `proxy.protocol.trusted.addresses` only. `required`: everyone else, and a connection without header, is closed. \
         `allowed`: a trusted address may send one or not, for everyone else it is as if `off`. Headers that name no client, \
         such as those of a balancer's health checks, leave the balancer's own address.";
    PROXY_PROTOCOL_TRUSTED_ADDRESSES = "proxy.protocol.trusted.addresses", List, Fixed(""), Listener, true,
        "Not a Kafka key. The balancers that may send a PROXY header: addresses and blocks such as `10.0.0.0/8`, separated by \
         commas. Must not be empty unless `proxy.protocol` is off. Whoever can connect from there can claim any address.";
    CONNECTIONS_MAX_IDLE_MS = "connections.max.idle.ms", Long(i64::MIN), Fixed("600000"), Broker, true,
        "Connections without traffic for this many milliseconds are closed. A negative value turns that off.";
    CONNECTION_MAX_IN_FLIGHT_REQUESTS = "connection.max.in.flight.requests", Int(1), Fixed("1000"), Broker, true,
        "Not a Kafka key. The most requests of one connection that wait for their answers; at the limit nothing more is \
         read from it.";
    SOCKET_REQUEST_MAX_BYTES = "socket.request.max.bytes", Int(1), Fixed("104857600"), Broker, true,
        "The largest request in bytes of an authenticated client.";
    SOCKET_SEND_BUFFER_BYTES = "socket.send.buffer.bytes", Int(-1), Fixed("-1"), Broker, false,
        "The send buffer (SO_SNDBUF) in bytes of clients' sockets; -1 leaves it to the operating system, which grows it as a \
         connection needs. Kafka's default is 102400; a fixed size costs throughput.";
    SOCKET_RECEIVE_BUFFER_BYTES = "socket.receive.buffer.bytes", Int(-1), Fixed("-1"), Broker, false,
        "The receive buffer (SO_RCVBUF) in bytes of clients' sockets; -1 leaves it to the operating system, which grows it as \
         a connection needs. Kafka's default is 102400; a fixed size costs throughput.";
    SOCKET_LISTEN_BACKLOG_SIZE = "socket.listen.backlog.size", Int(1), Fixed("4096"), Broker, false,
        "How many connections the kernel queues before they are accepted. Kafka's default is 50; ours is larger so that a \
         storm of logins, such as after a restart, loses no client. The kernel caps it (`net.core.somaxconn`).";
}
"Backend" {
    BACKEND_BOOTSTRAP_SERVERS = "backend.bootstrap.servers", List, Required, Broker, false,
        "The Kafka cluster behind this front: `host:port`, separated by commas. Any client key of Kafka's may be given with \
         the prefix `backend.`; those that this page does not list have no effect and are warned of, or are refused where \
         leaving them out would be unsafe.";
    BACKEND_SECURITY_PROTOCOL = "backend.security.protocol", Choice(PROTOCOLS),
        Derived("the protocol between brokers: that of `inter.broker.listener.name`, else `security.inter.broker.protocol`"), Broker, false,
        "How connections to the backend are secured. With SASL, `backend.sasl.mechanism` says how.";
    BACKEND_SASL_MECHANISM = "backend.sasl.mechanism", Text, Derived("`sasl.mechanism.inter.broker.protocol`"), Broker, false,
        "The mechanism by which this front logs in to the backend: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER. By SCRAM the \
         broker has to prove that it knows the front's credential, and 4096 to 1,000,000 iterations are accepted. For OAUTHBEARER see \
         [tokens towards the backend](#tokens-towards-the-backend). A broker that ends sessions (`connections.max.reauth.ms`, or with the \
         token) has each connection authenticated anew in time, whatever the mechanism.";
    BACKEND_SASL_JAAS_CONFIG = "backend.sasl.jaas.config", Password,
        Derived("the JAAS entry of the listener between brokers and its mechanism"), Broker, true,
        "A JAAS entry whose options `username` and `password` are this front's own login to the backend. Its module is \
         `org.apache.kafka.common.security.plain.PlainLoginModule`, or \
         `org.apache.kafka.common.security.scram.ScramLoginModule` for the SCRAM mechanisms. For OAUTHBEARER it is an \
         `org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule` with Kafka's own options: `clientId`, `clientSecret`, \
         `scope` and `extension_<name>`, or those that begin with `unsecuredLogin`.";
    SECURITY_INTER_BROKER_PROTOCOL = "security.inter.broker.protocol", Choice(PROTOCOLS), Fixed("PLAINTEXT"), Broker, false,
        "The security protocol of the backend where `backend.security.protocol` is not set, as a broker would use it.";
    INTER_BROKER_LISTENER_NAME = "inter.broker.listener.name", Text, Unset, Broker, false,
        "The listener whose protocol and JAAS entry are used towards the backend where `backend.security.protocol` and \
         `backend.sasl.jaas.config` are not set. Not together with `security.inter.broker.protocol`.";
    SASL_MECHANISM_INTER_BROKER_PROTOCOL = "sasl.mechanism.inter.broker.protocol", Text, Fixed("GSSAPI"), Broker, false,
        "The mechanism towards the backend where `backend.sasl.mechanism` is not set.";
    BACKEND_CLIENT_ID = "backend.client.id", Text, Fixed("doorkeeper"), Broker, true,
        "The client id of this front's own requests to the backend.";
    BACKEND_CONNECTION_SETUP_TIMEOUT_MS = "backend.socket.connection.setup.timeout.ms", Long(1), Fixed("10000"), Broker, true,
        "The longest time in milliseconds for a connection to the backend with its login.";
    BACKEND_METADATA_MAX_AGE_MS = "backend.metadata.max.age.ms", Long(1), Fixed("60000"), Broker, true,
        "How often in milliseconds the backend is asked for its brokers and their API versions.";
    BACKEND_RECONNECT_BACKOFF_MS = "backend.reconnect.backoff.ms", Long(0), Fixed("50"), Broker, true,
        "The wait in milliseconds before the first new try to reach a backend broker; it doubles from try to try.";
    BACKEND_RECONNECT_BACKOFF_MAX_MS = "backend.reconnect.backoff.max.ms", Long(0), Fixed("1000"), Broker, true,
        "The longest wait in milliseconds between two tries.";
    BACKEND_REWRITTEN_RESPONSE_MAX_BYTES = "backend.rewritten.response.max.bytes", Int(1024), Fixed("104857600"), Broker, true,
        "Not a Kafka key. The largest response in bytes that is held whole because addresses in it must be replaced.";
}
"Tokens towards the backend" {
    BACKEND_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL = "backend.sasl.oauthbearer.token.endpoint.url", Text, Unset, Broker, true,
        "Where tokens for OAUTHBEARER come from. `https:` (or `http:` to a literal loopback address) is a token endpoint that is asked by the \
         client credentials grant; `file:` with an absolute path is a file with a token, which is read again when it changes. \
         Without it tokens are unsecured, as in Kafka, see `backend.sasl.oauthbearer.insecure.unsecured.tokens.allowed`. Where neither this key \
         nor `backend.sasl.jaas.config` nor the client's id or secret is set with the prefix `backend.`, each key of this section is looked \
         up as a broker would for its own logins: `listener.name.<listener>.oauthbearer.<key>` of the listener between brokers, \
         `listener.name.<listener>.<key>`, `<key>`.";
    BACKEND_SASL_LOGIN_CALLBACK_HANDLER_CLASS = "backend.sasl.login.callback.handler.class", Choice(LOGIN_HANDLERS),
        Derived("that of tokens from somewhere else if there is a token endpoint, else that of unsecured tokens"), Broker, true,
        "Which of Kafka's two ways to tokens is meant. The class itself is not run. Only for OAUTHBEARER.";
    BACKEND_SASL_OAUTHBEARER_CLIENT_ID = "backend.sasl.oauthbearer.client.credentials.client.id", Text,
        Derived("option `clientId` of the JAAS entry"), Broker, true,
        "The id by which the token endpoint knows this front.";
    BACKEND_SASL_OAUTHBEARER_CLIENT_SECRET = "backend.sasl.oauthbearer.client.credentials.client.secret", Password,
        Derived("option `clientSecret` of the JAAS entry"), Broker, true,
        "The secret that belongs to it; both go to the token endpoint by HTTP Basic authentication.";
    BACKEND_SASL_OAUTHBEARER_SCOPE = "backend.sasl.oauthbearer.scope", Text, Derived("option `scope` of the JAAS entry, if it has one"),
        Broker, true, "The scope that the token endpoint is asked for.";
    BACKEND_SASL_OAUTHBEARER_HEADER_URLENCODE = "backend.sasl.oauthbearer.header.urlencode", Bool, Fixed("false"), Broker, true,
        "Whether id and secret are form-encoded before they go into the Basic header, as RFC 6749 wants it and not all endpoints do.";
    BACKEND_SASL_OAUTHBEARER_GRANT_TYPE = "backend.sasl.oauthbearer.grant.type", Choice(&["client_credentials"]),
        Fixed("client_credentials"), Broker, false, "How the token endpoint is asked.";
    BACKEND_SASL_OAUTHBEARER_JWT_RETRIEVER_CLASS = "backend.sasl.oauthbearer.jwt.retriever.class", Choice(RETRIEVERS),
        Fixed("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"), Broker, true,
        "The default takes tokens as the URL says. The class itself is not run; no other is accepted.";
    BACKEND_SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS = "backend.sasl.oauthbearer.jwt.validator.class", Choice(CLIENT_VALIDATORS),
        Fixed("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"), Broker, true,
        "The class itself is not run; no other is accepted. What is looked at in a token is when it ends.";
    BACKEND_SASL_OAUTHBEARER_INSECURE_UNSECURED_TOKENS_ALLOWED = "backend.sasl.oauthbearer.insecure.unsecured.tokens.allowed", Bool, Fixed("false"), Broker,
        true,
        "Not a Kafka key. Lets this front log in by unsecured tokens (nobody has signed them) to a backend whose bootstrap servers are not all \
         loopback addresses. A backend that takes them lets everybody in under any name.";
    BACKEND_SASL_OAUTHBEARER_TOKEN_ENDPOINT_INSECURE_HTTP_ALLOWED = "backend.sasl.oauthbearer.token.endpoint.insecure.http.allowed", Bool, Fixed("false"),
        Broker, true,
        "Not a Kafka key. Lets an `http:` token endpoint be on another machine: whoever is in between reads the client's secret.";
    BACKEND_SASL_LOGIN_CONNECT_TIMEOUT_MS = "backend.sasl.login.connect.timeout.ms", Int(1), Fixed("10000"), Broker, true,
        "How long in milliseconds a connection to the token endpoint may take. Kafka's default is no limit.";
    BACKEND_SASL_LOGIN_READ_TIMEOUT_MS = "backend.sasl.login.read.timeout.ms", Int(1), Fixed("10000"), Broker, true,
        "How long in milliseconds the token endpoint's answer may take. Kafka's default is no limit.";
    BACKEND_SASL_LOGIN_RETRY_BACKOFF_MS = "backend.sasl.login.retry.backoff.ms", Long(0), Fixed("100"), Broker, true,
        "How long in milliseconds after a failed attempt at the token endpoint the next one waits. It doubles with each attempt. What an \
         endpoint refuses for good (such as a wrong secret) is not tried again at once.";
    BACKEND_SASL_LOGIN_RETRY_BACKOFF_MAX_MS = "backend.sasl.login.retry.backoff.max.ms", Long(0), Fixed("10000"), Broker, true,
        "How long in milliseconds attempts go on. After that a new round begins 10 seconds later, or 1 second later while a client waits. \
         Not less than `backend.sasl.login.retry.backoff.ms`.";
    BACKEND_SASL_LOGIN_REFRESH_WINDOW_FACTOR = "backend.sasl.login.refresh.window.factor", Double("0.5", "1.0"), Fixed("0.8"), Broker, true,
        "After which part of its lifetime a token is replaced. The old one serves until the new one is there.";
    BACKEND_SASL_LOGIN_REFRESH_WINDOW_JITTER = "backend.sasl.login.refresh.window.jitter", Double("0.0", "0.25"), Fixed("0.05"), Broker, true,
        "Up to which further part of its lifetime that is put off, at random.";
    BACKEND_SASL_LOGIN_REFRESH_MIN_PERIOD_SECONDS = "backend.sasl.login.refresh.min.period.seconds", Short(0, 900), Fixed("60"), Broker, true,
        "How long in seconds a token is kept at least, if it lives long enough for this and the buffer together.";
    BACKEND_SASL_LOGIN_REFRESH_BUFFER_SECONDS = "backend.sasl.login.refresh.buffer.seconds", Short(0, 3600), Fixed("300"), Broker, true,
        "How long in seconds before its end a token is replaced at the latest, if it lives long enough for this and the shortest period \
         together.";
}
"TLS towards the backend" {
    BACKEND_SSL_TRUSTSTORE_LOCATION = "backend.ssl.truststore.location", Text, Unset, Broker, true,
        "The file with the authorities from which the brokers' certificates must come. Where `backend.security.protocol` is not \
         set, each `backend.ssl.` key that is left out is taken from the listener between brokers, as a broker would; a key store \
         or a trust store is taken from one of the two as a whole.";
    BACKEND_SSL_TRUSTSTORE_TYPE = "backend.ssl.truststore.type", Text, Fixed("JKS"), Broker, true, "As `ssl.truststore.type`.";
    BACKEND_SSL_TRUSTSTORE_PASSWORD = "backend.ssl.truststore.password", Password, Unset, Broker, true,
        "As `ssl.truststore.password`.";
    BACKEND_SSL_TRUSTSTORE_CERTIFICATES = "backend.ssl.truststore.certificates", Password, Unset, Broker, true,
        "As `ssl.truststore.certificates`.";
    BACKEND_SSL_CRL_LOCATION = "backend.ssl.crl.location", List, Fixed(""), Broker, true,
        "Not a Kafka key. As `ssl.crl.location`, for the brokers' certificates.";
    BACKEND_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM = "backend.ssl.endpoint.identification.algorithm", Text, Fixed("https"), Broker,
        true,
        "`https`: a broker's certificate must be for the host name that was dialled. Empty leaves that out, with a warning at each \
         start.";
    BACKEND_SSL_KEYSTORE_LOCATION = "backend.ssl.keystore.location", Text, Unset, Broker, true,
        "The file with this front's own key and certificates, for brokers that ask for them.";
    BACKEND_SSL_KEYSTORE_TYPE = "backend.ssl.keystore.type", Text, Fixed("JKS"), Broker, true, "As `ssl.keystore.type`.";
    BACKEND_SSL_KEYSTORE_PASSWORD = "backend.ssl.keystore.password", Password, Unset, Broker, true, "As `ssl.keystore.password`.";
    BACKEND_SSL_KEY_PASSWORD = "backend.ssl.key.password", Password, Derived("the key store's password"), Broker, true,
        "As `ssl.key.password`.";
    BACKEND_SSL_KEYSTORE_KEY = "backend.ssl.keystore.key", Password, Unset, Broker, true, "As `ssl.keystore.key`.";
    BACKEND_SSL_KEYSTORE_CERTIFICATE_CHAIN = "backend.ssl.keystore.certificate.chain", Password, Unset, Broker, true,
        "As `ssl.keystore.certificate.chain`.";
    BACKEND_SSL_ENABLED_PROTOCOLS = "backend.ssl.enabled.protocols", List, Fixed("TLSv1.2,TLSv1.3"), Broker, true,
        "As `ssl.enabled.protocols`.";
    BACKEND_SSL_CIPHER_SUITES = "backend.ssl.cipher.suites", List, Fixed(""), Broker, true, "As `ssl.cipher.suites`.";
    BACKEND_SSL_PROTOCOL = "backend.ssl.protocol", Choice(TLS_PROTOCOLS), Fixed("TLSv1.3"), Broker, true, "As `ssl.protocol`.";
    BACKEND_SSL_ENGINE_FACTORY_CLASS = "backend.ssl.engine.factory.class", Text, Unset, Broker, false,
        "As `ssl.engine.factory.class`: must not be set.";
    BACKEND_SSL_PROVIDER = "backend.ssl.provider", Text, Unset, Broker, true, "Without effect, with a warning.";
    BACKEND_SSL_SECURE_RANDOM_IMPLEMENTATION = "backend.ssl.secure.random.implementation", Text, Unset, Broker, true,
        "Without effect, with a warning.";
    BACKEND_SSL_KEYMANAGER_ALGORITHM = "backend.ssl.keymanager.algorithm", Text, Unset, Broker, true,
        "Without effect, with a warning.";
    BACKEND_SSL_TRUSTMANAGER_ALGORITHM = "backend.ssl.trustmanager.algorithm", Text, Unset, Broker, true,
        "Without effect, with a warning.";
}
"Credentials and who may change them" {
    STORE_DIR = "store.dir", Text, Unset, Broker, false,
        "Not a Kafka key. The directory in which credentials are kept, of this process alone. It is made if there is none. The \
         mechanisms SCRAM-SHA-256 and SCRAM-SHA-512 need it. `kafka-configs --entity-type users` changes what is in it while the \
         server runs, `doorkeeper configs --store-dir` before.";
    SUPER_USERS = "super.users", Text, Unset, Broker, true,
        "Principals such as `User:admin`, separated by semicolons, that may describe and change credentials.";
    ADMIN_PRINCIPALS = "admin.principals", Text, Unset, Broker, true,
        "Not a Kafka key. More principals that may describe and change credentials, separated by semicolons, without being super \
         users.";
}
"Process" {
    WORKER_THREADS = "worker.threads", Int(1), Derived("the number of processors that the process may use"), Broker, false,
        "Not a Kafka key. Threads that serve connections.";
    SHUTDOWN_TIMEOUT_MS = "shutdown.timeout.ms", Long(0), Fixed("30000"), Broker, true,
        "Not a Kafka key. How long in milliseconds a stop waits for requests in flight.";
}
"Reload" {
    TLS_RELOAD_INTERVAL_MS = "tls.reload.interval.ms", Long(0), Fixed("1000"), Broker, true,
        "Not a Kafka key. How often in milliseconds the files of key stores, trust stores and revocation lists are looked at. A \
         good change serves all new handshakes once two looks have seen the same; a bad one is refused, and the old stays. 0 \
         turns that off: then only SIGHUP reads the files again.";
}
"Metrics and health" {
    METRICS_LISTENERS = "metrics.listeners", List, Unset, Broker, false,
        "Not a Kafka key. Where `GET /metrics` (Prometheus' text format), `/livez` and `/readyz` are answered: \
         `http://host:port`, separated by commas; an empty host binds all interfaces, port 0 any free port. Whoever reaches \
         it may ask, so choose an address that clients do not reach. Without it there is no such endpoint.";
}
"Config providers" {
    CONFIG_PROVIDERS = "config.providers", List, Unset, Broker, true,
        "Names of config providers, separated by commas without blanks. A value may then contain `${name:key}` or \
         `${name:path:key}`. A placeholder that cannot be resolved stays as it is, with a warning; a file that cannot be \
         read is an error.";
    CONFIG_PROVIDERS_CLASS = "config.providers.<name>.class", Text, Unset, Broker, true,
        "`org.apache.kafka.common.config.provider.FileConfigProvider` for `${name:/a/file.properties:key}` (UTF-8), \
         `...DirectoryConfigProvider` for `${name:/a/directory:file}`, or `...EnvVarConfigProvider` for `${name:VARIABLE}`. \
         A provider without class is skipped.";
    CONFIG_PROVIDERS_ALLOWED_PATHS = "config.providers.<name>.param.allowed.paths", List, Unset, Broker, true,
        "Absolute paths that exist, separated by commas: all that a file or directory provider may read.";
    CONFIG_PROVIDERS_ALLOWLIST_PATTERN = "config.providers.<name>.param.allowlist.pattern", Text, Fixed(".*"), Broker, true,
        "A regular expression that the whole name of an environment variable must match.";
}
"Recognised, but without effect" {
    PRINCIPAL_BUILDER_CLASS = "principal.builder.class", Choice(&["org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"]),
        Fixed("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"), Listener, true,
        "A principal builder of your own would name clients otherwise than this front does, so only Kafka's is accepted.";
    QUEUED_MAX_REQUEST_BYTES = "queued.max.request.bytes", Long(i64::MIN), Fixed("-1"), Broker, true,
        "Nothing is queued here, a connection that waits is not read; only checked against `socket.request.max.bytes`.";
}
}
