//! An established TLS connection over TCP: what the gate and the relay read from and write to.
//!
//! Bytes are opened from the buffer that the socket was read into straight into the reader's room, and sealed from the writer's
//! bytes into one buffer of several records that leaves in one write. Both buffers are lent: an idle connection holds none.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::AlertDescription;
use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use zeroize::Zeroize;

use super::record::{
    ALERT, APPLICATION_DATA, BadRecord, HANDSHAKE, HEADER_LEN, MAX_OVERHEAD, MAX_PLAINTEXT, Opener, Sealer,
};
use crate::stock::Lent;

/// Records without application data, one after another, that a peer may send.
const MAX_QUIET_RECORDS: u32 = 32;
/// Most bytes of a handshake message behind the handshake: a session ticket.
const MAX_LATE_HANDSHAKE: usize = 16 * 1024;
/// Less room than this behind the read bytes, and what is there moves to the front: a record fits always.
const MIN_READ: usize = 20 * 1024;
/// A slice shorter than this shares its record with the next one.
const GATHER: usize = 2048;

const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// What rustls keeps of a connection: it derives new keys, and as a client it stores tickets.
pub(super) enum Keys {
    Server(KernelConnection<ServerConnectionData>),
    Client(KernelConnection<ClientConnectionData>),
}

/// A TLS connection whose handshake is done.
pub struct TlsStream {
    tcp: TcpStream,
    opener: Opener,
    sealer: Sealer,
    keys: Keys,
    inbound: Option<Inbound>,
    /// Bytes that wait for the rest of their record while nothing else is there to be read, see [`TlsStream::be_frugal`].
    partial: Vec<u8>,
    outbound: Option<Outbound>,
    /// A handshake message that goes on in the next record.
    late_handshake: Vec<u8>,
    quiet_records: u32,
    frugal: bool,
    /// The peer has said that it is done, or the socket has.
    read_ended: bool,
    /// The peer asked for new keys of ours too.
    key_update_due: bool,
    close_notify_sent: bool,
}

/// Bytes from the socket: `start..end` are records, `plain` is what was opened in place because the reader had no room for it.
struct Inbound {
    bytes: Lent,
    start: usize,
    end: usize,
    plain: std::ops::Range<usize>,
}

/// Records on their way to the socket: `start..end`.
struct Outbound {
    bytes: Lent,
    start: usize,
    end: usize,
}

impl TlsStream {
    /// `unread` came behind the handshake; `unsent` are its last records.
    pub(super) fn new(
        tcp: TcpStream,
        (opener, sealer, keys): (Opener, Sealer, Keys),
        unread: &[u8],
        unsent: &[u8],
    ) -> Self {
        let inbound = (!unread.is_empty()).then(|| {
            let mut bytes = Lent::at_least(unread.len() + MIN_READ);
            bytes[..unread.len()].copy_from_slice(unread);
            Inbound { bytes, start: 0, end: unread.len(), plain: 0..0 }
        });
        let outbound = (!unsent.is_empty()).then(|| {
            let mut bytes = Lent::at_least(unsent.len());
            bytes[..unsent.len()].copy_from_slice(unsent);
            Outbound { bytes, start: 0, end: unsent.len() }
        });
        Self {
            tcp,
            opener,
            sealer,
            keys,
            inbound,
            partial: Vec::new(),
            outbound,
            late_handshake: Vec::new(),
            quiet_records: 0,
            frugal: true,
            read_ended: false,
            key_update_due: false,
            close_notify_sent: false,
        }
    }

    /// Whether a buffer is held while part of a record has arrived. Off costs a copy where records come in parts, and holds what
    /// has arrived and no more: it is on until a client is known. What was opened in place is wiped meanwhile.
    pub fn be_frugal(&mut self, frugal: bool) {
        self.frugal = frugal;
    }

    /// The socket.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Whether records wait to be written.
    pub fn has_unsent(&self) -> bool {
        self.outbound.is_some()
    }

    /// Reads plaintext into `room`; 0 bytes mean the end of the stream.
    pub fn poll_read_into(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let filled = self.open_records(room)?;
            if filled > 0 || room.is_empty() || self.read_ended {
                return Poll::Ready(Ok(filled));
            }
            // What the peer may be waiting for goes before we wait for the peer.
            if let Poll::Ready(Err(e)) = self.poll_send(cx) {
                return Poll::Ready(Err(e));
            }
            let read = self.poll_fill(cx);
            if read.is_pending() {
                self.put_away();
            }
            if ready!(read)? == 0 {
                self.read_ended = true;
            }
        }
    }

    /// Seals some of `slices` and writes what the socket takes; what it does not take goes with the next call of any kind.
    pub fn poll_write_from(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        if self.close_notify_sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut out = Outbound { bytes: Lent::for_records(), start: 0, end: 0 };
        self.renew_keys(&mut out)?;
        let taken = self.seal_slices(slices, &mut out)?;
        self.outbound = Some(out);
        if let Poll::Ready(Err(e)) = self.poll_send(cx) {
            return Poll::Ready(Err(e));
        }
        Poll::Ready(Ok(taken))
    }

    /// Writes the records that wait.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(out) = &mut self.outbound {
            if out.start == out.end {
                self.outbound = None;
                break;
            }
            match ready!(Pin::new(&mut self.tcp).poll_write(cx, &out.bytes[out.start..out.end]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => out.start += n,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes from the socket; 0 at its end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let inbound = self.inbound.get_or_insert_with(|| {
            let mut bytes = Lent::buffer();
            let end = self.partial.len();
            bytes[..end].copy_from_slice(&self.partial);
            self.partial = Vec::new();
            Inbound { bytes, start: 0, end, plain: 0..0 }
        });
        if inbound.start == inbound.end {
            (inbound.start, inbound.end) = (0, 0);
        } else if inbound.start > 0 && inbound.bytes.len() - inbound.end < MIN_READ {
            inbound.bytes.copy_within(inbound.start..inbound.end, 0);
            (inbound.start, inbound.end) = (0, inbound.end - inbound.start);
        }
        let mut room = ReadBuf::new(&mut inbound.bytes[inbound.end..]);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut room))?;
        let n = room.filled().len();
        inbound.end += n;
        Poll::Ready(Ok(n))
    }

    /// Nothing is there to be read: the buffer goes back, unless part of a record is in it and it may be kept.
    fn put_away(&mut self) {
        let Some(inbound) = &mut self.inbound else { return };
        if inbound.start == inbound.end || self.frugal {
            self.partial = inbound.bytes[inbound.start..inbound.end].to_vec();
            self.inbound = None;
        }
    }

    /// Opens what records have arrived into `room`. 0 with room left means that more must be read.
    fn open_records(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(inbound) = &mut self.inbound {
            if !inbound.plain.is_empty() {
                let n = inbound.plain.len().min(room.len() - filled);
                let from = inbound.plain.start..inbound.plain.start + n;
                room[filled..filled + n].copy_from_slice(&inbound.bytes[from.clone()]);
                if self.frugal {
                    inbound.bytes[from].zeroize();
                }
                inbound.plain.start += n;
                filled += n;
            }
            if filled == room.len() || self.read_ended {
                break;
            }
            let arrived = &inbound.bytes[inbound.start..inbound.end];
            let len = match self.opener.record_len(arrived) {
                Ok(Some(len)) if arrived.len() >= len => len,
                Ok(_) => break,
                Err(bad) => return Err(self.refuse(bad.into())),
            };
            if filled > 0 && room.len() - filled < self.opener.room_for(len) {
                // The reader comes again with more room.
                break;
            }
            let result = self.open_record(len, &mut room[filled..]);
            filled += result.map_err(|bad| self.refuse(bad))?;
        }
        Ok(filled)
    }

    /// Opens the whole record of `len` bytes at the start of what has arrived; gives the bytes of application data in `room`.
    fn open_record(&mut self, len: usize, room: &mut [u8]) -> Result<usize, Fault> {
        const INTERNAL: Fault = Fault::Ours(AlertDescription::InternalError);
        let inbound = self.inbound.as_mut().ok_or(INTERNAL)?;
        let record = inbound.start..inbound.start + len;
        inbound.start = record.end;
        if room.len() >= self.opener.room_for(len) {
            let opened = self.opener.open(&inbound.bytes[record], room)?;
            if opened.content_type == APPLICATION_DATA {
                self.count_record(opened.len)?;
                return Ok(opened.len);
            }
            let message = room[..opened.len].to_vec();
            self.control_record(opened.content_type, &message)?;
            return Ok(0);
        }
        // The reader's room is less than the record: it is opened beside it, and handed out in parts.
        let mut plain = Lent::buffer();
        let opened = self.opener.open(&inbound.bytes[record.clone()], &mut plain)?;
        if opened.content_type == APPLICATION_DATA {
            inbound.bytes[record.start..record.start + opened.len].copy_from_slice(&plain[..opened.len]);
            inbound.plain = record.start..record.start + opened.len;
            self.count_record(opened.len)?;
        } else {
            let message = plain[..opened.len].to_vec();
            self.control_record(opened.content_type, &message)?;
        }
        if self.frugal {
            plain[..opened.len].zeroize();
        }
        Ok(0)
    }

    /// A peer that sends nothing in many records only costs.
    fn count_record(&mut self, data: usize) -> Result<(), Fault> {
        if data > 0 {
            self.quiet_records = 0;
            return if self.late_handshake.is_empty() { Ok(()) } else { Err(UNEXPECTED) };
        }
        self.quiet_records += 1;
        if self.quiet_records > MAX_QUIET_RECORDS { Err(UNEXPECTED) } else { Ok(()) }
    }

    fn control_record(&mut self, content_type: u8, message: &[u8]) -> Result<(), Fault> {
        self.count_record(0)?;
        match (content_type, message) {
            (ALERT, [_, close_notify]) if *close_notify == u8::from(AlertDescription::CloseNotify) => {
                self.read_ended = true;
                Ok(())
            }
            (ALERT, [1, user_canceled]) if *user_canceled == u8::from(AlertDescription::UserCanceled) => Ok(()),
            (ALERT, [_, alert]) => Err(Fault::Theirs(AlertDescription::from(*alert))),
            // Never empty (RFC 8446 §5.1).
            (HANDSHAKE, [_, ..]) => self.late_handshake(message),
            _ => Err(UNEXPECTED),
        }
    }

    /// New keys, and towards a server its tickets. Everything else would be a renegotiation, which no version of ours has.
    fn late_handshake(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.late_handshake.len() + bytes.len() > MAX_LATE_HANDSHAKE {
            return Err(UNEXPECTED);
        }
        self.late_handshake.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.late_handshake);
        let mut rest = &bytes[..];
        while let [kind, a, b, c, body @ ..] = rest {
            let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let Some((body, behind)) = body.split_at_checked(len) else { break };
            rest = behind;
            match (*kind, &mut self.keys) {
                (KEY_UPDATE, _) => {
                    // New keys start with a new record.
                    let [asked @ (0 | 1)] = body else { return Err(Fault::Ours(AlertDescription::DecodeError)) };
                    if !rest.is_empty() {
                        return Err(UNEXPECTED);
                    }
                    self.key_update_due |= *asked == 1;
                    let (version, updated) = match &mut self.keys {
                        Keys::Server(keys) => (keys.protocol_version(), keys.update_rx_secret()),
                        Keys::Client(keys) => (keys.protocol_version(), keys.update_rx_secret()),
                    };
                    let (sequence, secrets) = updated.map_err(|_| UNEXPECTED)?;
                    self.opener = Opener::new(version, sequence, &secrets).ok_or(UNEXPECTED)?;
                }
                (NEW_SESSION_TICKET, Keys::Client(keys)) => {
                    keys.handle_new_session_ticket(body).map_err(|_| UNEXPECTED)?;
                }
                _ => return Err(UNEXPECTED),
            }
        }
        self.late_handshake = rest.to_vec();
        Ok(())
    }

    /// Takes new keys for what we send, where the peer asked for it or ours are worn.
    fn renew_keys(&mut self, out: &mut Outbound) -> io::Result<()> {
        let is_worn = self.sealer.is_worn();
        if !self.key_update_due && !is_worn {
            return Ok(());
        }
        let worn_out =
            || io::Error::other("the keys of this TLS connection have protected as many records as they may");
        let n =
            self.sealer.seal(HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, 0], &mut out.bytes[out.end..]).ok_or_else(worn_out)?;
        let (version, updated) = match &mut self.keys {
            Keys::Server(keys) => (keys.protocol_version(), keys.update_tx_secret()),
            Keys::Client(keys) => (keys.protocol_version(), keys.update_tx_secret()),
        };
        let (sequence, secrets) = updated.map_err(|_| worn_out())?;
        self.sealer = Sealer::new(version, sequence, &secrets).ok_or_else(worn_out)?;
        out.end += n;
        self.key_update_due = false;
        Ok(())
    }

    /// Fills `out` with records of what stands in `slices`; gives the bytes taken.
    fn seal_slices(&mut self, slices: &[IoSlice<'_>], out: &mut Outbound) -> io::Result<usize> {
        let failed = || io::Error::other("a TLS record could not be sealed");
        let mut taken = 0;
        let mut slices = slices.iter().map(|slice| &slice[..]).filter(|slice| !slice.is_empty());
        let mut next = slices.next();
        while let Some(slice) = next {
            let most = (out.bytes.len() - out.end).saturating_sub(MAX_OVERHEAD).min(MAX_PLAINTEXT);
            if most == 0 {
                break;
            }
            let room = &mut out.bytes[out.end..];
            if slice.len() >= GATHER.min(most) {
                let (now, later) = slice.split_at(slice.len().min(most));
                out.end += self.sealer.seal(APPLICATION_DATA, now, room).ok_or_else(failed)?;
                taken += now.len();
                next = if later.is_empty() { slices.next() } else { Some(later) };
                continue;
            }
            let at = self.sealer.plaintext_at();
            let mut len = 0;
            while let Some(slice) = next
                && len < most
            {
                let (now, later) = slice.split_at(slice.len().min(most - len));
                room[at + len..at + len + now.len()].copy_from_slice(now);
                len += now.len();
                next = if later.is_empty() { slices.next() } else { Some(later) };
            }
            out.end += self.sealer.seal_in_place(APPLICATION_DATA, len, room).ok_or_else(failed)?;
            taken += len;
        }
        Ok(taken)
    }

    /// The connection is of no use any more: the alert that says so is put where the close will send it.
    fn refuse(&mut self, fault: Fault) -> io::Error {
        self.read_ended = true;
        self.inbound = None;
        self.partial = Vec::new();
        match fault {
            Fault::Ours(alert) => {
                self.queue_alert(2, alert);
                io::Error::new(io::ErrorKind::InvalidData, format!("TLS: {}", name(alert)))
            }
            // Not answered: the peer has gone.
            Fault::Theirs(alert) => {
                self.close_notify_sent = true;
                io::Error::new(io::ErrorKind::ConnectionAborted, format!("TLS alert {} from the peer", name(alert)))
            }
        }
    }

    /// At most one alert is ever sent, and nothing after it.
    fn queue_alert(&mut self, level: u8, alert: AlertDescription) {
        if std::mem::replace(&mut self.close_notify_sent, true) {
            return;
        }
        let out = self.outbound.get_or_insert_with(|| Outbound { bytes: Lent::buffer(), start: 0, end: 0 });
        if out.bytes.len() - out.end < HEADER_LEN + MAX_OVERHEAD {
            // The socket is full of records that the peer does not read; it does not read an alert either.
            return;
        }
        if let Some(n) = self.sealer.seal(ALERT, &[level, u8::from(alert)], &mut out.bytes[out.end..]) {
            out.end += n;
        }
    }
}

const UNEXPECTED: Fault = Fault::Ours(AlertDescription::UnexpectedMessage);

/// What ends a connection: an alert that we send, or one that we got.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Ours(AlertDescription),
    Theirs(AlertDescription),
}

impl From<BadRecord> for Fault {
    fn from(BadRecord(alert): BadRecord) -> Self {
        Self::Ours(alert)
    }
}

/// The name of an alert as in the RFC but for its case.
fn name(alert: AlertDescription) -> &'static str {
    alert.as_str().unwrap_or("unknown")
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let n = ready!(self.get_mut().poll_read_into(cx, buf.initialize_unfilled()))?;
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_from(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_from(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(cx)
    }

    /// Says close_notify, then ends our side of the socket.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.queue_alert(1, AlertDescription::CloseNotify);
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
