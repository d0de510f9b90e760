//! Buffers and pipes that are lent to a connection while it has bytes on the way, and to nobody while it is idle.
//!
//! Each worker thread has its own small stock, so nothing is locked.

use std::cell::RefCell;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes in a lent buffer.
pub const BUFFER_LEN: usize = 64 * 1024;
/// What a buffer has beyond that for one who makes TLS records of a whole other buffer: headers and tags.
const RECORD_SLACK: usize = 1024;
const STOCKED_LEN: usize = BUFFER_LEN + RECORD_SLACK;
/// Bytes that a pipe is asked to hold; the kernel may give less.
const PIPE_LEN: usize = 1 << 20;
/// Buffers, and pipes, that a worker keeps for the next borrower.
const STOCK: usize = 16;

thread_local! {
    static BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    static PIPES: RefCell<Vec<(OwnedFd, OwnedFd)>> = const { RefCell::new(Vec::new()) };
}

/// A lent run of bytes, [`BUFFER_LEN`] long unless it was asked for otherwise. What an earlier borrower left in it is still there.
pub struct Lent {
    bytes: Box<[u8]>,
    len: usize,
}

impl Lent {
    /// Borrows a buffer.
    pub fn buffer() -> Self {
        Self::stocked(BUFFER_LEN)
    }

    /// Borrows a buffer with room for the records that [`BUFFER_LEN`] bytes make: they leave in one write, not in two of which
    /// the second is tiny.
    pub fn for_records() -> Self {
        Self::stocked(STOCKED_LEN)
    }

    /// A buffer of at least `len` bytes; a longer one than [`BUFFER_LEN`] is not from the stock.
    pub fn at_least(len: usize) -> Self {
        if len <= BUFFER_LEN { Self::buffer() } else { Self { bytes: vec![0; len].into_boxed_slice(), len } }
    }

    fn stocked(len: usize) -> Self {
        let new = || vec![0; STOCKED_LEN].into_boxed_slice();
        Self { bytes: BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_else(new), len }
    }
}

impl Deref for Lent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.bytes.len() == STOCKED_LEN {
            let bytes = std::mem::take(&mut self.bytes);
            // A thread that is ending has no stock any more.
            let _ = BUFFERS.try_with(|stock| {
                let mut stock = stock.borrow_mut();
                if stock.len() < STOCK {
                    stock.push(bytes);
                }
            });
        }
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
    fn only_buffers_of_the_usual_length_go_back() {
        drop(Lent::at_least(BUFFER_LEN + 1));
        assert!(BUFFERS.with_borrow(Vec::is_empty));
        let mut first = Lent::at_least(1);
        first[0] = 7;
        drop(first);
        assert_eq!((Lent::buffer()[0], Lent::buffer().len()), (7, BUFFER_LEN));
        drop((0..STOCK + 1).map(|_| Lent::buffer()).collect::<Vec<_>>());
        assert_eq!(BUFFERS.with_borrow(Vec::len), STOCK);
    }
}
