//! Frames in, frames out, with memory for what has arrived and nothing else.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use zeroize::Zeroize;

use super::failure::{GateFailureReason, Refusal};
use crate::foreign::ForeignProtocol;
use crate::wire::LENGTH_PREFIX;

/// Most bytes that one read takes. They land on the stack of the thread that polls, so that a connection that waits for its
/// client holds no buffer.
const READ_CHUNK: usize = 4096;

/// An emptied buffer above this capacity in bytes is given back.
const KEEP_CAPACITY: usize = 512;

pub(super) struct Channel<'a, S> {
    io: &'a mut S,
    /// Grows with what arrives, never by a promised length; at most one frame and one read.
    inbound: BytesMut,
    /// Answers that are written when the next frame has to be waited for, several in one write.
    outbound: BytesMut,
    max_frame: u32,
    consumed_any: bool,
    bytes_in: u64,
    bytes_out: u64,
}

impl<'a, S> Channel<'a, S> {
    pub(super) fn new(io: &'a mut S, max_frame: u32) -> Self {
        let (inbound, outbound) = (BytesMut::new(), BytesMut::new());
        Self { io, inbound, outbound, max_frame, consumed_any: false, bytes_in: 0, bytes_out: 0 }
    }

    /// For a client of which `unread` has been read already, in the middle of its connection.
    pub(super) fn behind(unread: BytesMut, io: &'a mut S, max_frame: u32) -> Self {
        Self { inbound: unread, consumed_any: true, ..Self::new(io, max_frame) }
    }

    /// The first `len` bytes behind the length prefix, and where answers go.
    pub(super) fn parts(&mut self, len: usize) -> (&[u8], &mut BytesMut) {
        (&self.inbound[LENGTH_PREFIX..LENGTH_PREFIX + len], &mut self.outbound)
    }

    /// Drops a frame of `len` bytes.
    pub(super) fn consume(&mut self, len: usize) {
        self.inbound.advance(LENGTH_PREFIX + len);
        self.consumed_any = true;
    }

    /// Drops a frame of `len` bytes that may hold a password, and wipes it.
    pub(super) fn consume_token(&mut self, len: usize) {
        self.inbound[..LENGTH_PREFIX + len].zeroize();
        self.consume(len);
    }

    /// Appends an answer.
    pub(super) fn answer(&mut self, frame: &[u8]) {
        self.outbound.extend_from_slice(frame);
    }

    /// Where answers go.
    pub(super) fn outbound(&mut self) -> &mut BytesMut {
        &mut self.outbound
    }

    /// Drops whatever was read and not judged.
    pub(super) fn forget_inbound(&mut self) {
        self.inbound = BytesMut::new();
    }

    /// What was read behind the last frame.
    pub(super) fn into_unread(self) -> BytesMut {
        if self.inbound.is_empty() { BytesMut::new() } else { self.inbound }
    }

    /// Bytes read and written so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.bytes_in, self.bytes_out)
    }

    /// The length of the buffered frame, if there is a whole one.
    fn buffered_frame(&self) -> Result<Option<usize>, Refusal> {
        let Some(prefix) = self.inbound.first_chunk::<LENGTH_PREFIX>() else { return Ok(None) };
        let len = u32::from_be_bytes(*prefix);
        // A negative length is above every limit.
        if len > self.max_frame.min(i32::MAX as u32) {
            let foreign = ForeignProtocol::by_first_bytes(prefix).filter(|_| !self.consumed_any);
            let reason = foreign.map_or(GateFailureReason::InvalidReceiveSize, GateFailureReason::OtherProtocol);
            return Err(Refusal::delayed(reason));
        }
        Ok((self.inbound.len() - LENGTH_PREFIX >= len as usize).then_some(len as usize))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Channel<'_, S> {
    /// Waits for a whole frame and gives its length without the prefix. Pending answers are written before waiting.
    pub(super) async fn frame(&mut self) -> Result<usize, Refusal> {
        loop {
            if let Some(len) = self.buffered_frame()? {
                return Ok(len);
            }
            self.flush().await.map_err(|_| Refusal::at_once(GateFailureReason::Io))?;
            match self.fill().await {
                Ok(0) => return Err(Refusal::at_once(GateFailureReason::PeerClosed)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(Refusal::at_once(GateFailureReason::PeerClosed));
                }
                Err(_) => return Err(Refusal::at_once(GateFailureReason::Io)),
            }
        }
    }

    /// Waits until the client leaves, and gives what to make of that. What it sends meanwhile is kept, up to one read.
    pub(super) async fn gone(&mut self) -> Refusal {
        while self.inbound.len() < READ_CHUNK {
            match self.fill().await {
                Ok(0) => return Refusal::at_once(GateFailureReason::PeerClosed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Refusal::at_once(GateFailureReason::PeerClosed);
                }
                Err(_) => return Refusal::at_once(GateFailureReason::Io),
            }
        }
        std::future::pending().await
    }

    async fn fill(&mut self) -> io::Result<usize> {
        if self.inbound.is_empty() && self.inbound.capacity() > KEEP_CAPACITY {
            self.inbound = BytesMut::new();
        }
        let read = poll_fn(|cx| {
            let mut stack = [MaybeUninit::<u8>::uninit(); READ_CHUNK];
            let mut chunk = ReadBuf::uninit(&mut stack);
            ready!(Pin::new(&mut *self.io).poll_read(cx, &mut chunk))?;
            self.inbound.extend_from_slice(chunk.filled());
            Poll::Ready(io::Result::Ok(chunk.filled().len()))
        })
        .await?;
        self.bytes_in += read as u64;
        Ok(read)
    }

    /// Writes the pending answers.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.outbound.is_empty() {
            return Ok(());
        }
        self.io.write_all(&self.outbound).await?;
        self.io.flush().await?;
        self.bytes_out += self.outbound.len() as u64;
        self.outbound.clear();
        if self.outbound.capacity() > KEEP_CAPACITY {
            self.outbound = BytesMut::new();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn memory_follows_what_has_arrived_and_not_what_was_promised() {
        // H-005: half a mebibyte promised, 4 bytes sent.
        let (mut client, mut server) = tokio::io::duplex(1 << 20);
        let mut channel = Channel::new(&mut server, 524_288);
        assert_eq!((channel.inbound.capacity(), channel.outbound.capacity()), (0, 0));
        client.write_all(&[0, 8, 0, 0, 1, 2, 3, 4]).await.expect("write");
        assert_eq!(channel.fill().await.ok(), Some(8));
        assert_eq!(channel.buffered_frame().ok(), Some(None));
        assert!(channel.inbound.capacity() <= 64, "{}", channel.inbound.capacity());
        // Twice what was sent at most, while it arrives.
        client.write_all(&[0; 524_284]).await.expect("write");
        let mut sent = 8;
        while channel.buffered_frame().ok() == Some(None) {
            sent += channel.fill().await.expect("read");
            assert!(channel.inbound.capacity() <= 2 * sent.max(64), "{}", channel.inbound.capacity());
        }
        assert_eq!(sent, 4 + 524_288);
        // And nothing of it is kept while the next frame is waited for.
        channel.consume(524_288);
        client.write_all(&[0]).await.expect("write");
        assert_eq!(channel.fill().await.ok(), Some(1));
        assert!(channel.inbound.capacity() <= KEEP_CAPACITY, "{}", channel.inbound.capacity());
    }

    #[tokio::test]
    async fn a_sent_answer_leaves_no_great_buffer() {
        let (_client, mut server) = tokio::io::duplex(1 << 20);
        let mut channel = Channel::new(&mut server, 1);
        channel.answer(&[0; 5000]);
        assert!(channel.flush().await.is_ok());
        assert_eq!((channel.counts(), channel.outbound.capacity()), ((0, 5000), 0));
    }
}
