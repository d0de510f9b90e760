//! Buffers and pipes that are lent to a connection while it has bytes on the way, and to nobody while it is idle.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub use crate::stock::BUFFER_LEN;
use crate::stock::Lent;

/// Bytes that a pipe is asked to hold; the kernel may give less.
pub const PIPE_LEN: usize = 1 << 20;
/// Pipes that a worker keeps for the next borrower.
const STOCK: usize = 16;

thread_local! {
    static PIPES: RefCell<Vec<(OwnedFd, OwnedFd)>> = const { RefCell::new(Vec::new()) };
}

/// A lent buffer. `start..end` holds bytes; what lies before `cleared` may be sent on.
pub struct Buffer {
    bytes: Lent,
    pub start: usize,
    pub cleared: usize,
    pub end: usize,
}

impl Buffer {
    /// Borrows an empty buffer.
    pub fn lend() -> Self {
        Self { bytes: Lent::buffer(), start: 0, cleared: 0, end: 0 }
    }

    /// A buffer that holds `bytes`, which may be more than [`BUFFER_LEN`].
    pub fn holding(bytes: &[u8]) -> Self {
        let mut lent = Lent::at_least(bytes.len());
        lent[..bytes.len()].copy_from_slice(bytes);
        Self { bytes: lent, start: 0, cleared: 0, end: bytes.len() }
    }

    /// Bytes that have arrived and are not cleared yet.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.cleared..self.end]
    }

    /// Bytes that may be sent on.
    pub fn to_send(&self) -> &[u8] {
        &self.bytes[self.start..self.cleared]
    }

    /// Whether it holds nothing at all.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Room behind the bytes, at most `limit`; bytes move to the front where there is none.
    pub fn room(&mut self, limit: usize) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.cleared, self.end) = (0, 0, 0);
        } else if self.end == self.bytes.len() && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.cleared, self.end, self.start) = (self.cleared - self.start, self.end - self.start, 0);
        }
        let end = self.bytes.len().min(self.end + limit);
        &mut self.bytes[self.end..end]
    }
}

/// A lent pipe and the number of bytes in it. Only an empty pipe goes back to the stock: bytes of one connection can never
/// come out at another.
pub struct Pipe {
    ends: Option<(OwnedFd, OwnedFd)>,
    pub filled: usize,
}

impl Pipe {
    /// Borrows an empty pipe; an error where the process has no file descriptors left.
    pub fn lend() -> io::Result<Self> {
        if let Some(ends) = PIPES.with_borrow_mut(Vec::pop) {
            return Ok(Self { ends: Some(ends), filled: 0 });
        }
        let (read, write) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK)?;
        // Refused where the user's pipes are many; then the pipe keeps its 64 KiB.
        let _ = rustix::pipe::fcntl_setpipe_size(&write, PIPE_LEN);
        Ok(Self { ends: Some((read, write)), filled: 0 })
    }

    /// Where bytes come out.
    pub fn read_end(&self) -> BorrowedFd<'_> {
        self.ends.as_ref().expect("ends are taken on drop only").0.as_fd()
    }

    /// Where bytes go in.
    pub fn write_end(&self) -> BorrowedFd<'_> {
        self.ends.as_ref().expect("ends are taken on drop only").1.as_fd()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let (0, Some(ends)) = (self.filled, self.ends.take()) {
            let _ = PIPES.try_with(|stock| {
                let mut stock = stock.borrow_mut();
                if stock.len() < STOCK {
                    stock.push(ends);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_with_bytes_in_it_never_goes_back() {
        let mut pipe = Pipe::lend().unwrap();
        rustix::io::write(pipe.write_end(), b"secret").unwrap();
        pipe.filled = 6;
        drop(pipe);
        let next = Pipe::lend().unwrap();
        let mut byte = [0];
        assert!(rustix::io::read(next.read_end(), &mut byte).is_err(), "a lent pipe is empty");
    }

    #[test]
    fn room_moves_bytes_to_the_front_when_the_end_is_reached() {
        let mut buffer = Buffer::lend();
        let len = buffer.room(usize::MAX).len();
        assert_eq!(len, BUFFER_LEN);
        (buffer.start, buffer.cleared, buffer.end) = (BUFFER_LEN - 2, BUFFER_LEN - 1, BUFFER_LEN);
        buffer.bytes[BUFFER_LEN - 1] = 7;
        assert_eq!(buffer.room(100).len(), 100);
        assert_eq!((buffer.to_send().len(), buffer.unread()), (1, &[7][..]));
    }
}
