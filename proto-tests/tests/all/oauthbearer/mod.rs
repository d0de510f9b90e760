//! OAUTHBEARER: who logs in with a token. Each trial runs at a real broker, which is the judge, and at a doorkeeper before that broker
//! which is set alike.

mod clients;
mod harness;

use std::net::SocketAddr;

use libtest_mimic::Trial;
use proto_tests::Result;
use proto_tests::bearer::{self, Listener};

use crate::free;

pub fn trials() -> Vec<Trial> {
    [harness::trials(), clients::trials()].into_iter().flatten().collect()
}

/// One of the two that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Kafka,
}

impl Target {
    pub const ALL: [Target; 1] = [Target::Kafka];

    pub fn name(self) -> &'static str {
        match self {
            Target::Kafka => "kafka",
        }
    }

    pub fn at(self, listener: Listener) -> Result<SocketAddr> {
        match self {
            Target::Kafka => Ok(bearer::shared()?.at(listener)),
        }
    }
}

/// The same trial at each of them.
pub fn each(name: &str, body: impl Fn(Target) -> Result<()> + Send + Clone + 'static) -> Vec<Trial> {
    let at = |target: Target| {
        let body = body.clone();
        free(&format!("oauthbearer::{name}::{}", target.name()), move || body(target))
    };
    Target::ALL.map(at).into()
}
