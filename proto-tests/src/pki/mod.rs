//! Certificates for a run: an authority, a second one that nobody trusts, and whatever each trial wants of them.
//!
//!     let pki = pki::get()?;                                       // made once for a run
//!     let server = pki.ca.server("front-1", &["127.0.0.1", "localhost"])?;
//!     let client = pki.ca.client("CN=alice,O=Example")?;
//!     let file = stores::pem(&server, "front-1")?;                 // key and chain; stores:: has PKCS#12 and JKS too
//!
//! They are made in this process, in well under a millisecond each (RSA: some hundred), and are right for a day.

pub mod der;
pub mod name;
pub mod stores;

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};

use crate::{Context, Result};
use der::{bits, boolean, integer, octets, oid, pem, seq, time, tlv};
use name::Name;

const DAY: i64 = 86_400;
const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";

/// The authorities of a run.
pub struct Pki {
    /// The one that brokers, doorkeepers and clients trust.
    pub ca: Authority,
    /// One that nobody trusts, with another name.
    pub other: Authority,
}

/// The authorities of this run, made by the first caller.
pub fn get() -> Result<&'static Pki> {
    static PKI: OnceLock<Result<Pki>> = OnceLock::new();
    PKI.get_or_init(|| Ok(Pki { ca: Authority::root("CN=proto-tests CA")?, other: Authority::root("CN=another CA")? }))
        .as_ref()
        .map_err(Clone::clone)
}

/// A key pair.
pub enum Key {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    pub fn ec() -> Result<Key> {
        Ok(Key::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).context("make a P-256 key")?))
    }

    pub fn rsa() -> Result<Key> {
        Ok(Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).context("make an RSA key")?))
    }

    /// PKCS#8, in DER.
    pub fn pkcs8(&self) -> Result<Vec<u8>> {
        match self {
            Key::Ec(key) => Ok(key.to_pkcs8v1().context("write a key")?.as_ref().to_vec()),
            Key::Rsa(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().context("write a key")?;
                Ok(der.as_ref().to_vec())
            }
        }
    }

    fn public(&self) -> Result<Vec<u8>> {
        let der: PublicKeyX509Der<'_> = match self {
            Key::Ec(key) => key.public_key().as_der(),
            Key::Rsa(key) => key.public_key().as_der(),
        }
        .context("write a public key")?;
        Ok(der.as_ref().to_vec())
    }

    fn algorithm(&self) -> Vec<u8> {
        match self {
            Key::Ec(_) => seq(&[&oid("1.2.840.10045.4.3.2")]),
            Key::Rsa(_) => seq(&[&oid("1.2.840.113549.1.1.11"), &[5, 0]]),
        }
    }

    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Key::Ec(key) => Ok(key.sign(&random, bytes).context("sign")?.as_ref().to_vec()),
            Key::Rsa(key) => {
                let mut out = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut out).context("sign")?;
                Ok(out)
            }
        }
    }
}

/// Bytes around a signature: what is signed, how, and the signature.
fn signed(by: &Key, content: &[u8]) -> Result<Vec<u8>> {
    Ok(seq(&[content, &by.algorithm(), &bits(&by.sign(content)?)]))
}

/// A name that a certificate is for, beside its subject.
#[derive(Clone)]
pub enum San {
    Dns(String),
    Ip(IpAddr),
    Email(String),
    Uri(String),
}

impl San {
    fn der(&self) -> Vec<u8> {
        match self {
            San::Email(text) => tlv(0x81, text.as_bytes()),
            San::Dns(text) => tlv(0x82, text.as_bytes()),
            San::Uri(text) => tlv(0x86, text.as_bytes()),
            San::Ip(IpAddr::V4(ip)) => tlv(0x87, &ip.octets()),
            San::Ip(IpAddr::V6(ip)) => tlv(0x87, &ip.octets()),
        }
    }
}

/// What a certificate is to say. Starts as a client's, right from an hour ago for a day.
#[derive(Clone)]
pub struct Wish {
    pub subject: Name,
    pub sans: Vec<San>,
    /// Seconds from now.
    pub valid: (i64, i64),
    pub usages: Vec<&'static str>,
    /// None: no authority. Some: one, with that limit of the path below it.
    pub authority: Option<Option<u8>>,
    /// Identifier, critical, content.
    pub extensions: Vec<(&'static str, bool, Vec<u8>)>,
    /// X.509 v1: no extensions at all.
    pub version1: bool,
}

impl Wish {
    pub fn client(subject: Name) -> Wish {
        Wish {
            subject,
            sans: Vec::new(),
            valid: (-3600, DAY),
            usages: vec![CLIENT_AUTH],
            authority: None,
            extensions: Vec::new(),
            version1: false,
        }
    }

    /// A server's; each host is an IP address or a DNS name.
    pub fn server(subject: Name, hosts: &[&str]) -> Wish {
        let san = |host: &&str| host.parse().map_or_else(|_| San::Dns((*host).to_owned()), San::Ip);
        Wish { sans: hosts.iter().map(san).collect(), usages: vec![SERVER_AUTH], ..Wish::client(subject) }
    }

    pub fn authority(subject: Name) -> Wish {
        Wish { usages: Vec::new(), authority: Some(None), ..Wish::client(subject) }
    }

    pub fn valid(mut self, from: i64, to: i64) -> Wish {
        self.valid = (from, to);
        self
    }

    pub fn expired(self) -> Wish {
        self.valid(-2 * DAY, -DAY)
    }

    pub fn not_yet_valid(self) -> Wish {
        self.valid(DAY, 2 * DAY)
    }

    /// Good for something else than TLS.
    pub fn wrong_usage(mut self) -> Wish {
        self.usages = vec![CODE_SIGNING];
        self
    }

    /// A client's certificate for what servers do.
    pub fn server_usage(mut self) -> Wish {
        self.usages = vec![SERVER_AUTH];
        self
    }

    /// An authority's certificate in a client's hand.
    pub fn as_authority(mut self) -> Wish {
        self.authority = Some(None);
        self
    }

    pub fn version1(mut self) -> Wish {
        self.version1 = true;
        self
    }

    pub fn sans(mut self, sans: Vec<San>) -> Wish {
        self.sans = sans;
        self
    }

    pub fn extension(mut self, id: &'static str, critical: bool, content: Vec<u8>) -> Wish {
        self.extensions.push((id, critical, content));
        self
    }

    fn extension_list(&self, public: &[u8], issuer: &[u8]) -> Vec<u8> {
        let mut list = Vec::new();
        let mut add = |id: &str, critical: bool, content: &[u8]| {
            let flag = if critical { boolean(true) } else { Vec::new() };
            list.extend(seq(&[&oid(id), &flag, &octets(content)]));
        };
        add("2.5.29.14", false, &octets(&key_id(public)));
        add("2.5.29.35", false, &seq(&[&tlv(0x80, &key_id(issuer))]));
        match self.authority {
            Some(limit) => {
                let limit = limit.map(|n| integer(n.into())).unwrap_or_default();
                add("2.5.29.19", true, &seq(&[&boolean(true), &limit]));
                // digitalSignature, keyCertSign, cRLSign
                add("2.5.29.15", true, &tlv(3, &[1, 0b1000_0110]));
            }
            // digitalSignature, keyEncipherment
            None => add("2.5.29.15", true, &tlv(3, &[5, 0b1010_0000])),
        }
        if !self.usages.is_empty() {
            add("2.5.29.37", false, &seq(&[&self.usages.iter().flat_map(|u| oid(u)).collect::<Vec<u8>>()]));
        }
        if !self.sans.is_empty() {
            // Critical where there is no other name (RFC 5280, 4.2.1.6); Java insists on it.
            add(
                "2.5.29.17",
                self.subject.0.is_empty(),
                &seq(&[&self.sans.iter().flat_map(San::der).collect::<Vec<u8>>()]),
            );
        }
        for (id, critical, content) in &self.extensions {
            add(id, *critical, content);
        }
        list
    }
}

fn key_id(public: &[u8]) -> Vec<u8> {
    digest(&SHA256, public).as_ref()[..20].to_vec()
}

/// Someone with a key and a certificate; `chain` begins with its own, and leaves out the root.
pub struct Leaf {
    pub key: Key,
    pub chain: Vec<Vec<u8>>,
    pub serial: u64,
}

impl Leaf {
    pub fn certificate(&self) -> &[u8] {
        &self.chain[0]
    }

    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|c| pem("CERTIFICATE", c)).collect()
    }

    pub fn key_pem(&self) -> Result<String> {
        Ok(pem("PRIVATE KEY", &self.key.pkcs8()?))
    }
}

/// Someone who signs certificates.
pub struct Authority {
    name: Name,
    key: Key,
    certificate: Vec<u8>,
    /// What a leaf's chain goes on with: nothing for a root.
    above: Vec<Vec<u8>>,
}

impl Authority {
    pub fn root(subject: &str) -> Result<Authority> {
        let (name, key) = (Name::parse(subject), Key::ec()?);
        let (certificate, _) = certify(&Wish::authority(name.clone()), &key, &name, &key)?;
        Ok(Authority { name, key, certificate, above: Vec::new() })
    }

    /// One below this one.
    pub fn below(&self, wish: &Wish) -> Result<Authority> {
        let key = Key::ec()?;
        let (certificate, _) = certify(wish, &key, &self.name, &self.key)?;
        let above = std::iter::once(certificate.clone()).chain(self.above.iter().cloned()).collect();
        Ok(Authority { name: wish.subject.clone(), key, certificate, above })
    }

    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// A certificate for that wish, with a key of its own.
    pub fn leaf(&self, wish: &Wish, key: Key) -> Result<Leaf> {
        let (certificate, serial) = certify(wish, &key, &self.name, &self.key)?;
        let chain = std::iter::once(certificate).chain(self.above.iter().cloned()).collect();
        Ok(Leaf { key, chain, serial })
    }

    /// A server's certificate with a P-256 key; each host is an IP address or a DNS name.
    pub fn server(&self, name: &str, hosts: &[&str]) -> Result<Leaf> {
        self.leaf(&Wish::server(Name::parse(&format!("CN={name}")), hosts), Key::ec()?)
    }

    /// A client's certificate with a P-256 key. `subject` as in [`Name::parse`].
    pub fn client(&self, subject: &str) -> Result<Leaf> {
        self.leaf(&Wish::client(Name::parse(subject)), Key::ec()?)
    }

    /// A list that revokes those serial numbers, in PEM.
    pub fn revoke(&self, serials: &[u64]) -> Result<String> {
        let rows: Vec<u8> = serials.iter().flat_map(|s| seq(&[&integer(*s), &time(-60)])).collect();
        let rows = if rows.is_empty() { rows } else { seq(&[&rows]) };
        let number = seq(&[&oid("2.5.29.20"), &octets(&integer(next_serial()))]);
        let holder = seq(&[&oid("2.5.29.35"), &octets(&seq(&[&tlv(0x80, &key_id(&self.key.public()?))]))]);
        let content = seq(&[
            &integer(1),
            &self.key.algorithm(),
            &self.name.der(),
            &time(-120),
            &time(DAY),
            &rows,
            &tlv(0xa0, &seq(&[&holder, &number])),
        ]);
        Ok(pem("X509 CRL", &signed(&self.key, &content)?))
    }
}

/// Signed by its own key.
pub fn self_signed(wish: &Wish) -> Result<Leaf> {
    let key = Key::ec()?;
    let (certificate, serial) = certify(wish, &key, &wish.subject, &key)?;
    Ok(Leaf { key, chain: vec![certificate], serial })
}

fn next_serial() -> u64 {
    static SERIAL: AtomicU64 = AtomicU64::new(1000);
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

/// A certificate of `key` by the holder of `issuer_key`, and its serial number.
fn certify(wish: &Wish, key: &Key, issuer: &Name, issuer_key: &Key) -> Result<(Vec<u8>, u64)> {
    let serial = next_serial();
    let public = key.public()?;
    let version = if wish.version1 { Vec::new() } else { tlv(0xa0, &integer(2)) };
    let extensions = if wish.version1 {
        Vec::new()
    } else {
        tlv(0xa3, &seq(&[&wish.extension_list(&public, &issuer_key.public()?)]))
    };
    let content = seq(&[
        &version,
        &integer(serial),
        &issuer_key.algorithm(),
        &issuer.der(),
        &seq(&[&time(wish.valid.0), &time(wish.valid.1)]),
        &wish.subject.der(),
        &public,
        &extensions,
    ]);
    Ok((signed(issuer_key, &content)?, serial))
}
