//! Backend to client: each response is matched to its request, and its broker addresses are replaced.

use std::io::IoSlice;
use std::task::{Context, Poll};

use super::api_table::{Handling, Rewrite};
use super::buffer::{BUFFER_LEN, Buffer};
use super::in_flight::Forwarded;
use super::requests::is_api_versions;
use super::rewrite::{self, Rewritten, tail};
use super::{CloseReason, Relay, SPLICE_MIN};
use crate::backend::Topology;
use crate::stock::Pipe;
use crate::wire::LENGTH_PREFIX;
use crate::wire::api_versions::ApiVersions;
use crate::wire::schema::{State, Walker};

/// Size and correlation id: what must be there before a response can be matched.
const PEEK_LEN: usize = LENGTH_PREFIX + 4;
/// Between long runs of records the structure is read in pieces of this size, so that the records stay in the kernel.
const STRUCTURE_READ: usize = 512;

/// State of this direction.
pub(super) struct Responses {
    buffer: Option<Buffer>,
    pipe: Option<Pipe>,
    /// Bytes that are not in the buffer: rewritten responses and the front's own answers. They go before the buffer's.
    pub(super) out: Vec<u8>,
    out_sent: usize,
    /// Bytes that pass through unseen before the frame's state says what comes next.
    pass_left: u32,
    frame: Frame,
    last_was_spliced: bool,
    pub(super) eof: bool,
}

/// Where in a response we are, once `pass_left` bytes have passed.
enum Frame {
    /// Before one.
    Boundary,
    /// At the end of one.
    End,
    /// Inside of one whose structure is walked.
    Walk(Box<Walker<'static>>),
    /// It is held whole: `bytes` of `len` have arrived, its size not among them.
    Collect { bytes: Vec<u8>, len: usize },
    /// Its tail is held, to be rewritten at the same length.
    Tail { bytes: Vec<u8>, len: usize },
}

impl Responses {
    pub(super) fn new() -> Self {
        Self {
            buffer: None,
            pipe: None,
            out: Vec::new(),
            out_sent: 0,
            pass_left: 0,
            frame: Frame::Boundary,
            last_was_spliced: false,
            eof: false,
        }
    }

    /// Whether everything that may go to the client has gone.
    pub(super) fn is_flushed(&self) -> bool {
        self.out.is_empty() && self.pipe.is_none() && self.buffer.as_ref().is_none_or(|b| b.to_send().is_empty())
    }

    /// The front's own answer, where no response is on the way.
    pub(super) fn push_answer(&mut self, answer: &[u8]) {
        self.gather();
        self.out.extend_from_slice(answer);
    }

    /// Puts what the buffer has cleared behind `out`, so that more may be appended to `out`.
    fn gather(&mut self) {
        if let Some(buffer) = &mut self.buffer {
            self.out.extend_from_slice(buffer.to_send());
            buffer.start = buffer.cleared;
        }
    }
}

impl Relay {
    /// Moves responses until the backend has no more or the client takes no more.
    pub(super) fn pump_responses(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        loop {
            // Structure first: several responses that arrived together leave together.
            if self.responses.pass_left == 0 && self.responses.pipe.is_none() && self.advance_response()? {
                continue;
            }
            if !self.responses.is_flushed() {
                match self.send_responses(cx)? {
                    Poll::Ready(()) => continue,
                    Poll::Pending => return Ok(()),
                }
            }
            if self.responses.eof || self.read_responses(cx)?.is_pending() {
                if self.responses.buffer.as_ref().is_some_and(Buffer::is_empty) {
                    self.responses.buffer = None;
                }
                return Ok(());
            }
        }
    }

    fn send_responses(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, CloseReason> {
        let responses = &mut self.responses;
        let cleared = responses.buffer.as_ref().map_or(&[][..], Buffer::to_send);
        let unsent = &responses.out[responses.out_sent..];
        let sent = if unsent.is_empty() && cleared.is_empty() {
            let Some(pipe) = &mut responses.pipe else { return Ok(Poll::Ready(())) };
            let more = responses.pass_left > 0 || !matches!(responses.frame, Frame::End);
            let sent = self.client.poll_drain(cx, pipe, more);
            if pipe.filled == 0 {
                responses.pipe = None;
            }
            sent
        } else {
            let both = [IoSlice::new(unsent), IoSlice::new(cleared)];
            let slices = match (unsent.is_empty(), cleared.is_empty()) {
                (true, _) => &both[1..],
                (_, true) => &both[..1],
                _ => &both[..],
            };
            let sent = self.client.poll_write_from(cx, slices);
            if let Poll::Ready(Ok(n)) = sent {
                let from_out = n.min(unsent.len());
                responses.out_sent += from_out;
                if responses.out_sent == responses.out.len() {
                    // The room goes back with the bytes: an idle connection holds none.
                    (responses.out, responses.out_sent) = (Vec::new(), 0);
                }
                if let Some(buffer) = &mut responses.buffer {
                    buffer.start += n - from_out;
                }
            }
            sent
        };
        match sent {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Err(e)) => Err(CloseReason::client_io(e)),
            Poll::Ready(Ok(n)) => {
                self.bytes_out += n as u64;
                self.active = true;
                Ok(Poll::Ready(()))
            }
        }
    }

    fn read_responses(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, CloseReason> {
        let Some(backend) = self.backend.opened() else { return Ok(Poll::Pending) };
        let responses = &mut self.responses;
        let spliceable = responses.pass_left >= SPLICE_MIN && backend.can_splice() && self.client.can_splice();
        // Without a file descriptor left for a pipe the bytes go through a buffer.
        let n = if let Some(mut pipe) = spliceable.then(Pipe::lend).and_then(Result::ok) {
            let result = backend.poll_fill(cx, &mut pipe, responses.pass_left as usize);
            if pipe.filled > 0 {
                responses.pass_left -= pipe.filled as u32;
                responses.last_was_spliced = true;
                responses.pipe = Some(pipe);
            }
            result
        } else {
            let limit = match responses.frame {
                Frame::Walk(_) | Frame::Boundary | Frame::End if responses.last_was_spliced => STRUCTURE_READ,
                _ => BUFFER_LEN,
            };
            let buffer = responses.buffer.get_or_insert_with(Buffer::lend);
            let limit = if buffer.is_empty() { limit } else { BUFFER_LEN };
            let result = backend.poll_read_into(cx, buffer.room(limit));
            if let Poll::Ready(Ok(n)) = result {
                responses.last_was_spliced = false;
                buffer.end += n;
                let passed = n.min(responses.pass_left as usize);
                buffer.cleared += passed;
                responses.pass_left -= passed as u32;
            }
            result
        };
        match n {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Err(e)) => Err(CloseReason::backend_io(e)),
            Poll::Ready(Ok(0)) => {
                responses.eof = true;
                self.active = true;
                Ok(Poll::Ready(()))
            }
            Poll::Ready(Ok(_)) => {
                self.active = true;
                Ok(Poll::Ready(()))
            }
        }
    }

    /// Takes one step through the response at hand, with the bytes that have arrived; `false` if it needs more.
    fn advance_response(&mut self) -> Result<bool, CloseReason> {
        match std::mem::replace(&mut self.responses.frame, Frame::Boundary) {
            Frame::Boundary => self.start_response(),
            Frame::End => {
                self.end_response();
                Ok(true)
            }
            Frame::Walk(mut walker) => {
                let Some(buffer) = &mut self.responses.buffer else {
                    self.responses.frame = Frame::Walk(walker);
                    return Ok(false);
                };
                let advance = walker.advance(buffer.unread(), &mut ()).map_err(CloseReason::bad_response)?;
                buffer.cleared += advance.consumed;
                match advance.state {
                    State::NeedMore => {
                        self.responses.frame = Frame::Walk(walker);
                        return Ok(false);
                    }
                    State::Opaque(len) => {
                        self.pass(len);
                        self.responses.frame = Frame::Walk(walker);
                    }
                    // A tail of one byte says that there are no endpoints; so does an end without a pause.
                    State::Paused if walker.left() > 1 => {
                        let len = walker.left() as usize;
                        if len > tail::MAX_TAIL {
                            return Err(CloseReason::BadResponse("its end is too long"));
                        }
                        self.responses.frame = Frame::Tail { bytes: Vec::new(), len };
                    }
                    State::Paused | State::Done => {
                        self.pass(walker.left());
                        self.responses.frame = Frame::End;
                    }
                }
                Ok(true)
            }
            Frame::Collect { bytes, len } => self.collect(bytes, len, Frame::collect, Self::finish_collected),
            Frame::Tail { bytes, len } => self.collect(bytes, len, Frame::tail, Self::finish_tail),
        }
    }

    /// The next `len` bytes pass through unseen.
    fn pass(&mut self, len: u32) {
        let here = match &mut self.responses.buffer {
            Some(buffer) => {
                let here = (len as usize).min(buffer.unread().len());
                buffer.cleared += here;
                here as u32
            }
            None => 0,
        };
        self.responses.pass_left = len - here;
    }

    fn start_response(&mut self) -> Result<bool, CloseReason> {
        let Some(buffer) = &mut self.responses.buffer else { return Ok(false) };
        let unread = buffer.unread();
        let Some(peek) = unread.first_chunk::<PEEK_LEN>() else { return Ok(false) };
        let size = i32::from_be_bytes([peek[0], peek[1], peek[2], peek[3]]);
        let correlation_id = i32::from_be_bytes([peek[4], peek[5], peek[6], peek[7]]);
        let size = u32::try_from(size).ok().filter(|size| *size >= 4).ok_or(CloseReason::BadResponse("bad size"))?;
        let request = self.in_flight.front().ok_or(CloseReason::BadResponse("nobody asked for it"))?;
        if request.correlation_id != correlation_id {
            return Err(CloseReason::BadResponse("wrong correlation id"));
        }
        tracing::trace!(api = request.row.name, version = request.version, correlation_id, size, "response");
        let len = LENGTH_PREFIX + size as usize;
        match request.row.handling {
            Handling::Rewrite(Rewrite::StreamedNodeEndpoints) => {
                match rewrite::streaming_program(request.row, request.version) {
                    Some(program) => {
                        buffer.cleared += LENGTH_PREFIX;
                        self.responses.frame = Frame::Walk(Box::new(Walker::new(program, size)));
                    }
                    None => {
                        self.pass(len as u32);
                        self.responses.frame = Frame::End;
                    }
                }
            }
            Handling::Rewrite(_) | Handling::Answer | Handling::Administer => {
                if size > self.rules.max_rewritten_response {
                    return Err(CloseReason::BadResponse("larger than backend.rewritten.response.max.bytes"));
                }
                if unread.len() >= len {
                    // All of it is here: no copy is made unless it changes.
                    let unchanged = self.rewrite_in_buffer(request, len)?;
                    if let Some(buffer) = &mut self.responses.buffer {
                        buffer.cleared += len;
                        if !unchanged {
                            buffer.start = buffer.cleared;
                        }
                    }
                    self.responses.frame = Frame::End;
                } else {
                    buffer.cleared += LENGTH_PREFIX;
                    // The size is made anew with the frame.
                    self.responses.gather_but(LENGTH_PREFIX);
                    self.responses.frame = Frame::Collect { bytes: Vec::new(), len: size as usize };
                }
            }
            Handling::Forward | Handling::Refuse(_) => {
                self.pass(len as u32);
                self.responses.frame = Frame::End;
            }
        }
        Ok(true)
    }

    /// Rewrites the whole response at the start of the unread bytes into `out`; says whether it may go as it is instead.
    fn rewrite_in_buffer(&mut self, request: Forwarded, len: usize) -> Result<bool, CloseReason> {
        let Some(buffer) = self.responses.buffer.take() else { return Ok(true) };
        let frame = &buffer.unread()[LENGTH_PREFIX..len];
        // What stands before it in the buffer must stand before it in `out`; only a frame that changes needs that.
        let before = self.responses.out.len();
        self.responses.out.extend_from_slice(buffer.to_send());
        let result = self.rewrite(request, frame);
        if matches!(result, Ok(Rewritten::Unchanged)) {
            self.responses.out.truncate(before);
        }
        self.responses.buffer = Some(buffer);
        Ok(result? == Rewritten::Unchanged)
    }

    /// Appends the rewritten response to `out`, unless nothing in it changes.
    fn rewrite(&mut self, request: Forwarded, frame: &[u8]) -> Result<Rewritten, CloseReason> {
        let Forwarded { row, version, .. } = request;
        let out = &mut self.responses.out;
        if is_api_versions(row) {
            let Some(body) = frame.get(4..) else { return Err(CloseReason::BadResponse("too short")) };
            let (error, versions) =
                ApiVersions::decode(body, version).map_err(|_| CloseReason::BadResponse("malformed ApiVersions"))?;
            if error != crate::wire::ErrorCode::NONE {
                return Ok(Rewritten::Unchanged);
            }
            let offered = versions.intersect(super::api_table::offered);
            out.extend_from_slice(&offered.encode_response(version, request.correlation_id));
            return Ok(Rewritten::Appended);
        }
        let Handling::Rewrite(kind) = row.handling else { return Ok(Rewritten::Unchanged) };
        let mut news = News::of(&self.topology);
        let rewritten =
            rewrite::rewrite_frame(row, kind, version, frame, &self.addresses, &mut |broker| news.hear(broker), out)
                .map_err(CloseReason::bad_response)?;
        news.spread();
        Ok(rewritten)
    }

    /// Gathers bytes until `len` are there, then lets `finish` make what goes out of them.
    fn collect(
        &mut self,
        mut bytes: Vec<u8>,
        len: usize,
        again: fn(Vec<u8>, usize) -> Frame,
        finish: fn(&mut Self, Vec<u8>) -> Result<(), CloseReason>,
    ) -> Result<bool, CloseReason> {
        self.responses.gather();
        let Some(buffer) = &mut self.responses.buffer else {
            self.responses.frame = again(bytes, len);
            return Ok(false);
        };
        let here = (len - bytes.len()).min(buffer.unread().len());
        bytes.extend_from_slice(&buffer.unread()[..here]);
        buffer.cleared += here;
        buffer.start = buffer.cleared;
        if bytes.len() < len {
            self.responses.frame = again(bytes, len);
            return Ok(false);
        }
        finish(self, bytes)?;
        self.responses.frame = Frame::End;
        Ok(true)
    }

    fn finish_collected(&mut self, bytes: Vec<u8>) -> Result<(), CloseReason> {
        let request = self.in_flight.front().ok_or(CloseReason::BadResponse("nobody asked for it"))?;
        if self.rewrite(request, &bytes)? == Rewritten::Unchanged {
            self.responses.out.extend((bytes.len() as u32).to_be_bytes());
            self.responses.out.extend(bytes);
        }
        Ok(())
    }

    fn finish_tail(&mut self, mut bytes: Vec<u8>) -> Result<(), CloseReason> {
        let request = self.in_flight.front().ok_or(CloseReason::BadResponse("nobody asked for it"))?;
        let mut news = News::of(&self.topology);
        tail::rewrite_tail(&mut bytes, request.row.key == FETCH, &self.addresses, &mut |broker| news.hear(broker))
            .map_err(|_| CloseReason::BadResponse("its end is malformed"))?;
        news.spread();
        self.responses.out.extend(bytes);
        Ok(())
    }

    /// The response has been cleared whole: its request is done, and our own answers behind it may go.
    fn end_response(&mut self) {
        let mut answers = Vec::new();
        self.in_flight.pop(&mut answers);
        if !answers.is_empty() {
            self.responses.push_answer(&answers);
        }
    }
}

const FETCH: i16 = 1;

/// Addresses of brokers that are new to the topology. It hears of them only when the whole response has proved good.
struct News<'t> {
    topology: &'t Topology,
    brokers: Vec<(i32, String, u16)>,
}

impl<'t> News<'t> {
    fn of(topology: &'t Topology) -> Self {
        Self { topology, brokers: Vec::new() }
    }

    fn hear(&mut self, broker: rewrite::LearnedBroker<'_>) {
        if !self.topology.knows(broker) {
            let (node_id, host, port) = broker;
            self.brokers.push((node_id, host.to_owned(), port));
        }
    }

    fn spread(self) {
        for (node_id, host, port) in self.brokers {
            self.topology.learn((node_id, &host, port));
        }
    }
}

impl Responses {
    /// Gathers what is cleared but for its last `len` bytes, which are dropped.
    fn gather_but(&mut self, len: usize) {
        if let Some(buffer) = &mut self.buffer {
            let cleared = buffer.to_send();
            self.out.extend_from_slice(&cleared[..cleared.len() - len]);
            buffer.start = buffer.cleared;
        }
    }
}

impl Frame {
    fn collect(bytes: Vec<u8>, len: usize) -> Self {
        Self::Collect { bytes, len }
    }

    fn tail(bytes: Vec<u8>, len: usize) -> Self {
        Self::Tail { bytes, len }
    }
}
