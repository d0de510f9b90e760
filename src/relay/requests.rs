//! Client to backend: each request is peeked at, and its body goes on as it comes.

use std::io::IoSlice;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::answering::Answering;
use super::api_table::{self, ApiRow, Handling};
use super::buffer::{BUFFER_LEN, Buffer};
use super::in_flight::Forwarded;
use super::{CloseReason, Relay, SPLICE_MIN};
use crate::admin::Administration;
use crate::backend::Topology;
use crate::foreign::ForeignProtocol;
use crate::sasl::late_sasl_answer;
use crate::stock::Pipe;
use crate::wire::api_versions::{self, RequestVerdict};
use crate::wire::header::RequestHeader;
use crate::wire::{ErrorCode, LENGTH_PREFIX, Malformed, Reader};

const PRODUCE: i16 = 0;
const SASL_HANDSHAKE: i16 = 17;
const API_VERSIONS: i16 = 18;
/// API key, version and correlation id: what must be there before a frame can be judged.
const PEEK_LEN: usize = LENGTH_PREFIX + 8;
/// The shortest request header, behind the size: the eight bytes and a null client id.
const MIN_REQUEST: u32 = 10;
/// After a frame that was spliced the next read takes no more than this, so that the next frame's body stays in the kernel.
const HEAD_READ: usize = 1024;

/// Bytes of the front's own answers that may wait for a client before nothing more is read from it.
const MAX_OWN_ANSWERS: usize = 64 * 1024;

/// State of this direction.
pub(super) struct Requests {
    pub(super) buffer: Option<Buffer>,
    pipe: Option<Pipe>,
    /// Bytes of the current request that have not been read yet and pass through unseen.
    frame_left: u32,
    /// Whether the bytes to send are the start of one request and nothing else.
    head_only: bool,
    /// Bytes of a request that the front answered and that go nowhere.
    discard_left: u32,
    /// Whether the current request is in the queue of those that will be answered.
    answer_expected: bool,
    last_was_spliced: bool,
    pub(super) eof: bool,
    api_versions_seen: bool,
}

/// What looking for the next request came to.
enum Next {
    /// A request was found; there may be bytes to send.
    Found,
    /// More bytes must arrive first.
    NeedMore,
    /// Nothing more may be read for now.
    Hold,
}

impl Requests {
    pub(super) fn new(already_read: &[u8], sasl: bool) -> Self {
        Self {
            buffer: (!already_read.is_empty()).then(|| Buffer::holding(already_read)),
            pipe: None,
            frame_left: 0,
            head_only: false,
            discard_left: 0,
            answer_expected: false,
            last_was_spliced: false,
            eof: false,
            // On a SASL listener the gate has answered the one that opens a connection.
            api_versions_seen: sasl,
        }
    }

    /// Whether everything that was read has gone on.
    pub(super) fn is_flushed(&self) -> bool {
        self.pipe.is_none() && self.buffer.as_ref().is_none_or(|b| b.to_send().is_empty())
    }

    /// Whether a request has been sent on in part.
    pub(super) fn is_inside_a_request(&self) -> bool {
        self.frame_left > 0
    }
}

impl Relay {
    /// Whether the next bytes from the client begin a request.
    fn is_between_requests(&self) -> bool {
        let collects = self.answering.as_ref().is_some_and(|answering| answering.left() > 0);
        self.requests.discard_left == 0 && self.requests.frame_left == 0 && !collects
    }

    /// Moves requests until the client has no more, the backend takes no more, or too many are in flight.
    pub(super) fn pump_requests(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        loop {
            if !self.requests.is_flushed() {
                match self.send_requests(cx)? {
                    Poll::Ready(()) => continue,
                    Poll::Pending => return Ok(()),
                }
            }
            if self.is_between_requests() {
                match self.next_request() {
                    Ok(Next::Found) => continue,
                    Ok(Next::Hold) => return Ok(()),
                    Ok(Next::NeedMore) => {}
                    Err(reason) => {
                        // As at a broker: the requests before it are answered, then the connection is closed.
                        self.ending = Some(reason);
                        continue;
                    }
                }
            }
            if self.requests.eof {
                return Ok(());
            }
            if self.read_requests(cx)?.is_pending() {
                if self.requests.buffer.as_ref().is_some_and(Buffer::is_empty) {
                    self.requests.buffer = None;
                }
                return Ok(());
            }
        }
    }

    /// Sends what is cleared, opening the backend connection if this is the first.
    fn send_requests(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, CloseReason> {
        let backend = match self.backend.poll_open(cx, &self.topology) {
            Poll::Ready(Ok(backend)) => backend,
            Poll::Ready(Err(e)) => return Err(CloseReason::BackendUnavailable(e)),
            Poll::Pending => return Ok(Poll::Pending),
        };
        if let Some(buffer) = &mut self.requests.buffer
            && !buffer.to_send().is_empty()
        {
            // A head that goes out alone would wake the broker for nothing. Whole requests before it must not wait with it.
            let sent = if self.requests.head_only && self.requests.frame_left > 0 {
                backend.poll_write_head(cx, buffer.to_send())
            } else {
                backend.poll_write_from(cx, &[IoSlice::new(buffer.to_send())])
            };
            match sent {
                Poll::Ready(Ok(n)) => buffer.start += n,
                Poll::Ready(Err(e)) => return Err(CloseReason::backend_io(e)),
                Poll::Pending => return Ok(Poll::Pending),
            }
        } else if let Some(pipe) = &mut self.requests.pipe {
            match backend.poll_drain(cx, pipe, self.requests.frame_left > 0) {
                Poll::Ready(Ok(_)) if pipe.filled == 0 => self.requests.pipe = None,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(e)) => return Err(CloseReason::backend_io(e)),
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
        self.active = true;
        Ok(Poll::Ready(()))
    }

    fn read_requests(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, CloseReason> {
        let requests = &mut self.requests;
        let spliceable = requests.frame_left >= SPLICE_MIN
            && self.client.can_splice()
            && self.backend.opened().is_some_and(|backend| backend.can_splice());
        // Without a file descriptor left for a pipe the bytes go through a buffer.
        let n = if let Some(mut pipe) = spliceable.then(Pipe::lend).and_then(Result::ok) {
            let result = self.client.poll_fill(cx, &mut pipe, requests.frame_left as usize);
            if pipe.filled > 0 {
                requests.frame_left -= pipe.filled as u32;
                requests.last_was_spliced = true;
                requests.pipe = Some(pipe);
            }
            result
        } else {
            let at_head = requests.frame_left == 0 && requests.discard_left == 0 && requests.last_was_spliced;
            let buffer = requests.buffer.get_or_insert_with(Buffer::lend);
            let limit = if at_head && buffer.is_empty() { HEAD_READ } else { BUFFER_LEN };
            let result = self.client.poll_read_into(cx, buffer.room(limit));
            if let Poll::Ready(Ok(n)) = result {
                requests.last_was_spliced = false;
                buffer.end += n;
                let passed = n.min(requests.frame_left as usize);
                buffer.cleared += passed;
                requests.frame_left -= passed as u32;
                let dropped = (n - passed).min(requests.discard_left as usize);
                // Nothing is cleared while a request is dropped, so both ends of the gap may move.
                if dropped > 0 {
                    buffer.cleared += dropped;
                    buffer.start = buffer.cleared;
                    requests.discard_left -= dropped as u32;
                }
                if let Some(answering) = &mut self.answering {
                    let collected = (n - passed - dropped).min(answering.left() as usize);
                    answering.collect(&buffer.unread()[..collected]);
                    buffer.cleared += collected;
                    buffer.start = buffer.cleared;
                }
            }
            result
        };
        match n {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Err(e)) => Err(CloseReason::client_io(e)),
            Poll::Ready(Ok(0)) => {
                self.client_has_ended();
                Ok(Poll::Ready(()))
            }
            Poll::Ready(Ok(n)) => {
                self.bytes_in += n as u64;
                self.active = true;
                Ok(Poll::Ready(()))
            }
        }
    }

    /// The client will send no more. What it has sent whole is still answered; a request that was cut off is not.
    fn client_has_ended(&mut self) {
        let requests = &mut self.requests;
        requests.eof = true;
        self.active = true;
        if requests.frame_left > 0 && requests.answer_expected {
            self.in_flight.take_back_last();
        }
        requests.frame_left = 0;
        requests.discard_left = 0;
        self.answering.take_if(|answering| answering.left() > 0);
        if let Some(buffer) = &mut requests.buffer {
            buffer.end = buffer.cleared;
        }
    }

    /// Judges the request at the start of the unread bytes. Everything cleared has been sent.
    fn next_request(&mut self) -> Result<Next, CloseReason> {
        let mut found = Next::NeedMore;
        loop {
            let too_many = self.in_flight.len() >= self.rules.max_in_flight as usize;
            // Answers of our own are not counted; a client that does not read them must not pile them up.
            let unread_answers = self.responses.out.len() > MAX_OWN_ANSWERS;
            let busy = too_many || unread_answers || self.is_answering() || self.pausing;
            if busy || self.draining || self.ending.is_some() {
                return Ok(if matches!(found, Next::Found) { found } else { Next::Hold });
            }
            let Some(buffer) = &mut self.requests.buffer else { return Ok(found) };
            let unread = buffer.unread();
            let Some(size) = unread.first_chunk().map(|size| i32::from_be_bytes(*size)) else { return Ok(found) };
            let size = u32::try_from(size).ok().filter(|size| *size <= self.rules.max_request_size);
            let Some(size) = size else {
                // The connection's first bytes: nothing has been read but these, and no login stands before them.
                let is_first = self.bytes_in == unread.len() as u64 && !self.requests.api_versions_seen;
                let foreign = ForeignProtocol::by_first_bytes(&unread[..LENGTH_PREFIX]).filter(|_| is_first);
                return Err(foreign.map_or(CloseReason::RequestTooLarge, CloseReason::OtherProtocol));
            };
            if size < MIN_REQUEST {
                return Err(CloseReason::MalformedRequest);
            }
            if unread.len() < PEEK_LEN {
                return Ok(found);
            }
            let mut peek = Reader::new(&unread[LENGTH_PREFIX..unread.len().min(LENGTH_PREFIX + size as usize)]);
            let short = |_: Malformed| CloseReason::MalformedRequest;
            let (key, version) = (peek.i16().map_err(short)?, peek.i16().map_err(short)?);
            let correlation_id = peek.i32().map_err(short)?;
            let row = api_table::row_of(key).ok_or(CloseReason::UnknownApi(key))?;
            if key == SASL_HANDSHAKE
                && row.versions().contains(&version)
                && self.session_end.begin_reauthentication(Instant::now())
            {
                self.pausing = true;
                continue;
            }
            if self.session_end.is_over() {
                let late = self.session_end.over_for(Instant::now());
                tracing::debug!(api = row.name, ?late, "a request after the session's end");
                return Err(CloseReason::SessionExpired);
            }
            let whole = unread.len() >= LENGTH_PREFIX + size as usize;
            tracing::trace!(api = row.name, version, correlation_id, size, "request");

            let answer = match row.handling {
                Handling::Refuse(_) => return Err(CloseReason::RefusedApi(row.name)),
                Handling::Forward | Handling::Rewrite(_) | Handling::Administer
                    if !row.versions().contains(&version) =>
                {
                    return Err(CloseReason::UnsupportedVersion(row.name, version));
                }
                Handling::Forward | Handling::Rewrite(_) => None,
                Handling::Administer if size > Administration::MAX_REQUEST => {
                    return Err(CloseReason::RequestTooLarge);
                }
                Handling::Administer => {
                    if !buffer.to_send().is_empty() {
                        // What stands before it goes first, so that the gap is at the start of the buffer.
                        return Ok(Next::Found);
                    }
                    let here = unread.len().min(LENGTH_PREFIX + size as usize);
                    self.answering = Some(Box::new(Answering::start(&unread[LENGTH_PREFIX..here], size)));
                    buffer.cleared += here;
                    buffer.start = buffer.cleared;
                    self.requests_seen += 1;
                    self.active = true;
                    return Ok(if self.is_answering() { Next::Hold } else { Next::Found });
                }
                Handling::Answer if key == API_VERSIONS => {
                    if !whole {
                        // Its body must be judged, and none that is legal exceeds a buffer.
                        return if size as usize + LENGTH_PREFIX > BUFFER_LEN {
                            Err(CloseReason::RequestTooLarge)
                        } else {
                            Ok(found)
                        };
                    }
                    let frame = &unread[LENGTH_PREFIX..LENGTH_PREFIX + size as usize];
                    api_versions_answer(
                        &self.topology,
                        frame,
                        version,
                        correlation_id,
                        !self.requests.api_versions_seen,
                    )?
                }
                Handling::Answer => {
                    let answer = late_sasl_answer(key, version, correlation_id);
                    Some(answer.ok_or(CloseReason::UnsupportedVersion(row.name, version))?)
                }
            };
            if key == API_VERSIONS {
                self.requests.api_versions_seen = true;
            }
            if let Some(answer) = answer {
                if !buffer.to_send().is_empty() {
                    // What stands before it goes first, so that the gap is at the start of the buffer.
                    return Ok(Next::Found);
                }
                let len = LENGTH_PREFIX + size as usize;
                let here = len.min(unread.len());
                buffer.cleared += here;
                buffer.start = buffer.cleared;
                self.requests.discard_left = (len - here) as u32;
                if let Some(now) = self.in_flight.push_answer(answer) {
                    self.responses.push_answer(&now);
                }
                self.requests_seen += 1;
                self.active = true;
                if self.requests.discard_left > 0 {
                    return Ok(Next::Found);
                }
                continue;
            }

            let answer_expected = if key == PRODUCE {
                let head = &unread[LENGTH_PREFIX..unread.len().min(LENGTH_PREFIX + size as usize)];
                match produce_acks(head, version >= row.flexible_from) {
                    Ok(acks) => acks != 0,
                    Err(Malformed) if whole || buffer.unread().len() >= MAX_PRODUCE_HEAD => {
                        return Err(CloseReason::MalformedRequest);
                    }
                    Err(Malformed) => return Ok(found),
                }
            } else {
                true
            };
            if self.backend.is_due() {
                // Nothing may be in flight while the backend connection is authenticated anew.
                if matches!(found, Next::Found) || !self.in_flight.is_empty() {
                    return Ok(if matches!(found, Next::Found) { found } else { Next::Hold });
                }
                self.backend.renew(&self.topology);
            }
            if answer_expected {
                self.in_flight.push(Forwarded { correlation_id, row, version });
            }
            self.requests_seen += 1;
            self.requests.answer_expected = answer_expected;
            let len = LENGTH_PREFIX + size as usize;
            let here = len.min(buffer.unread().len());
            self.requests.head_only = buffer.to_send().is_empty();
            buffer.cleared += here;
            self.requests.frame_left = (len - here) as u32;
            found = Next::Found;
            if self.requests.frame_left > 0 {
                return Ok(found);
            }
        }
    }
}

/// Most bytes in front of a Produce request's acks: client id, transactional id and tagged fields. What needs more than a
/// buffer is refused.
const MAX_PRODUCE_HEAD: usize = BUFFER_LEN - 1024;

/// The acks of a Produce request, which decide whether it is answered; fails while they have not arrived.
fn produce_acks(frame: &[u8], flexible: bool) -> Result<i16, Malformed> {
    let mut reader = Reader::new(frame);
    reader.take(8)?;
    reader.nullable_string()?;
    if flexible {
        reader.skip_tags()?;
        reader.compact_nullable_string()?;
    } else {
        reader.nullable_string()?;
    }
    reader.i16()
}

/// The front's answer to an ApiVersions request, or `None` where the backend shall say what it knows now: every one but the
/// first of a connection, such as an administrator's question for the finalized features.
fn api_versions_answer(
    topology: &Topology,
    frame: &[u8],
    version: i16,
    correlation_id: i32,
    first: bool,
) -> Result<Option<Bytes>, CloseReason> {
    let (_, body) = RequestHeader::parse(frame).map_err(|Malformed| CloseReason::MalformedRequest)?;
    let mut out = BytesMut::new();
    match api_versions::judge_request(version, body).map_err(|Malformed| CloseReason::MalformedRequest)? {
        RequestVerdict::Good if !first => return Ok(None),
        RequestVerdict::Good => topology.api_versions().put_response(&mut out, version, correlation_id),
        RequestVerdict::UnsupportedVersion => api_versions::put_unsupported_version(&mut out, correlation_id),
        RequestVerdict::InvalidRequest => {
            api_versions::put_error(&mut out, version, correlation_id, ErrorCode::INVALID_REQUEST);
        }
    }
    Ok(Some(out.freeze()))
}

/// A row by which an ApiVersions request that is forwarded is known again.
pub(super) fn is_api_versions(row: &ApiRow) -> bool {
    row.key == API_VERSIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acks_are_found_behind_client_id_and_transactional_id() {
        let classic = [&[0, 0, 0, 8, 0, 0, 0, 1, 0, 1][..], b"c", &[0xff, 0xff], &[0xff, 0xff]].concat();
        assert_eq!(produce_acks(&classic, false), Ok(-1));
        assert_eq!(produce_acks(&classic[..14], false), Err(Malformed));
        let flexible = [&[0, 0, 0, 9, 0, 0, 0, 1, 0, 1][..], b"c", &[0], &[3], b"tx", &[0, 0]].concat();
        assert_eq!(produce_acks(&flexible, true), Ok(0));
    }
}
