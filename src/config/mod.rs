//! Configuration: the `.properties` and JAAS grammars, every key once, and the typed result.

mod types;

pub use types::{
    BackendConfig, BackendSecurity, ConnectionLimits, HostPort, JaasContext, JaasModule, ListenerConfig, ListenerName,
    MechanismConfig, NodeIdRanges, PlainCredentials, SaslListenerConfig, SecurityProtocol, ServerConfig, SocketOptions,
};
