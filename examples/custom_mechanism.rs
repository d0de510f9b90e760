//! A SASL mechanism of one's own: clients log in with a one-time code that works once.
//!
//! `cargo run --example custom_mechanism` registers it, has it pass the check at start, and drives two logins by hand;
//! with a `server.properties` that enables X-ONE-TIME-CODE as its argument it serves clients.

use std::future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use doorkeeper::config::{self, JaasContext, ListenerName, MechanismConfig, SaslListenerConfig};
use doorkeeper::principal::KafkaPrincipal;
use doorkeeper::sasl::{
    AuthnError, BoxFuture, FactoryInput, Mechanism, MechanismError, MechanismName, Peer, Registry, Rejection,
    ServerExchange, Shared, Step, Verified,
};
use doorkeeper::secret::Secret;
use doorkeeper::server;

struct OneTimeCode {
    name: MechanismName,
    code: Arc<Mutex<Option<Secret>>>,
}

impl Mechanism for OneTimeCode {
    fn name(&self) -> &MechanismName {
        &self.name
    }

    fn max_token_len(&self) -> usize {
        64
    }

    fn start(&self, _peer: &Peer) -> Box<dyn ServerExchange> {
        Box::new(AwaitCode(Arc::clone(&self.code)))
    }
}

/// The exchange's only state: it waits for the code.
struct AwaitCode(Arc<Mutex<Option<Secret>>>);

impl ServerExchange for AwaitCode {
    fn step(self: Box<Self>, token: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>> {
        let mut code = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = match code.take_if(|code| code.matches(&token)) {
            Some(_) => {
                Ok(Step::Success { token: Bytes::new(), verified: Verified::new(KafkaPrincipal::user("guest")) })
            }
            None => Err(AuthnError::Rejected(Rejection::text("Authentication failed: no such code"))),
        };
        Box::pin(future::ready(verdict))
    }
}

/// Builds the mechanism from the property `one.time.code` of a listener.
fn one_time_code(input: &FactoryInput<'_>) -> Result<Arc<dyn Mechanism>, MechanismError> {
    let config = input.config;
    let code = config.properties.get("one.time.code").filter(|code| code.len() >= 8);
    let code = code.ok_or_else(|| MechanismError("one.time.code must have at least 8 characters".to_owned()))?;
    let name = MechanismName::new(&config.name).ok_or_else(|| MechanismError("an illegal name".to_owned()))?;
    Ok(Arc::new(OneTimeCode { name, code: Arc::new(Mutex::new(Some(Secret::new(code.as_str())))) }))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut registry = Registry::with_builtin();
    registry.register("X-ONE-TIME-CODE", one_time_code)?;
    match std::env::args().nth(1) {
        Some(file) => {
            let source = move || config::load(file.as_ref(), &[], &|name| std::env::var(name).ok());
            server::run(source()?, Arc::new(source), &registry)?;
        }
        None => tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(drive(&registry))?,
    }
    Ok(())
}

/// What the gate does with the mechanism, by hand.
async fn drive(registry: &Registry) -> Result<(), Box<dyn std::error::Error>> {
    let listener = ListenerName::new("GUESTS");
    let enabled = MechanismConfig {
        name: "X-ONE-TIME-CODE".to_owned(),
        jaas: JaasContext::default(),
        properties: [("one.time.code".to_owned(), "4711-0815".to_owned())].into(),
        oauthbearer: None,
    };
    let config = SaslListenerConfig { mechanisms: vec![enabled], max_receive_size: 524_288 };
    let mechanisms = registry.build(&config, &listener, &Shared::default()).await?;
    println!("enabled on {listener}: {mechanisms:?}");

    let peer = Peer { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)), listener };
    let mechanism = mechanisms.get(b"X-ONE-TIME-CODE").ok_or("it was enabled above")?;
    for attempt in ["first", "second"] {
        match mechanism.start(&peer).step(Bytes::from_static(b"4711-0815")).await {
            Ok(Step::Success { verified, .. }) => println!("{attempt} login: {}", verified.principal),
            Ok(Step::Challenge { .. }) => println!("{attempt} login: another round"),
            Err(error) => println!("{attempt} login: {error:?}"),
        }
    }
    Ok(())
}
