//! Record protection of an established connection: RFC 8446 §5 for TLS 1.3; RFC 5246 §6.2.3.3 with RFC 5288 §3 (AES-GCM) and
//! RFC 7905 §2 (ChaCha20-Poly1305) for TLS 1.2.
//!
//! rustls makes the connection and derives every key; it is only here, where each byte passes, that the records are ours: they are
//! opened from the buffer that was read into the buffer that is forwarded, and sealed from that into the one that is written.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::{AlertDescription, ConnectionTrafficSecrets, ProtocolVersion};

/// Type, version and length.
pub const HEADER_LEN: usize = 5;
/// Most plaintext bytes of a record.
pub const MAX_PLAINTEXT: usize = 1 << 14;
/// Most bytes that a record is longer than its plaintext, as we write it: header, explicit nonce or inner type, tag.
pub const MAX_OVERHEAD: usize = HEADER_LEN + EXPLICIT_NONCE_LEN + TAG_LEN;
const TAG_LEN: usize = 16;
const EXPLICIT_NONCE_LEN: usize = 8;
const NONCE_LEN: usize = 12;

pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
pub const APPLICATION_DATA: u8 = 23;

/// Records under one AES-GCM key after which TLS 1.3 takes a new one (RFC 8446 §5.5 allows 2^24.5 full ones).
const GCM_RECORDS: u64 = 1 << 23;
/// TLS 1.2 has no new keys without a renegotiation, which is refused; its implementations set no limit. This one ends the
/// connection before the sequence number gets anywhere near its end.
const TLS12_RECORDS: u64 = 1 << 36;

/// Why a record was refused: the alert that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRecord(pub AlertDescription);

/// How nonce, additional data and content type are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Tls13,
    Tls12Gcm,
    Tls12ChaCha,
}

/// One direction of a connection: its key, and the number of the next record.
struct Protection {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    sequence: u64,
    layout: Layout,
    limit: u64,
}

impl Protection {
    /// `None` for a version or key that no suite of ours has.
    fn new(version: ProtocolVersion, sequence: u64, secrets: &ConnectionTrafficSecrets) -> Option<Self> {
        let is_tls13 = match version {
            ProtocolVersion::TLSv1_3 => true,
            ProtocolVersion::TLSv1_2 => false,
            _ => return None,
        };
        let gcm = if is_tls13 { Layout::Tls13 } else { Layout::Tls12Gcm };
        let chacha = if is_tls13 { Layout::Tls13 } else { Layout::Tls12ChaCha };
        let (algorithm, key, iv, layout, limit) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv, gcm, GCM_RECORDS),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv, gcm, GCM_RECORDS),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                (&CHACHA20_POLY1305, key, iv, chacha, TLS12_RECORDS)
            }
            _ => return None,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).ok()?);
        let limit = if is_tls13 { limit } else { TLS12_RECORDS };
        Some(Self { key, iv: iv.as_ref().try_into().ok()?, sequence, layout, limit })
    }

    /// The initialisation vector with the record's number in its last eight bytes.
    fn numbered_iv(&self) -> [u8; NONCE_LEN] {
        let mut nonce = self.iv;
        for (byte, number) in nonce[NONCE_LEN - 8..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= number;
        }
        nonce
    }

    /// TLS 1.2's additional data: number, type, version, plaintext length.
    fn tls12_aad(&self, content_type: u8, plain_len: usize) -> [u8; 13] {
        let mut aad = [0; 13];
        aad[..8].copy_from_slice(&self.sequence.to_be_bytes());
        aad[8..11].copy_from_slice(&[content_type, 3, 3]);
        aad[11..].copy_from_slice(&(plain_len as u16).to_be_bytes());
        aad
    }
}

/// Opens the records of one direction.
pub struct Opener(Protection);

/// A record that was opened: its content type, and the plaintext's length at the start of where it was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    pub content_type: u8,
    pub len: usize,
}

impl Opener {
    pub fn new(version: ProtocolVersion, sequence: u64, secrets: &ConnectionTrafficSecrets) -> Option<Self> {
        Protection::new(version, sequence, secrets).map(Self)
    }

    /// The length of the whole record whose first bytes these are, `None` if its header has not arrived.
    pub fn record_len(&self, bytes: &[u8]) -> Result<Option<usize>, BadRecord> {
        let Some([content_type, major, _, len @ ..]) = bytes.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        if !(20..=23).contains(content_type) || *major != 3 {
            return Err(BadRecord(AlertDescription::UnexpectedMessage));
        }
        let len = usize::from(u16::from_be_bytes(*len));
        let most = MAX_PLAINTEXT + if self.0.layout == Layout::Tls13 { 256 } else { 2048 };
        if len > most {
            return Err(BadRecord(AlertDescription::RecordOverflow));
        }
        Ok(Some(HEADER_LEN + len))
    }

    /// Bytes of room that [`Opener::open`] needs for a whole record of this length.
    pub fn room_for(&self, record_len: usize) -> usize {
        record_len.saturating_sub(HEADER_LEN + TAG_LEN)
    }

    /// Opens a whole record into `room`, whose bytes behind the plaintext are then of no meaning.
    pub fn open(&mut self, record: &[u8], room: &mut [u8]) -> Result<Opened, BadRecord> {
        const BAD_MAC: BadRecord = BadRecord(AlertDescription::BadRecordMac);
        let this = &self.0;
        let (header, body) = record.split_first_chunk::<HEADER_LEN>().ok_or(BAD_MAC)?;
        if this.layout == Layout::Tls13 && header[0] != APPLICATION_DATA {
            return Err(BadRecord(AlertDescription::UnexpectedMessage));
        }
        let (body, tag) = body.split_last_chunk::<TAG_LEN>().ok_or(BAD_MAC)?;
        let (explicit, cipher) = match this.layout {
            Layout::Tls12Gcm => body.split_at_checked(EXPLICIT_NONCE_LEN).ok_or(BAD_MAC)?,
            _ => body.split_at(0),
        };
        let mut nonce = this.numbered_iv();
        if this.layout == Layout::Tls12Gcm {
            // The salt is ours, the rest is what the sender chose.
            nonce[..4].copy_from_slice(&this.iv[..4]);
            nonce[4..].copy_from_slice(explicit);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let room = room.get_mut(..cipher.len()).ok_or(BadRecord(AlertDescription::InternalError))?;
        let opened = if this.layout == Layout::Tls13 {
            this.key.open_separate_gather(nonce, Aad::from(header), cipher, tag, room)
        } else {
            if header[1..3] != [3, 3] {
                return Err(BadRecord(AlertDescription::ProtocolVersion));
            }
            let aad = Aad::from(this.tls12_aad(header[0], cipher.len()));
            this.key.open_separate_gather(nonce, aad, cipher, tag, room)
        };
        opened.map_err(|_| BAD_MAC)?;
        self.0.sequence += 1;
        let opened = match self.0.layout {
            // The content type is the last byte that is not zero; behind it is padding.
            Layout::Tls13 => {
                let at = room.iter().rposition(|byte| *byte != 0);
                let at = at.ok_or(BadRecord(AlertDescription::UnexpectedMessage))?;
                Opened { content_type: room[at], len: at }
            }
            _ => Opened { content_type: header[0], len: room.len() },
        };
        if opened.len > MAX_PLAINTEXT {
            return Err(BadRecord(AlertDescription::RecordOverflow));
        }
        Ok(opened)
    }
}

/// Seals the records of one direction.
pub struct Sealer(Protection);

impl Sealer {
    pub fn new(version: ProtocolVersion, sequence: u64, secrets: &ConnectionTrafficSecrets) -> Option<Self> {
        Protection::new(version, sequence, secrets).map(Self)
    }

    /// Whether the key has protected as many records as it should.
    pub fn is_worn(&self) -> bool {
        self.0.sequence >= self.0.limit
    }

    /// Where the plaintext stands in a record.
    pub fn plaintext_at(&self) -> usize {
        HEADER_LEN + if self.0.layout == Layout::Tls12Gcm { EXPLICIT_NONCE_LEN } else { 0 }
    }

    /// Seals `plain`, at most [`MAX_PLAINTEXT`] bytes, into the start of `out`, and gives the record's length.
    pub fn seal(&mut self, content_type: u8, plain: &[u8], out: &mut [u8]) -> Option<usize> {
        self.seal_from(content_type, Some(plain), plain.len(), out)
    }

    /// Seals the `len` bytes that stand in `out` from [`Sealer::plaintext_at`] on.
    pub fn seal_in_place(&mut self, content_type: u8, len: usize, out: &mut [u8]) -> Option<usize> {
        self.seal_from(content_type, None, len, out)
    }

    fn seal_from(&mut self, content_type: u8, plain: Option<&[u8]>, len: usize, out: &mut [u8]) -> Option<usize> {
        let this = &mut self.0;
        let is_tls13 = this.layout == Layout::Tls13;
        let inner_type: &[u8] = if is_tls13 { &[content_type] } else { &[] };
        let explicit_len = if this.layout == Layout::Tls12Gcm { EXPLICIT_NONCE_LEN } else { 0 };
        let body_len = explicit_len + len + inner_type.len() + TAG_LEN;
        if len > MAX_PLAINTEXT || this.sequence == u64::MAX {
            return None;
        }
        let outer_type = if is_tls13 { APPLICATION_DATA } else { content_type };
        let [high, low] = (body_len as u16).to_be_bytes();
        let header = [outer_type, 3, 3, high, low];
        let numbered = this.numbered_iv();
        let nonce = Nonce::assume_unique_for_key(numbered);

        let record = out.get_mut(..HEADER_LEN + body_len)?;
        let (head, body) = record.split_at_mut(HEADER_LEN);
        head.copy_from_slice(&header);
        let (explicit, body) = body.split_at_mut(explicit_len);
        explicit.copy_from_slice(&numbered[NONCE_LEN - explicit_len..]);
        let (cipher, end) = body.split_at_mut(len);
        let tls12_aad = this.tls12_aad(content_type, len);
        let aad = Aad::from(if is_tls13 { &header[..] } else { &tls12_aad[..] });
        let sealed = match plain {
            Some(plain) => this.key.seal_out_of_place_scatter(nonce, aad, plain, cipher, inner_type, end),
            None => this.key.seal_in_place_scatter(nonce, aad, cipher, inner_type, end),
        };
        sealed.ok()?;
        this.sequence += 1;
        Some(HEADER_LEN + body_len)
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
