//! Administration: each operation once. Kafka's protocol, the command line and later others are skins over it.
