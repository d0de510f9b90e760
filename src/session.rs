//! Who this connection is, and its only two constructors.

use crate::config::SecurityProtocol;
use crate::principal::KafkaPrincipal;
use crate::sasl::{MechanismName, Proof};

/// An identified client. A relay cannot be built without one.
#[derive(Clone, Debug)]
pub struct Session {
    principal: KafkaPrincipal,
    mechanism: Option<MechanismName>,
}

impl Session {
    /// The session of a client that has proved who it is in a SASL exchange.
    pub fn authenticated(proof: Proof) -> Self {
        let (principal, mechanism) = proof.into_parts();
        Self { principal, mechanism: Some(mechanism) }
    }

    /// The session of a client on a listener that asks for no SASL; `None` if `protocol` has SASL.
    pub fn without_sasl(protocol: SecurityProtocol) -> Option<Self> {
        (!protocol.has_sasl()).then(|| Self { principal: KafkaPrincipal::anonymous(), mechanism: None })
    }

    /// The client's principal.
    pub fn principal(&self) -> &KafkaPrincipal {
        &self.principal
    }

    /// The SASL mechanism that proved it, if the listener has SASL.
    pub fn mechanism(&self) -> Option<&MechanismName> {
        self.mechanism.as_ref()
    }
}
