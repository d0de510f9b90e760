//! One side of a connection pair: reads, writes and splices that wait by waking the connection's task.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::stock::Pipe;
use crate::tls::TlsStream;

/// A connected socket, in plain text or with TLS.
pub enum Transport {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP. Boxed: the keys are many times a socket's size.
    Tls(Box<TlsStream>),
}

impl Transport {
    /// Whether the kernel can move bytes from or to this side without showing them to us.
    pub fn can_splice(&self) -> bool {
        matches!(self, Self::Plain(_)) && cfg!(target_os = "linux")
    }

    /// The socket.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.tcp(),
        }
    }

    /// The other end's address.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp().peer_addr()
    }

    /// From here on it is a known client's: speed goes before thrift.
    pub fn is_known(&mut self) {
        if let Self::Tls(stream) = self {
            stream.be_frugal(false);
        }
    }

    /// Reads into `room`; 0 bytes mean the end of the stream.
    pub fn poll_read_into(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => {
                let mut buf = ReadBuf::new(room);
                ready!(Pin::new(stream).poll_read(cx, &mut buf))?;
                Poll::Ready(Ok(buf.filled().len()))
            }
            Self::Tls(stream) => stream.poll_read_into(cx, room),
        }
    }

    /// Writes some of `slices`. With TLS they may be taken before all of their records have gone, see [`Transport::poll_send`].
    pub fn poll_write_from(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match (self, slices) {
            (Self::Plain(stream), [one]) => Pin::new(stream).poll_write(cx, one),
            (Self::Plain(stream), many) => Pin::new(stream).poll_write_vectored(cx, many),
            (Self::Tls(stream), slices) => stream.poll_write_from(cx, slices),
        }
    }

    /// Writes what was taken and has not gone.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => stream.poll_send(cx),
        }
    }

    /// Whether something was taken that has not gone.
    pub fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.has_unsent(),
        }
    }

    /// Writes some of `bytes`, the head of a message that goes on behind them: a short packet may wait for the rest.
    pub fn poll_write_head(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => return stream.poll_write_from(cx, &[IoSlice::new(bytes)]),
        };
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
        let Self::Plain(stream) = self else { return Poll::Ready(Err(io::ErrorKind::Unsupported.into())) };
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
        let Self::Plain(stream) = self else { return Poll::Ready(Err(io::ErrorKind::Unsupported.into())) };
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

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_from(cx, &[IoSlice::new(bytes)])
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
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
