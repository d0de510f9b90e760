use std::collections::HashMap;
use std::future;

use super::*;
use crate::config::{JaasContext, JaasModule, ListenerName, MechanismConfig};
use crate::principal::KafkaPrincipal;
use crate::sasl::mechanism::{BoxFuture, Outage, Rejection, ServerExchange, Verified};
use crate::secret::Secret;

/// What the mechanism under test says to each token.
#[derive(Clone, Copy)]
enum Habit {
    Accepts,
    AcceptsBearerTokens,
    Rejects,
    ChallengesOnceThenAccepts,
    ChallengesForever,
    NeverAnswers,
    Unavailable,
}

struct Habitual(MechanismName, Habit);

impl Mechanism for Habitual {
    fn name(&self) -> &MechanismName {
        &self.0
    }

    fn max_token_len(&self) -> usize {
        100
    }

    fn start(&self, _peer: &Peer) -> Box<dyn ServerExchange> {
        Box::new(State(self.1))
    }
}

struct State(Habit);

impl ServerExchange for State {
    fn step(self: Box<Self>, token: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>> {
        let rejected = Err(AuthnError::Rejected(Rejection::text("no")));
        let success = Step::Success { token: Bytes::new(), verified: Verified::new(KafkaPrincipal::user("anyone")) };
        let challenge = |next| Ok(Step::Challenge { token: Bytes::new(), next: Box::new(State(next)) });
        Box::pin(future::ready(match self.0 {
            Habit::Accepts => Ok(success),
            Habit::AcceptsBearerTokens if token.starts_with(b"n,,\x01auth=Bearer ") => Ok(success),
            Habit::AcceptsBearerTokens | Habit::Rejects => rejected,
            Habit::ChallengesOnceThenAccepts => challenge(Habit::Accepts),
            Habit::ChallengesForever => challenge(Habit::ChallengesForever),
            Habit::Unavailable => Err(AuthnError::Unavailable(Outage("key set"))),
            Habit::NeverAnswers => return Box::pin(future::pending()),
        }))
    }
}

fn listener() -> ListenerName {
    ListenerName::new("CLIENTS")
}

fn enabled(names: &[&str]) -> SaslListenerConfig {
    let mechanism = |name: &&str| {
        let options = HashMap::from([("user_alice".to_owned(), Secret::new("alice-secret"))]);
        let module = JaasModule { class: plain::LOGIN_MODULE.to_owned(), options };
        let jaas = JaasContext { modules: vec![module] };
        MechanismConfig { name: (*name).to_owned(), jaas, properties: HashMap::new(), oauthbearer: None }
    };
    SaslListenerConfig { mechanisms: names.iter().map(mechanism).collect(), max_receive_size: 1000 }
}

async fn with_habit(habit: Habit) -> Result<Mechanisms, RegistryError> {
    let mut registry = Registry::new();
    let factory = move |input: &FactoryInput<'_>| {
        let name = MechanismName::new(&input.config.name).expect("name");
        Ok(Arc::new(Habitual(name, habit)) as Arc<dyn Mechanism>)
    };
    registry.register("X-HABIT", factory).expect("registered");
    registry.build(&enabled(&["X-HABIT"]), &listener(), &Shared::default()).await
}

#[tokio::test(start_paused = true)]
async fn a_mechanism_that_cannot_say_no_stops_the_start() {
    for (habit, expected) in [
        (Habit::Accepts, "it accepted it"),
        (Habit::AcceptsBearerTokens, "it accepted it"),
        (Habit::ChallengesOnceThenAccepts, "it accepted it"),
        (Habit::ChallengesForever, "it never came to an end"),
        (Habit::NeverAnswers, "it took too long"),
        (Habit::Unavailable, "it could not judge: what it relies on is unavailable"),
    ] {
        let name = MechanismName::new("X-HABIT").expect("name");
        let error = RegistryError::SelfCheck { listener: listener(), name, finding: expected };
        assert_eq!(with_habit(habit).await.err(), Some(error));
    }
    assert_eq!(with_habit(Habit::Rejects).await.expect("mechanisms").names().collect::<Vec<_>>(), ["X-HABIT"]);
}

#[tokio::test]
async fn enabled_mechanisms_are_found_by_their_exact_name_in_the_configured_order() {
    let mut registry = Registry::with_builtin();
    let habitual = |input: &FactoryInput<'_>| {
        let name = MechanismName::new(&input.config.name).expect("name");
        Ok(Arc::new(Habitual(name, Habit::Rejects)) as Arc<dyn Mechanism>)
    };
    registry.register("X-HABIT", habitual).expect("registered");
    let mechanisms =
        registry.build(&enabled(&["X-HABIT", "PLAIN"]), &listener(), &Shared::default()).await.expect("mechanisms");
    assert_eq!(mechanisms.names().collect::<Vec<_>>(), ["X-HABIT", "PLAIN"]);
    assert!(mechanisms.get(b"PLAIN").is_some());
    for name in ["plain", "PLAIN ", "PLAIN\0", "", "PLAI", "SCRAM-SHA-1"] {
        assert!(mechanisms.get(name.as_bytes()).is_none(), "{name:?}");
    }
}

#[tokio::test]
async fn configuration_errors_name_what_is_wrong() {
    let registry = Registry::with_builtin();
    let text = async |names: &[&str]| {
        registry.build(&enabled(names), &listener(), &Shared::default()).await.err().map(|e| e.to_string())
    };
    assert_eq!(text(&[]).await.as_deref(), Some("listener CLIENTS: no SASL mechanisms are enabled"));
    for unknown in ["GSSAPI", "plain", "", "PLAIN "] {
        let expected = format!(
            "listener CLIENTS: SASL mechanism {unknown:?} is not known; known are: OAUTHBEARER, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"
        );
        assert_eq!(text(&["PLAIN", unknown]).await, Some(expected));
    }
    let expected = "listener CLIENTS: SASL mechanism PLAIN is enabled twice";
    assert_eq!(text(&["PLAIN", "PLAIN"]).await.as_deref(), Some(expected));
    let mut config = enabled(&["PLAIN"]);
    config.mechanisms[0].jaas.modules.clear();
    let error = registry.build(&config, &listener(), &Shared::default()).await.err().map(|e| e.to_string());
    let expected = "listener CLIENTS: SASL mechanism PLAIN: its JAAS configuration has no";
    assert!(error.is_some_and(|error| error.starts_with(expected)));
}

#[tokio::test]
async fn registration_is_once_under_a_legal_name() {
    let never = |_: &FactoryInput<'_>| Err(MechanismError("never".to_owned()));
    let mut registry = Registry::with_builtin();
    assert_eq!(registry.register("PLAIN", never), Err(RegistryError::AlreadyRegistered(plain::name())));
    for illegal in ["", "plain", "A B", "AAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(registry.register(illegal, never), Err(RegistryError::IllegalName(illegal.to_owned())));
    }
    assert_eq!(registry.register("X", never), Ok(()));
    let error = registry.build(&enabled(&["X"]), &listener(), &Shared::default()).await.err().map(|e| e.to_string());
    assert_eq!(error.as_deref(), Some("listener CLIENTS: SASL mechanism X: never"));
    // A factory that builds something else than what it was asked for.
    let mut registry = Registry::new();
    assert_eq!(registry.register("Y", plain::factory), Ok(()));
    let error = registry.build(&enabled(&["Y"]), &listener(), &Shared::default()).await.err().map(|e| e.to_string());
    assert_eq!(error.as_deref(), Some("listener CLIENTS: SASL mechanism Y: its factory built PLAIN"));
}
