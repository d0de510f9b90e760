use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Mutex;

use super::*;
use crate::config::{JaasContext, ListenerName, MechanismConfig, SaslListenerConfig};
use crate::sasl::{Occasion, Registry, Shared};
use crate::scram::ScramCredential;
use crate::scram::client::{self, ClientKeys};
use crate::store::{Change, Store};

/// alice has both mechanisms, carol only SHA-512, each name in escapes' reach one of its own.
struct Kept {
    users: HashMap<(String, ScramMechanism), ScramCredential>,
    is_down: bool,
    key: &'static str,
    /// Who was asked for.
    asked: Mutex<Vec<String>>,
}

const SALT: &[u8] = b"17abcdefghijklmnopqrstuvw";

impl Kept {
    fn new() -> Self {
        let mut users = HashMap::new();
        let mut keep = |user: &str, mechanism| {
            let password = format!("{user}-secret");
            let credential = ScramCredential::from_password(mechanism, password.as_bytes(), SALT, 4096).unwrap();
            users.insert((user.to_owned(), mechanism), credential);
        };
        for mechanism in ScramMechanism::ALL {
            for user in ["alice", "a,b=c d", "=2C", "jörg"] {
                keep(user, mechanism);
            }
        }
        keep("carol", ScramMechanism::Sha512);
        Self { users, is_down: false, key: "a key of the store that is 32 bytes", asked: Mutex::default() }
    }
}

impl ScramCredentials for Kept {
    fn find(
        &self,
        user: &str,
        mechanism: ScramMechanism,
    ) -> BoxFuture<'static, Result<Option<ScramCredential>, Outage>> {
        self.asked.lock().unwrap().push(user.to_owned());
        let found = self.users.get(&(user.to_owned(), mechanism)).cloned();
        Box::pin(future::ready(if self.is_down { Err(Outage("the store")) } else { Ok(found) }))
    }

    fn unknown_user_key(&self) -> Secret {
        Secret::new(self.key)
    }
}

fn listener() -> ListenerName {
    ListenerName::new("CLIENTS")
}

fn config(mechanism: ScramMechanism, properties: &[(&str, &str)]) -> MechanismConfig {
    let properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    MechanismConfig { name: mechanism.to_string(), jaas: JaasContext::default(), properties, oauthbearer: None }
}

fn build(mechanism: ScramMechanism, kept: Kept, properties: &[(&str, &str)]) -> Arc<dyn Mechanism> {
    let shared = Shared { scram: Some(Arc::new(kept)), ..Shared::default() };
    let config = config(mechanism, properties);
    factory(mechanism, &FactoryInput { config: &config, listener: &listener(), shared: &shared }).expect("mechanism")
}

fn begin(mechanism: &dyn Mechanism) -> Box<dyn ServerExchange> {
    let peer = Peer { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), listener: listener() };
    mechanism.start(&peer)
}

/// How a login went.
#[derive(Debug, PartialEq, Eq)]
struct Login {
    /// Tokens that the client sent.
    rounds: usize,
    /// Length of the challenge without the salt, and what stands behind that.
    challenge: (usize, String),
    salt: Vec<u8>,
    /// The principal, or the text.
    end: Result<String, Rejection>,
}

async fn log_in(
    built: &dyn Mechanism,
    mechanism: ScramMechanism,
    user: &str,
    password: &str,
    extension: &str,
) -> Login {
    let (client_first, waits) = client::start(mechanism, user, &Nonce::random().unwrap()).unwrap();
    assert!(extension.is_empty() || extension.starts_with(','));
    let first = begin(built).step(format!("{client_first}{extension}").into()).await;
    let Ok(Step::Challenge { token, next }) = first else { panic!("no challenge") };
    let text = String::from_utf8(token.to_vec()).unwrap();
    let waits = waits.read(&token).unwrap();
    let keys = ClientKeys::derive(mechanism, password.as_bytes(), waits.salt(), waits.iterations());
    let salt = waits.salt().to_vec();
    let (head, iterations) = text.rsplit_once(',').unwrap();
    let challenge = (head.split(',').next().unwrap().len(), iterations.to_owned());
    let (client_final, waits) = waits.answer(&keys);
    let end = match next.step(client_final.into()).await {
        Ok(Step::Success { token, verified }) => {
            waits.verify(&token).unwrap();
            Ok(verified.principal.to_string())
        }
        Err(AuthnError::Rejected(why)) => Err(why),
        Err(error) => panic!("{error:?}"),
        Ok(Step::Challenge { .. }) => panic!("another challenge"),
    };
    Login { rounds: 2, challenge, salt, end }
}

#[tokio::test]
async fn users_log_in_whatever_their_names() {
    for mechanism in ScramMechanism::ALL {
        let built = build(mechanism, Kept::new(), &[]);
        for user in ["alice", "a,b=c d", "=2C", "jörg"] {
            let login = log_in(&*built, mechanism, user, &format!("{user}-secret"), "").await;
            assert_eq!(login.end, Ok(format!("User:{user}")));
            let login = log_in(&*built, mechanism, user, &format!("{user}-secret"), ",other=x").await;
            // What the client itself does not sign is not what it said.
            assert!(login.end.is_err());
        }
    }
}

/// H-158, H-159, SEC-20, SEC-21: unknown user, wrong password, the other mechanism's user, a delegation token.
#[tokio::test]
async fn who_does_not_get_in_cannot_tell_why() {
    for mechanism in ScramMechanism::ALL {
        let built = build(mechanism, Kept::new(), &[]);
        let wrong = log_in(&*built, mechanism, "alice", "wrong", "").await;
        assert_eq!(
            wrong.end.as_ref().unwrap_err().message(built.name(), Occasion::Authentication),
            format!(
                "Authentication failed during authentication due to invalid credentials with SASL mechanism {mechanism}"
            )
        );
        assert_eq!(wrong.challenge.1, "i=4096");
        let mut others = vec![("nobody", "nobody-secret", ""), ("alice", "alice-secret", ",tokenauth=true")];
        if mechanism == ScramMechanism::Sha256 {
            others.push(("carol", "carol-secret", ""));
        }
        for (user, password, extension) in others {
            let unknown = log_in(&*built, mechanism, user, password, extension).await;
            assert_ne!(unknown.salt, wrong.salt);
            assert!((24..=26).contains(&unknown.salt.len()), "{user}: {}", unknown.salt.len());
            let again = log_in(&*built, mechanism, user, password, extension).await;
            assert_eq!(again, unknown, "{user}");
            assert_eq!(Login { salt: wrong.salt.clone(), ..unknown }, wrong, "{user}");
        }
    }
}

#[tokio::test]
async fn a_token_login_does_not_show_which_salts_are_made_up() {
    let mechanism = ScramMechanism::Sha256;
    let built = build(mechanism, Kept::new(), &[]);
    for user in ["alice", "nobody"] {
        let as_user = log_in(&*built, mechanism, user, "x", "").await.salt;
        let as_token = log_in(&*built, mechanism, user, "x", ",tokenauth=true").await.salt;
        assert_ne!(as_user, as_token, "{user}");
    }
}

#[tokio::test]
async fn fronts_with_the_same_key_show_the_same() {
    let mechanism = ScramMechanism::Sha512;
    let salt = async |key, properties: &[(&str, &str)]| {
        let built = build(mechanism, Kept { key, ..Kept::new() }, properties);
        log_in(&*built, mechanism, "nobody", "x", "").await
    };
    let given = [("sasl.scram.unknown.user.key", "0123456789abcdef0123456789abcdef")];
    assert_eq!(salt("one", &[]).await, salt("one", &[]).await);
    assert_ne!(salt("one", &[]).await.salt, salt("two", &[]).await.salt);
    assert_eq!(salt("one", &given).await, salt("two", &given).await);
    let more = [given[0], ("sasl.scram.unknown.user.iterations", "8192")];
    assert_eq!(salt("one", &more).await.challenge.1, "i=8192");
}

#[tokio::test]
async fn first_messages_fail_with_kafkas_texts() {
    for mechanism in ScramMechanism::ALL {
        let built = build(mechanism, Kept::new(), &[]);
        let text = async |token: &'static str| match begin(&*built).step(token.into()).await {
            Err(AuthnError::Malformed(why) | AuthnError::Rejected(why)) => why,
            _ => panic!("{token}"),
        };
        let general = WRONG;
        for token in ["", "n", "y,,n=alice,r=x", "p=tls-unique,,n=alice,r=x", "n,,m=x,n=alice,r=x", "c=biws,r=x,p=AAAA"]
        {
            assert_eq!(text(token).await, general, "{token}");
        }
        for token in ["n,a=bob,n=alice,r=x", "n,a=bob,n=nobody,r=x"] {
            assert_eq!(text(token).await, OTHER_AUTHZID, "{token}");
        }
    }
}

#[tokio::test]
async fn last_messages_fail_with_the_same_text_and_never_with_a_panic() {
    for mechanism in ScramMechanism::ALL {
        let built = build(mechanism, Kept::new(), &[]);
        for user in ["alice", "nobody"] {
            for answer in ["", "c=biws", "n,,n=alice,r=x", "c=biws,r=x,p=AAAA", "c=biws,r=x,p=", "e=x", "v=AAAA"] {
                let first = begin(&*built).step(format!("n,,n={user},r=x").into()).await;
                let Ok(Step::Challenge { next, .. }) = first else { panic!("no challenge") };
                let end = next.step(answer.into()).await;
                let Err(AuthnError::Malformed(why) | AuthnError::Rejected(why)) = end else { panic!("{answer}") };
                assert_eq!(why, WRONG, "{answer}");
            }
        }
    }
}

#[tokio::test]
async fn an_outage_is_not_a_wrong_password() {
    let built = build(ScramMechanism::Sha256, Kept { is_down: true, ..Kept::new() }, &[]);
    for user in ["alice", "nobody"] {
        let first = begin(&*built).step(format!("n,,n={user},r=x").into()).await;
        assert!(matches!(first, Err(AuthnError::Unavailable(Outage("the store")))));
    }
}

/// Were the keys of a made-up credential known to someone, they would still be nobody's.
#[tokio::test]
async fn a_made_up_credential_lets_nobody_in() {
    for (is_known, gets_in) in [(true, true), (false, false)] {
        let mechanism = ScramMechanism::Sha256;
        let (client_first, client) = client::start(mechanism, "alice", &Nonce::random().unwrap()).unwrap();
        let opening = server::start(mechanism, client_first.as_bytes()).unwrap();
        let credential = ScramCredential::from_password(mechanism, b"pencil", SALT, 4096).unwrap();
        let (server_first, waits) = opening.challenge(credential, &Nonce::random().unwrap());
        let client = client.read(server_first.as_bytes()).unwrap();
        let keys = ClientKeys::derive(mechanism, b"pencil", SALT, NonZeroU32::new(4096).unwrap());
        let guesser = Arc::new(Guesses::default()).by(Ipv4Addr::LOCALHOST.into(), "alice");
        let client_final = client.answer(&keys).0.into();
        let end = Box::new(AwaitClientFinal { waits, is_known, guesser }).step(client_final).await;
        assert_eq!(matches!(end, Ok(Step::Success { .. })), gets_in);
        assert_eq!(matches!(end, Err(AuthnError::Rejected(_))), !gets_in);
    }
}

fn enabled(mechanism: ScramMechanism) -> SaslListenerConfig {
    SaslListenerConfig { mechanisms: vec![config(mechanism, &[])], max_receive_size: 1000 }
}

#[tokio::test]
async fn the_check_at_start_gets_as_far_as_a_wrong_proof() {
    for mechanism in ScramMechanism::ALL {
        let kept = Arc::new(Kept::new());
        let shared = Shared { scram: Some(kept.clone()), ..Shared::default() };
        Registry::with_builtin().build(&enabled(mechanism), &listener(), &shared).await.expect("mechanisms");
        assert!(!kept.asked.lock().unwrap().is_empty());

        let built = build(mechanism, Kept::new(), &[]);
        let mut wrong_proofs = 0;
        for probe in built.must_reject() {
            let Ok(Step::Challenge { token, next }) = begin(&*built).step(probe.clone()).await else { continue };
            let end = next.step(built.must_reject_then(&probe, &token)).await;
            assert!(matches!(end, Err(AuthnError::Rejected(_))), "it has not come to the proof");
            wrong_proofs += 1;
        }
        assert_eq!(wrong_proofs, 1);
    }
}

#[tokio::test]
async fn without_a_store_the_start_fails_and_says_what_is_missing() {
    for mechanism in ScramMechanism::ALL {
        let error = Registry::with_builtin().build(&enabled(mechanism), &listener(), &Shared::default()).await.err();
        let expected = format!(
            "listener CLIENTS: SASL mechanism {mechanism}: its users are in the store, and there is none; set store.dir"
        );
        assert_eq!(error.map(|error| error.to_string()), Some(expected));
    }
    let shared = Shared { scram: Some(Arc::new(Kept { is_down: true, ..Kept::new() })), ..Shared::default() };
    let error = Registry::with_builtin().build(&enabled(ScramMechanism::Sha256), &listener(), &shared).await.err();
    assert!(error.is_some_and(|error| error.to_string().contains("could not judge")));
    let shared = Shared { scram: Some(Arc::new(Kept::new())), ..Shared::default() };
    for count in ["4095", "16385", "many", "-1"] {
        let config = config(ScramMechanism::Sha256, &[("sasl.scram.unknown.user.iterations", count)]);
        let input = FactoryInput { config: &config, listener: &listener(), shared: &shared };
        let error = factory(ScramMechanism::Sha256, &input).err().map(|MechanismError(text)| text);
        assert_eq!(error.as_deref(), Some("sasl.scram.unknown.user.iterations: expected 4096 to 16384"));
    }
}

/// The store as the server has it.
struct Stored(Store);

impl ScramCredentials for Stored {
    fn find(
        &self,
        user: &str,
        mechanism: ScramMechanism,
    ) -> BoxFuture<'static, Result<Option<ScramCredential>, Outage>> {
        let (store, user) = (self.0.clone(), user.to_owned());
        Box::pin(async move { Ok(store.scram(&user, mechanism).await.unwrap()) })
    }

    fn unknown_user_key(&self) -> Secret {
        self.0.unknown_user_key().clone()
    }
}

/// What a step takes for users that exist and for others, in nanoseconds, and Welch's t of the two; the slowest hundredth left out.
fn compare(what: &str, mut samples: [Vec<f64>; 2]) {
    let [(a, va), (b, vb)] = samples.each_mut().map(|all| {
        all.sort_by(f64::total_cmp);
        all.truncate(all.len() * 99 / 100);
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (all.len() - 1) as f64;
        (mean, variance / all.len() as f64)
    });
    println!("{what}: known {a:.0} ns, unknown {b:.0} ns, t = {:.2}", (a - b) / (va + vb).sqrt());
}

/// Both steps of an exchange that fails, by turns for the one and the other name of each pair.
async fn measure(what: &str, store: &Store, pairs: &[[String; 2]]) {
    let mechanism = ScramMechanism::Sha256;
    let config = config(mechanism, &[]);
    let shared = Shared { scram: Some(Arc::new(Stored(store.clone()))), ..Shared::default() };
    let input = FactoryInput { config: &config, listener: &listener(), shared: &shared };
    let built = factory(mechanism, &input).expect("mechanism");
    let proof = STANDARD.encode([7; 32]);
    let mut samples = [[const { Vec::new() }; 2], [const { Vec::new() }; 2]];
    for n in 0..200_000 {
        // Not always the same one first: what the first one loads, the second finds.
        let which = (n + n / (2 * pairs.len())) % 2;
        let first = Bytes::from(format!("n,,n={},r=fyko", pairs[n / 2 % pairs.len()][which]));
        let exchange = begin(&*built);
        let at = std::time::Instant::now();
        let Ok(Step::Challenge { token, next }) = exchange.step(first).await else { panic!("no challenge") };
        samples[0][which].push(at.elapsed().as_nanos() as f64);
        let text = String::from_utf8(token.to_vec()).unwrap();
        let last = Bytes::from(format!("c=biws,{},p={proof}", text.split(',').next().unwrap()));
        let at = std::time::Instant::now();
        assert!(next.step(last).await.is_err());
        samples[1][which].push(at.elapsed().as_nanos() as f64);
    }
    let [first, second] = samples;
    compare(&format!("{what}, round 1"), first);
    compare(&format!("{what}, round 2"), second);
}

/// SEC-22 without a network. Run it alone, on a machine that has nothing else to do:
/// `cargo test --release --lib -- --ignored --nocapture how_long`.
#[tokio::test]
#[ignore = "measures; a time is no verdict"]
async fn how_long_known_and_unknown_users_take() {
    let mechanism = ScramMechanism::Sha256;
    let directory = std::env::temp_dir().join(format!("doorkeeper-scram-{}", std::process::id()));
    let credential = ScramCredential::from_password(mechanism, b"secret", SALT, 4096).unwrap();
    let pair = |n: usize| [format!("user{n:06}a"), format!("user{n:06}b")];
    let keep = |store: &Store, users: std::ops::Range<usize>| {
        let credential = credential.clone();
        let set = move |n| Change::SetScram { user: pair(n)[0].clone(), mechanism, credential: credential.clone() };
        let changes: Vec<_> = users.map(set).collect();
        let store = store.clone();
        async move { store.edit(move |_| Ok((changes, ()))).await.unwrap() }
    };
    let few: Vec<_> = (0..100).map(|n| pair(n * 97)).collect();
    let one = [pair(485)];
    let store = Store::open(&directory).unwrap();
    for n in 0..10 {
        keep(&store, n * 1000..(n + 1) * 1000).await;
    }
    measure("just written", &store, &few).await;
    measure("just written, one name", &store, &one).await;
    store.close().await;
    drop(store);
    let store = Store::open(&directory).unwrap();
    measure("opened again", &store, &few).await;
    measure("opened again, one name", &store, &one).await;
    keep(&store, 485..486).await;
    measure("one of them changed", &store, &one).await;
    store.close().await;
    std::fs::remove_dir_all(&directory).unwrap();
}

/// SEC-59 at the proof: a guesser who is held back hears what a wrong proof hears, whatever the proof, and the challenge before it
/// is as ever.
#[tokio::test]
async fn guesses_are_limited_and_the_rightful_user_gets_in() {
    let mechanism = ScramMechanism::Sha256;
    let guesses = Arc::new(Guesses::new(0, 5));
    let shared = Shared { scram: Some(Arc::new(Kept::new())), guesses: guesses.clone(), ..Shared::default() };
    let config = config(mechanism, &[]);
    let built = factory(mechanism, &FactoryInput { config: &config, listener: &listener(), shared: &shared }).unwrap();
    let mut wrong = Vec::new();
    for n in 0..20 {
        wrong.push(log_in(&*built, mechanism, "alice", &format!("guess {n}"), "").await);
    }
    wrong.push(log_in(&*built, mechanism, "alice", "alice-secret", "").await);
    assert_eq!(guesses.held_back(crate::sasl::GuessLimit::Account), 16);
    assert!(wrong.iter().all(|login| login.end.is_err() && *login == wrong[0]), "{wrong:?}");
    let elsewhere = guesses.by([198, 51, 100, 1].into(), "alice");
    elsewhere.admit(Instant::now()).expect("admitted").succeeded(Instant::now());
    // The other mechanism is no way around it.
    let other = ScramMechanism::Sha512;
    let built = factory(other, &FactoryInput { config: &config, listener: &listener(), shared: &shared }).unwrap();
    assert!(log_in(&*built, other, "alice", "alice-secret", "").await.end.is_err());
    assert!(log_in(&*built, other, "carol", "carol-secret", "").await.end.is_ok());
    // A message that is no proof is no guess.
    for _ in 0..10 {
        let first = begin(&*built).step("n,,n=carol,r=x".into()).await;
        let Ok(Step::Challenge { next, .. }) = first else { panic!("no challenge") };
        assert!(matches!(next.step("c=biws".into()).await, Err(AuthnError::Malformed(_))));
    }
    assert!(log_in(&*built, other, "carol", "carol-secret", "").await.end.is_ok());
}
