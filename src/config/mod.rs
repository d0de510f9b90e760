//! Configuration: the `.properties` and JAAS grammars, every key once, and the typed result.

pub mod jaas;
mod jaas_tokens;
pub mod properties;
mod types;

pub use types::{
    BackendConfig, BackendSecurity, ConnectionLimits, HostPort, JaasContext, JaasModule, ListenerConfig, ListenerName,
    MechanismConfig, NodeIdRanges, PlainCredentials, SaslListenerConfig, SecurityProtocol, ServerConfig, SocketOptions,
};
