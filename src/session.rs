//! Who this connection is and until when, and its only constructors.

use std::sync::Arc;

use tokio::time::Instant;

use crate::config::SecurityProtocol;
use crate::principal::KafkaPrincipal;
use crate::sasl::{Attributes, MechanismName, Proof};

/// An identified client. A relay cannot be built without one.
#[derive(Clone, Debug)]
pub struct Session {
    principal: KafkaPrincipal,
    mechanism: Option<MechanismName>,
    ends: Option<Instant>,
    attributes: Option<Arc<Attributes>>,
}

impl Session {
    /// The session of a client that has proved who it is in a SASL exchange, for the first time or anew.
    pub fn authenticated(proof: Proof) -> Self {
        let (ends, attributes) = (proof.ends(), proof.attributes().cloned());
        let (principal, mechanism) = proof.into_parts();
        Self { principal, mechanism: Some(mechanism), ends, attributes }
    }

    /// The session of a client on a listener that asks for no SASL; `None` if `protocol` has SASL.
    pub fn without_sasl(protocol: SecurityProtocol) -> Option<Self> {
        (!protocol.has_sasl()).then(|| Self::without_end(KafkaPrincipal::anonymous()))
    }

    /// The session of a client whose verified certificate gave this principal; `None` unless `protocol` is SSL. With SASL the
    /// certificate never says who a client is.
    pub fn certified(protocol: SecurityProtocol, principal: KafkaPrincipal) -> Option<Self> {
        (protocol == SecurityProtocol::Ssl).then(|| Self::without_end(principal))
    }

    fn without_end(principal: KafkaPrincipal) -> Self {
        Self { principal, mechanism: None, ends: None, attributes: None }
    }

    /// The client's principal.
    pub fn principal(&self) -> &KafkaPrincipal {
        &self.principal
    }

    /// The SASL mechanism that proved it, if the listener has SASL.
    pub fn mechanism(&self) -> Option<&MechanismName> {
        self.mechanism.as_ref()
    }

    /// When it is over, if it ends by itself: the client must authenticate anew before (KIP-368). Of the monotonic clock: setting the
    /// wall clock neither ends a session nor revives one.
    pub fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// What else the client's credential says of it, if it says anything.
    pub fn attributes(&self) -> Option<&Arc<Attributes>> {
        self.attributes.as_ref()
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
