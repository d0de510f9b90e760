//! Who this connection is, and its only constructors.

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

    /// The session of a client whose verified certificate gave this principal; `None` unless `protocol` is SSL. With SASL the
    /// certificate never says who a client is.
    pub fn certified(protocol: SecurityProtocol, principal: KafkaPrincipal) -> Option<Self> {
        (protocol == SecurityProtocol::Ssl).then_some(Self { principal, mechanism: None })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_names_nobody_where_sasl_does() {
        use SecurityProtocol::{Plaintext, SaslPlaintext, SaslSsl, Ssl};
        let alice = KafkaPrincipal::user("CN=alice");
        assert_eq!(
            Session::certified(Ssl, alice.clone()).map(|session| session.principal().clone()),
            Some(alice.clone())
        );
        for protocol in [Plaintext, SaslPlaintext, SaslSsl] {
            assert!(Session::certified(protocol, alice.clone()).is_none(), "{protocol}");
        }
        assert_eq!(
            Session::without_sasl(Ssl).map(|session| session.principal().clone()),
            Some(KafkaPrincipal::anonymous())
        );
        assert!(Session::without_sasl(SaslSsl).is_none());
    }
}
