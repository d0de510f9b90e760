//! The fixed lists that label values come from.

use super::values::labels;
use crate::listener::AddressLimitReached;
use crate::tls::{HandshakeError, HandshakeFailure, Handshaken};

labels! {
    /// What an open connection is doing.
    ConnectionState {
        /// Its PROXY protocol header is awaited.
        ProxyHeader = "proxy_header",
        /// It is in the TLS handshake.
        TlsHandshake = "tls_handshake",
        /// It is logging in.
        Sasl = "sasl",
        /// It is relayed.
        Relayed = "relayed",
        /// The front has ended it, and its last answer is on its way.
        Closing = "closing",
    }
}

/// Relayed connections are shown by this state while their listener drains; see [`super::ListenerMetrics::drain`].
pub(super) const DRAINING: &str = "draining";

labels! {
    /// Which limit closed a connection.
    Refused {
        /// `max.connections.per.ip` or its overrides.
        PerAddress = "max_connections_per_ip",
        /// `max.unauthenticated.connections.per.ip`.
        UnauthenticatedPerAddress = "max_unauthenticated_connections_per_ip",
        /// `proxy.protocol=required`, and the address is none of `proxy.protocol.trusted.addresses`.
        ProxySource = "proxy_source",
    }
}

impl From<AddressLimitReached> for Refused {
    fn from(limit: AddressLimitReached) -> Self {
        match limit {
            AddressLimitReached::Connections => Self::PerAddress,
            AddressLimitReached::Unauthenticated => Self::UnauthenticatedPerAddress,
        }
    }
}

labels! {
    /// How a TLS handshake ended.
    HandshakeOutcome {
        /// A full handshake succeeded.
        Ok = "ok",
        /// A handshake that resumed a session succeeded.
        Resumed = "resumed",
        /// The client gave no certificate where one is required.
        NoCertificate = "no_certificate",
        /// The client's certificate has expired.
        ExpiredCertificate = "expired_certificate",
        /// The client's certificate is on a revocation list.
        RevokedCertificate = "revoked_certificate",
        /// The client's certificate is not accepted for another reason.
        BadCertificate = "bad_certificate",
        /// No TLS version, cipher suite or group that both sides know and allow.
        Incompatible = "no_common_version_or_cipher",
        /// The host name that the client asked for stands for nothing here.
        UnknownName = "unknown_name",
        /// It took too long.
        Timeout = "timeout",
        /// The client speaks something else than TLS.
        ForeignProtocol = "foreign_protocol",
        /// The client sent an alert: most often it does not trust our certificate.
        RefusedByClient = "refused_by_client",
        /// The client left.
        Closed = "closed",
        /// Something else.
        Other = "other",
    }
}

impl HandshakeOutcome {
    /// Of one that succeeded.
    pub fn succeeded(handshaken: &Handshaken) -> Self {
        if handshaken.resumed { Self::Resumed } else { Self::Ok }
    }

    /// Of one that did not.
    pub fn failed(error: &HandshakeError) -> Self {
        match error.kind() {
            HandshakeFailure::Closed => Self::Closed,
            HandshakeFailure::Timeout => Self::Timeout,
            HandshakeFailure::NotTls => Self::ForeignProtocol,
            HandshakeFailure::Incompatible => Self::Incompatible,
            HandshakeFailure::NoCertificate => Self::NoCertificate,
            HandshakeFailure::ExpiredCertificate => Self::ExpiredCertificate,
            HandshakeFailure::RevokedCertificate => Self::RevokedCertificate,
            HandshakeFailure::BadCertificate => Self::BadCertificate,
            HandshakeFailure::UnknownName => Self::UnknownName,
            HandshakeFailure::Alert => Self::RefusedByClient,
            HandshakeFailure::Other => Self::Other,
        }
    }

    /// Whether the connection goes on.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Ok | Self::Resumed)
    }
}

labels! {
    /// What has been loaded again.
    ReloadSubject {
        /// The configuration file.
        Configuration = "configuration",
        /// Keystores, truststores and revocation lists.
        Certificates = "certificates",
    }
}

labels! {
    /// What became of a reload.
    ReloadOutcome {
        /// What was found is in use.
        Applied = "applied",
        /// It is not good; the old is still in use.
        Refused = "refused",
    }
}

labels! {
    /// Where certificates are from.
    CertificateStore {
        /// A listener's own certificate and its chain.
        Keystore = "keystore",
        /// What a listener trusts in clients' certificates.
        Truststore = "truststore",
        /// The front's certificate towards the backend, and its chain.
        BackendKeystore = "backend_keystore",
        /// What the front trusts in brokers' certificates.
        BackendTruststore = "backend_truststore",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_has_the_outcome_that_its_end_gives_it() {
        let resumed = Handshaken { resumed: true, ..Handshaken::default() };
        assert_eq!(HandshakeOutcome::succeeded(&resumed), HandshakeOutcome::Resumed);
        assert_eq!(HandshakeOutcome::succeeded(&Handshaken::default()), HandshakeOutcome::Ok);
        let rows = [
            (HandshakeError::Closed, HandshakeOutcome::Closed),
            (HandshakeError::Timeout, HandshakeOutcome::Timeout),
            (HandshakeError::UnknownName(Some("x".into())), HandshakeOutcome::UnknownName),
            (HandshakeError::NotTls([0; 8]), HandshakeOutcome::ForeignProtocol),
        ];
        for (error, outcome) in rows {
            assert_eq!(HandshakeOutcome::failed(&error), outcome, "{error}");
            assert!(!outcome.is_success());
        }
    }
}
