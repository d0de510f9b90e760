//! TLS with files as openssl and keytool make them.

mod fixture;
mod handshakes;
mod hellos;
mod stores;
