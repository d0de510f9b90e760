//! One side of a connection pair: reads, writes and splices that wait by waking the connection's task.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::lend::Pipe;

/// A connected socket. TLS becomes a second kind, which can't be spliced.
pub enum Transport {
    /// TCP.
    Plain(TcpStream),
}

impl Transport {
    /// Whether the kernel can move bytes from or to this side without showing them to us.
    pub fn can_splice(&self) -> bool {
        match self {
            Self::Plain(_) => cfg!(target_os = "linux"),
        }
    }

    /// Reads into `room`; 0 bytes mean the end of the stream.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self::Plain(stream) = self;
        let mut buf = ReadBuf::new(room);
        ready!(Pin::new(stream).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Writes some of `slices`.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let Self::Plain(stream) = self;
        match slices {
            [one] => Pin::new(stream).poll_write(cx, one),
            many => Pin::new(stream).poll_write_vectored(cx, many),
        }
    }

    /// Writes some of `bytes`, the head of a message that goes on behind them: a short packet may wait for the rest.
    pub fn poll_write_head(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self::Plain(stream) = self;
        loop {
            ready!(stream.poll_write_ready(cx))?;
            match stream.try_io(Interest::WRITABLE, || send_head(stream, bytes)) {
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Moves up to `max` bytes from the socket into an empty pipe; 0 bytes mean the end of the stream.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe, max: usize) -> Poll<io::Result<usize>> {
        debug_assert_eq!(pipe.filled, 0, "only then is it the socket that has nothing when the kernel says so");
        let Self::Plain(stream) = self;
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_io(Interest::READABLE, || splice(&*stream, pipe.write_end(), max, false)) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
                Ok(n) => {
                    pipe.filled += n;
                    return Poll::Ready(Ok(n));
                }
            }
        }
    }

    /// Moves bytes from the pipe to the socket. `more`: the message goes on behind them, so a last short packet may wait.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe, more: bool) -> Poll<io::Result<usize>> {
        let Self::Plain(stream) = self;
        loop {
            ready!(stream.poll_write_ready(cx))?;
            match stream.try_io(Interest::WRITABLE, || splice(pipe.read_end(), &*stream, pipe.filled, more)) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
                Ok(n) => {
                    pipe.filled -= n;
                    return Poll::Ready(Ok(n));
                }
            }
        }
    }
}

fn send_head(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::SendFlags;
    #[cfg(target_os = "linux")]
    let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
    #[cfg(not(target_os = "linux"))]
    let flags = SendFlags::empty();
    Ok(rustix::net::send(stream, bytes, flags)?)
}

#[cfg(target_os = "linux")]
fn splice(from: impl std::os::fd::AsFd, to: impl std::os::fd::AsFd, len: usize, more: bool) -> io::Result<usize> {
    use rustix::pipe::SpliceFlags;
    let more = if more { SpliceFlags::MORE } else { SpliceFlags::empty() };
    loop {
        match rustix::pipe::splice(&from, None, &to, None, len, SpliceFlags::NONBLOCK | SpliceFlags::MOVE | more) {
            Err(rustix::io::Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn splice(_: impl std::os::fd::AsFd, _: impl std::os::fd::AsFd, _: usize, _: bool) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
