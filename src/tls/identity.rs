//! Private keys with their certificates: what a key store gives, and which of them a client is shown.

use std::sync::Arc;

use p12_keystore::{Pkcs12Archive, PrivateKeyBag};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{CipherSuite, SignatureAlgorithm};

use super::error::TlsError;
use super::material::{Material, Place, password, shown, text};
use super::{certificate, pem, pkcs12, private_key};
use crate::config::{KeystoreConfig, StoreType};
use crate::secret::Secret;

/// The keys of a store, at most one of each kind, elliptic curves first: they cost the least.
#[derive(Debug)]
pub(super) struct Identity(Vec<Arc<CertifiedKey>>);

impl Identity {
    /// Reads the key store.
    pub fn load(config: &KeystoreConfig, material: &mut Material) -> Result<Self, TlsError> {
        match config {
            KeystoreConfig::Inline { key, certificate_chain, key_password } => {
                let what = "Invalid PEM keystore configs";
                let places = (Place::new(key, what), Place::new(certificate_chain, what));
                let (key, chain) = (text(key.value.expose()), text(certificate_chain.value.expose()));
                Self::from_pem(&key, &chain, key_password.as_ref(), &places, material)
            }
            KeystoreConfig::File { store_type: StoreType::Pem, location, key_password, .. } => {
                let place = Place::new(location, format!("Failed to load PEM SSL keystore {}", shown(location)));
                let content = text(&material.read_file(location, &place)?);
                Self::from_pem(&content, &content, key_password.as_ref(), &(place.clone(), place), material)
            }
            KeystoreConfig::File { store_type, location, password: store_password, key_password } => {
                let path = shown(location);
                let what = format!("Failed to load SSL keystore {path} of type {store_type}");
                let place = Place::new(location, what);
                let bytes = material.read_file(location, &place)?;
                let differs = |key: &Secret| store_password.as_ref().is_some_and(|store| !store.matches(key.expose()));
                if key_password.as_ref().is_some_and(differs) {
                    let problem = "ssl.key.password is not the store's password, but the keys of a PKCS12 store have none of their own";
                    return Err(material.error(&place, problem));
                }
                let store_password = store_password.as_ref().map(password);
                let archive = pkcs12::open(&bytes, store_password.as_ref().map(|p| p.as_str()), &path);
                let archive = archive.map_err(|problem| material.error(&place, problem))?;
                Self::from_store(&archive, &place, material)
            }
        }
    }

    fn from_pem(
        key: &str,
        chain: &str,
        key_password: Option<&Secret>,
        (key_place, chain_place): &(Place<'_>, Place<'_>),
        material: &mut Material,
    ) -> Result<Self, TlsError> {
        let key_password = key_password.map(password);
        let key = private_key::from_pem(key, key_password.as_ref().map(|p| p.as_str()));
        let key = key.map_err(|problem| material.error(key_place, problem))?;
        let chain = pem::certificates(chain).map_err(|problem| material.error(chain_place, problem))?;
        if !chain.first().is_some_and(|leaf| is_for(leaf, &key)) {
            let problem = "the first certificate does not belong to the private key";
            return Err(material.error(chain_place, problem));
        }
        for der in &chain {
            material.note_own(der, chain_place);
        }
        Ok(Self(vec![Arc::new(CertifiedKey::new(chain, key))]))
    }

    fn from_store(archive: &Pkcs12Archive, place: &Place<'_>, material: &mut Material) -> Result<Self, TlsError> {
        let (mut keys, mut unusable) = (Vec::new(), Vec::new());
        for bag in &archive.keys {
            let alias = bag.friendly_name.clone().unwrap_or_default();
            match certified(archive, bag) {
                Ok(key) => keys.push((alias, key)),
                Err(problem) => unusable.push(format!("entry '{}': {problem}", alias.escape_debug())),
            }
        }
        if keys.is_empty() {
            let none = || "there is no private key in the store".to_owned();
            return Err(material.error(place, unusable.first().cloned().unwrap_or_else(none)));
        }
        for problem in unusable {
            material.warn(place, format!("not used: {problem}"));
        }
        // Java takes the first that fits in the order of a hash table; the order of the aliases can be relied on.
        keys.sort_by_key(|(alias, key): &(String, Arc<CertifiedKey>)| (rank(&key.key), alias.to_lowercase()));
        let mut chosen: Vec<Arc<CertifiedKey>> = Vec::new();
        for (alias, key) in keys {
            if chosen.iter().any(|other| rank(&other.key) == rank(&key.key)) {
                let alias = alias.escape_debug();
                material.warn(place, format!("entry '{alias}' is not used: another of its kind comes before it"));
                continue;
            }
            for der in &key.cert {
                material.note_own(der, place);
            }
            chosen.push(key);
        }
        Ok(Self(chosen))
    }

    /// The one that is shown to a server that asks.
    pub fn first(&self) -> Option<Arc<CertifiedKey>> {
        self.0.first().cloned()
    }

    /// The certificates of the keys, without their chains.
    pub fn leaves(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.0.iter().filter_map(|key| key.cert.first())
    }

    /// Whether one of the keys can sign in a handshake with one of these suites.
    pub fn can_use(&self, suites: impl Iterator<Item = CipherSuite> + Clone) -> bool {
        self.0.iter().any(|key| suits(&key.key, suites.clone()))
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>| {
            key.key.choose_scheme(hello.signature_schemes()).is_some()
                && suits(&key.key, hello.cipher_suites().iter().copied())
        };
        // With one key there is nothing to choose: the handshake itself says what does not fit.
        if let [only] = &self.0[..] { Some(only.clone()) } else { self.0.iter().find(fits).cloned() }
    }
}

/// A key of a store with its certificates.
fn certified(archive: &Pkcs12Archive, bag: &PrivateKeyBag) -> Result<Arc<CertifiedKey>, String> {
    let key = private_key::signing_key(&PrivatePkcs8KeyDer::from(bag.key.as_der()).into())?;
    let public_key = key.public_key().map(|key| key.to_vec()).unwrap_or_default();
    let chain = pkcs12::chain(archive, bag, &public_key);
    if chain.is_empty() {
        return Err("no certificate in the store belongs to the private key".into());
    }
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// Whether the certificate is for the key.
fn is_for(leaf: &CertificateDer<'_>, key: &Arc<dyn SigningKey>) -> bool {
    key.public_key().is_some_and(|public| certificate::has_public_key(leaf, &public))
}

fn rank(key: &Arc<dyn SigningKey>) -> u8 {
    match key.algorithm() {
        SignatureAlgorithm::ECDSA => 0,
        SignatureAlgorithm::ED25519 => 1,
        _ => 2,
    }
}

/// In TLS 1.2 the suite says which kind of key signs; in TLS 1.3 any does (RFC 8446 section 4.4.2.2).
fn suits(key: &Arc<dyn SigningKey>, mut suites: impl Iterator<Item = CipherSuite>) -> bool {
    let other = if rank(key) == 2 { "TLS_ECDHE_ECDSA_" } else { "TLS_ECDHE_RSA_" };
    suites.any(|suite| {
        let name = suite.as_str().unwrap_or_default();
        (name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_")) && !name.starts_with(other)
    })
}
