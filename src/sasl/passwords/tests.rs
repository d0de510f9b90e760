//! PLAIN against SCRAM credentials, as a client meets it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};

use bytes::Bytes;

use super::*;
use crate::config::{JaasContext, JaasModule, ListenerName, MechanismConfig};
use crate::sasl::mechanism::{AuthnError, BoxFuture, Mechanism, Occasion, Peer, Step};
use crate::sasl::shared::{FactoryInput, ScramCredentials, Shared};
use crate::sasl::{Guesses, plain};
use crate::scram::UnknownUsers;

const THREADS: usize = 2;
const HOME: [u8; 4] = [198, 51, 100, 1];
const GUESSER: [u8; 4] = [192, 0, 2, 66];
const WRONG: &str = "Authentication failed: Invalid username or password";

/// A store in memory.
#[derive(Default)]
struct Users(Mutex<HashMap<(String, ScramMechanism), ScramCredential>>);

impl Users {
    fn set(&self, user: &str, mechanism: ScramMechanism, password: &str) {
        let credential = ScramCredential::from_password(mechanism, password.as_bytes(), b"some salt", 4096).unwrap();
        self.0.lock().unwrap().insert((user.to_owned(), mechanism), credential);
    }
}

impl ScramCredentials for Users {
    fn find(&self, user: &str, of: ScramMechanism) -> BoxFuture<'static, Result<Option<ScramCredential>, Outage>> {
        let found = self.0.lock().unwrap().get(&(user.to_owned(), of)).cloned();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn unknown_user_key(&self) -> Secret {
        Secret::new([1; 32])
    }
}

/// PLAIN over such a store.
struct Fixture {
    users: Arc<Users>,
    shared: Shared,
    plain: Arc<dyn Mechanism>,
}

fn config(credentials: &str) -> MechanismConfig {
    let options = HashMap::from([("user_local".to_owned(), Secret::new("local-secret"))]);
    let modules = vec![JaasModule { class: plain::LOGIN_MODULE.to_owned(), options }];
    let properties = HashMap::from([("sasl.plain.credentials".to_owned(), credentials.to_owned())]);
    MechanismConfig { name: "PLAIN".to_owned(), jaas: JaasContext { modules }, properties, oauthbearer: None }
}

impl Fixture {
    fn new(credentials: &str, cache_size: usize, limits: (u32, u32)) -> Self {
        let users = Arc::new(Users::default());
        users.set("alice", ScramMechanism::Sha256, "alice-256");
        users.set("alice", ScramMechanism::Sha512, "alice-512");
        users.set("bob", ScramMechanism::Sha512, "bob-512");
        users.set("local", ScramMechanism::Sha256, "of the store");
        let shared = Shared {
            scram: Some(users.clone()),
            guesses: Arc::new(Guesses::new(limits.0, limits.1)),
            passwords: Arc::new(Passwords::new(THREADS, cache_size)),
            ..Shared::default()
        };
        let input = FactoryInput { config: &config(credentials), listener: &ListenerName::new("L"), shared: &shared };
        let plain = plain::factory(&input).expect("mechanism");
        Self { users, plain, shared }
    }

    fn exchange(&self, from: [u8; 4], token: &str) -> BoxFuture<'static, Result<Step, AuthnError>> {
        let peer = Peer { address: SocketAddr::from((from, 1)), listener: ListenerName::new("L") };
        self.plain.start(&peer).step(Bytes::copy_from_slice(token.as_bytes()))
    }

    /// Who logs in, or the text that the client gets.
    async fn login(&self, from: [u8; 4], token: &str) -> Result<String, String> {
        match self.exchange(from, token).await {
            Ok(Step::Success { token, verified }) => {
                assert!(token.is_empty());
                Ok(verified.principal.to_string())
            }
            Err(AuthnError::Malformed(why) | AuthnError::Rejected(why)) => {
                Err(why.message(self.plain.name(), Occasion::Authentication).into_owned())
            }
            Err(AuthnError::Unavailable(Outage(what))) => Err(format!("no answer: {what}")),
            Ok(Step::Challenge { .. }) => panic!("PLAIN has one round"),
        }
    }

    async fn is_right(&self, from: [u8; 4], user: &str, password: &str) -> bool {
        let verdict = self.login(from, &format!("\0{user}\0{password}")).await;
        assert!(verdict == Ok(format!("User:{user}")) || verdict == Err(WRONG.to_owned()), "{verdict:?}");
        verdict.is_ok()
    }

    /// All threads are busy until what this gives is dropped: nothing gets its turn.
    fn occupy(&self) -> (Vec<Sender<()>>, Vec<BoxFuture<'static, bool>>) {
        let hold = |_| {
            let (release, held) = mpsc::channel();
            let busy = self.shared.passwords.pool.run(IpAddr::from([203, 0, 113, 1]), move || held.recv().is_err());
            let busy = busy.expect("room");
            (release, Box::pin(async { busy.await == Some(true) }) as BoxFuture<'static, bool>)
        };
        let held = (0..THREADS).map(hold).unzip();
        while self.shared.passwords.running() < THREADS as u64 {
            std::thread::yield_now();
        }
        held
    }

    fn ended(&self) -> Vec<(&'static str, u64)> {
        let all = PasswordCheck::ALL.into_iter();
        all.map(|check| (check.as_str(), self.shared.passwords.ended(check))).filter(|(_, count)| *count > 0).collect()
    }
}

async fn futures_end(busy: Vec<BoxFuture<'static, bool>>) {
    for busy in busy {
        assert!(busy.await);
    }
}

#[tokio::test]
async fn users_of_the_store_log_in_by_their_password() {
    let plain = Fixture::new("scram-sha-256", 0, (0, 0));
    assert!(plain.is_right(HOME, "alice", "alice-256").await);
    // The other mechanism's credentials are not looked at.
    assert!(!plain.is_right(HOME, "alice", "alice-512").await);
    assert!(!plain.is_right(HOME, "bob", "bob-512").await);
    let other = Fixture::new("scram-sha-512", 0, (0, 0));
    assert!(other.is_right(HOME, "alice", "alice-512").await);
    assert!(other.is_right(HOME, "bob", "bob-512").await);
    assert!(!other.is_right(HOME, "alice", "alice-256").await);
    for (user, password) in
        [("alice", "alice-256 "), ("bob", "alice-256"), ("eve", "alice-256"), ("Alice", "alice-256")]
    {
        assert!(!plain.is_right(HOME, user, password).await, "{user}");
    }
    // The JAAS entry is not asked.
    assert!(!plain.is_right(HOME, "local", "local-secret").await);
    let other = "Authentication failed: Client requested an authorization id that is different from username";
    for (token, expected) in [
        ("alice\0alice\0alice-256", Ok("User:alice".to_owned())),
        ("bob\0alice\0alice-256", Err(other.to_owned())),
        ("bob\0alice\0wrong", Err(WRONG.to_owned())),
        ("\0alice\0", Err("Authentication failed: password not specified".to_owned())),
        ("\0alice", Err("Invalid SASL/PLAIN response: expected 3 tokens, got 2".to_owned())),
    ] {
        assert_eq!(plain.login(HOME, token).await, expected, "{token:?}");
    }
    let long = "p".repeat(plain::MAX_PASSWORD_LEN);
    plain.users.set("carol", ScramMechanism::Sha256, &long);
    assert!(plain.is_right(HOME, "carol", &long).await);
    assert!(!plain.is_right(HOME, "carol", &long[1..]).await);
}

#[tokio::test]
async fn a_changed_or_deleted_credential_counts_at_once() {
    // with the old password remembered as right.
    let plain = Fixture::new("scram-sha-256", 1000, (0, 0));
    for _ in 0..3 {
        assert!(plain.is_right(HOME, "alice", "alice-256").await);
    }
    assert_eq!(plain.ended(), [("done", 1), ("cached", 2)]);
    plain.users.set("alice", ScramMechanism::Sha256, "new");
    assert!(!plain.is_right(HOME, "alice", "alice-256").await);
    assert!(plain.is_right(HOME, "alice", "new").await);
    plain.users.0.lock().unwrap().clear();
    assert!(!plain.is_right(HOME, "alice", "new").await);
    assert_eq!(plain.ended(), [("done", 4), ("cached", 2)]);
}

#[tokio::test]
async fn both_sources_together_and_the_jaas_entry_wins() {
    let plain = Fixture::new("jaas,scram-sha-256", 0, (0, 0));
    assert!(plain.is_right(HOME, "local", "local-secret").await);
    assert_eq!(plain.ended(), []);
    assert!(!plain.is_right(HOME, "local", "of the store").await);
    assert!(plain.is_right(HOME, "alice", "alice-256").await);
    assert!(!plain.is_right(HOME, "nobody", "nobody has this password").await);
    let other = plain.login(HOME, "alice\0local\0local-secret").await;
    assert!(other.is_err_and(|text| text.contains("authorization id")));
}

/// What time would tell, in units that do not depend on the machine: computations, and what each is made of.
#[tokio::test]
async fn who_does_not_exist_costs_what_a_wrong_password_costs() {
    let plain = Fixture::new("jaas,scram-sha-256", 1000, (0, 0));
    let mut before = 0;
    for (user, password) in [("alice", "wrong"), ("nobody", "wrong"), ("local", "wrong"), ("alice", "wrong")] {
        assert!(!plain.is_right(HOME, user, password).await);
        let done = plain.shared.passwords.ended(PasswordCheck::Done);
        assert_eq!(done - before, 1, "{user}");
        before = done;
    }
    let unknown = UnknownUsers::new(plain.users.unknown_user_key(), 4096).unwrap();
    let stored = StoredUsers::new(ScramMechanism::Sha256, plain.users.clone(), unknown, plain.shared.passwords.clone());
    let phantom = stored.find("nobody").await.unwrap();
    let real = stored.find("alice").await.unwrap();
    assert_eq!(phantom.iterations(), real.iterations());
    assert_eq!(stored.find("nobody").await.unwrap().salt(), phantom.salt());
    assert_ne!(stored.find("nobody2").await.unwrap().salt(), phantom.salt());
}

#[tokio::test]
async fn a_guesser_gets_so_many_checks_and_the_rightful_user_gets_in() {
    let plain = Fixture::new("scram-sha-256", 1000, (0, 5));
    assert!(plain.is_right(HOME, "alice", "alice-256").await);
    for n in 0..20 {
        assert!(!plain.is_right(GUESSER, "alice", &format!("guess {n}")).await);
    }
    // Not even the right one, though it is remembered as right.
    assert!(!plain.is_right(GUESSER, "alice", "alice-256").await);
    assert!(plain.is_right(HOME, "alice", "alice-256").await);
    assert!(plain.is_right([198, 51, 100, 2], "alice", "alice-256").await);
    assert_eq!(plain.ended(), [("done", 1 + 5), ("cached", 2), ("held_back", 16)]);
    // A name that does not exist is held back alike.
    for n in 0..20 {
        assert!(!plain.is_right(GUESSER, "nobody", &format!("guess {n}")).await);
    }
    assert_eq!(plain.ended(), [("done", 1 + 5 + 5), ("cached", 2), ("held_back", 16 + 15)]);
}

#[tokio::test]
async fn the_jaas_entry_is_no_way_around_the_limits() {
    for credentials in ["jaas", "jaas,scram-sha-256"] {
        let plain = Fixture::new(credentials, 0, (0, 5));
        for n in 0..20 {
            assert!(!plain.is_right(GUESSER, "local", &format!("guess {n}")).await);
        }
        assert!(!plain.is_right(GUESSER, "local", "local-secret").await);
        assert!(plain.is_right(HOME, "local", "local-secret").await);
        assert_eq!(plain.shared.guesses.held_back(crate::sasl::GuessLimit::Account), 16);
    }
}

/// Who can look at what is remembered without its turn could guess as fast as it connects.
#[tokio::test]
async fn what_is_remembered_is_not_to_be_guessed_at_by_leaving_early() {
    let plain = Fixture::new("scram-sha-256", 1000, (300, 60));
    assert!(plain.is_right(HOME, "alice", "alice-256").await);
    let (release, busy) = plain.occupy();
    // A neighbour behind the same address, who leaves as soon as the answer is not there at once.
    let at_once = async |password: &str| {
        let mut guess = plain.exchange(HOME, &format!("\0alice\0{password}"));
        std::future::poll_fn(|cx| std::task::Poll::Ready(guess.as_mut().poll(cx).is_ready())).await
    };
    assert!(at_once("alice-256").await);
    for n in 0..4 {
        assert!(!at_once(&format!("guess {n}")).await);
    }
    // Its next guess waits its turn, even if it is right.
    assert!(!at_once("alice-256").await);
    drop(release);
    futures_end(busy).await;
    // Now those who left are forgotten, but not that they had guessed.
    while plain.shared.passwords.queued() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(plain.shared.guesses.by(IpAddr::from(HOME), "alice").glance(Instant::now()).is_none());
    assert!(plain.is_right(HOME, "alice", "alice-256").await);
    assert!(plain.shared.guesses.by(IpAddr::from(HOME), "alice").glance(Instant::now()).is_some());
}

#[tokio::test]
async fn a_login_for_which_there_is_no_room_gets_no_answer() {
    let plain = Fixture::new("scram-sha-256", 0, (0, 0));
    let (release, busy) = plain.occupy();
    let mut waiting = Vec::new();
    let refused = loop {
        let mut login = plain.exchange(GUESSER, "\0alice\0guess");
        match std::future::poll_fn(|cx| std::task::Poll::Ready(login.as_mut().poll(cx))).await {
            std::task::Poll::Pending => waiting.push(login),
            std::task::Poll::Ready(verdict) => break verdict,
        }
    };
    assert!(matches!(refused, Err(AuthnError::Unavailable(Outage("too many password checks wait")))));
    assert_eq!(plain.shared.passwords.queued(), MAX_QUEUED_OF_ADDRESS);
    // Another address has room, and those who have left cost nothing.
    let login = plain.is_right(HOME, "alice", "alice-256");
    let others = async {
        drop(waiting);
        drop(release);
        futures_end(busy).await;
    };
    assert!(tokio::join!(login, others).0);
    let abandoned = MAX_QUEUED_OF_ADDRESS as u64;
    assert_eq!(plain.ended(), [("done", 1), ("queue_full", 1), ("abandoned", abandoned)]);
}

#[test]
fn without_a_store_it_does_not_start() {
    let shared = Shared::default();
    let error = |credentials: &str| {
        let input = FactoryInput { config: &config(credentials), listener: &ListenerName::new("L"), shared: &shared };
        plain::factory(&input).err().expect("refused").0
    };
    assert!(error("scram-sha-512").contains("expected store.dir to be set"));
    assert!(error("jaas,scram-sha-256").contains("expected store.dir to be set"));
    assert!(error("scram-sha-256,scram-sha-512").contains("one check is made by one hash"));
    assert_eq!(
        error("ldap"),
        "'ldap' holds no credentials of PLAIN; expected jaas, scram-sha-256 or scram-sha-512, or jaas with one of the two"
    );
}
