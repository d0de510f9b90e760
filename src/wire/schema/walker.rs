//! Runs a program over bytes that may arrive in pieces.
//!
//! The walker never allocates and never believes a length: each count and length is held against the bytes that the message
//! still has. What it is not asked about is passed over, unknown tagged fields included.

use super::program::{Mark, Op, Program};

/// Deepest nesting of arrays and tagged sections in Kafka's schemas, with room to grow; a deeper one is refused.
const MAX_DEPTH: usize = 12;

/// Gets the marked fields, in the order in which they stand. Positions are offsets into the input of the `advance` call.
pub trait Visitor {
    /// A marked field: `raw` is all of it as it stands at `start`, its length prefix included; `content` the bytes without the
    /// prefix, `None` for null.
    fn field(&mut self, mark: Mark, start: usize, raw: &[u8], content: Option<&[u8]>);

    /// A marked array: `raw_len` bytes at `start` say that there are `count` elements (0 for null).
    fn array(&mut self, mark: Mark, start: usize, raw_len: usize, count: u32) {
        let _ = (mark, start, raw_len, count);
    }

    /// An element of a marked array starts at `start`.
    fn element(&mut self, mark: Mark, start: usize) {
        let _ = (mark, start);
    }

    /// A marked array has ended; `end` is the offset behind its last element.
    fn array_end(&mut self, mark: Mark, end: usize) {
        let _ = (mark, end);
    }

    /// A tagged field of the message itself starts: its size takes `size_len` bytes at `size_start`, and `size` bytes follow.
    fn tag(&mut self, size_start: usize, size_len: usize, size: u32) {
        let _ = (size_start, size_len, size);
    }

    /// That tagged field has ended at `end`.
    fn tag_end(&mut self, end: usize) {
        let _ = end;
    }
}

/// Sees nothing: for walking structure only.
impl Visitor for () {
    fn field(&mut self, _: Mark, _: usize, _: &[u8], _: Option<&[u8]>) {}
}

/// Where `advance` got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// What comes next.
    pub state: State,
}

/// What the walker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The rest of the input is too short for the next step: call again with more behind it.
    NeedMore,
    /// The next so many bytes are records: pass them on and go on behind them.
    Opaque(u32),
    /// The walker stands before the field that the program names as its pause; `advance` again walks on.
    Paused,
    /// The rest of the message, see [`Walker::left`], is of no interest.
    Done,
}

/// The bytes are not a message of this schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WalkError(pub &'static str);

/// A position in a message.
#[derive(Clone, Debug)]
pub struct Walker<'p> {
    program: &'p Program,
    pc: u16,
    depth: u8,
    /// Bytes of the message behind the current position.
    left: u32,
    /// Bytes to pass over before the next step.
    pending: u32,
    stack: [Frame; MAX_DEPTH],
}

#[derive(Clone, Copy, Debug)]
enum Frame {
    Unused,
    /// `remaining` elements are still to come, the current one not counted.
    Array {
        remaining: u32,
    },
    /// A tagged section with `remaining` fields to come; `back` is the op behind it.
    Tags {
        table: u16,
        remaining: u32,
        back: u16,
        last: bool,
    },
    /// A known tagged field, which must end where the message has `end_left` bytes left.
    TagBody {
        end_left: u32,
    },
}

impl<'p> Walker<'p> {
    /// Stands at the start of a message body of `len` bytes.
    pub fn new(program: &'p Program, len: u32) -> Self {
        Self { program, pc: 0, depth: 0, left: len, pending: 0, stack: [Frame::Unused; MAX_DEPTH] }
    }

    /// Bytes of the message that are not consumed yet.
    pub fn left(&self) -> u32 {
        self.left + self.pending
    }

    /// Walks on over `input`, which starts where the last call's `consumed` (and opaque run) ended. Marked fields must lie in
    /// `input` whole.
    pub fn advance(&mut self, input: &[u8], visitor: &mut impl Visitor) -> Result<Advance, WalkError> {
        let mut at = 0usize;
        loop {
            if self.pending > 0 {
                let take = (self.pending as usize).min(input.len() - at);
                at += take;
                self.pending -= take as u32;
                if self.pending > 0 {
                    return Ok(Advance { consumed: at, state: State::NeedMore });
                }
            }
            let before = at;
            match self.step(input, &mut at, visitor) {
                Ok(None) => {}
                Ok(Some(state)) => return Ok(Advance { consumed: at, state }),
                Err(Stop::NeedMore) => return Ok(Advance { consumed: before, state: State::NeedMore }),
                Err(Stop::Bad(text)) => return Err(WalkError(text)),
            }
        }
    }

    fn step(&mut self, input: &[u8], at: &mut usize, visitor: &mut impl Visitor) -> Result<Option<State>, Stop> {
        // Between tagged fields the section itself decides what comes next.
        if let Some(Frame::Tags { table, remaining, back, last }) = self.top() {
            return self.next_tag(input, at, visitor, table, remaining, back, last).map(|()| None);
        }
        let op = self.program.ops[self.pc as usize];
        let start = *at;
        match op {
            Op::Skip(size) => self.pass_over(size)?,
            Op::Fixed { size, mark } => {
                self.claim(size)?;
                let raw = self.take(input, at, size as usize)?;
                visitor.field(mark, start, raw, Some(raw));
            }
            Op::String { compact, nullable, mark } => {
                let width = if compact { Width::Varint } else { Width::Int16 };
                let (len, prefix) = self.length(input, start, width, nullable)?;
                if mark == 0 {
                    self.commit(at, prefix)?;
                    self.pass_over(len.unwrap_or(0))?;
                } else {
                    let end = start + prefix + len.unwrap_or(0) as usize;
                    self.check(prefix as u32 + len.unwrap_or(0))?;
                    let raw = input.get(start..end).ok_or(Stop::NeedMore)?;
                    self.commit(at, raw.len())?;
                    visitor.field(mark, start, raw, len.map(|_| &raw[prefix..]));
                }
            }
            Op::Bytes { compact, nullable, .. } => {
                let (len, prefix) = self.length(input, start, Width::compact_or_int32(compact), nullable)?;
                self.commit(at, prefix)?;
                self.pass_over(len.unwrap_or(0))?;
            }
            Op::Records { compact, nullable } => {
                let (len, prefix) = self.length(input, start, Width::compact_or_int32(compact), nullable)?;
                self.commit(at, prefix)?;
                let len = len.unwrap_or(0);
                self.claim(len)?;
                self.pc += 1;
                return Ok((len > 0).then_some(State::Opaque(len)));
            }
            Op::FixedArray { compact, nullable, size } => {
                let (count, prefix) = self.length(input, start, Width::compact_or_int32(compact), nullable)?;
                self.commit(at, prefix)?;
                let bytes = count.unwrap_or(0).checked_mul(size).ok_or(Stop::Bad(TOO_LONG))?;
                self.pass_over(bytes)?;
            }
            Op::Array { compact, nullable, min_element, end, mark } => {
                let (count, prefix) = self.length(input, start, Width::compact_or_int32(compact), nullable)?;
                let count = count.unwrap_or(0);
                self.check(prefix as u32)?;
                if u64::from(count) * u64::from(min_element) > u64::from(self.left) {
                    return Err(Stop::Bad(TOO_LONG));
                }
                self.commit(at, prefix)?;
                if mark != 0 {
                    visitor.array(mark, start, prefix, count);
                }
                if count == 0 {
                    if mark != 0 {
                        visitor.array_end(mark, *at);
                    }
                    self.pc = end + 1;
                    return Ok(None);
                }
                if mark != 0 {
                    visitor.element(mark, *at);
                }
                self.push(Frame::Array { remaining: count - 1 })?;
            }
            Op::ArrayEnd { start: head } => {
                let Some(Frame::Array { remaining, .. }) = self.top() else { return Err(Stop::Bad(NESTING)) };
                let mark = match self.program.ops[head as usize] {
                    Op::Array { mark, .. } => mark,
                    _ => 0,
                };
                if remaining == 0 {
                    self.pop();
                    if mark != 0 {
                        visitor.array_end(mark, *at);
                    }
                } else {
                    self.stack[self.depth as usize - 1] = Frame::Array { remaining: remaining - 1 };
                    if mark != 0 {
                        visitor.element(mark, *at);
                    }
                    self.pc = head;
                }
            }
            Op::NullableStruct { end } => {
                self.claim(1)?;
                let marker = self.take(input, at, 1)?[0] as i8;
                if marker < 0 {
                    self.pc = end;
                    return Ok(None);
                }
            }
            Op::Tags { table, last } => {
                let (count, len) = varint(input.get(start..).unwrap_or_default())?;
                if u64::from(count) * 2 > u64::from(self.left) {
                    return Err(Stop::Bad(TOO_LONG));
                }
                self.commit(at, len)?;
                self.push(Frame::Tags { table, remaining: count, back: self.pc + 1, last })?;
                return Ok(None);
            }
            Op::TagEnd => {
                let Some(Frame::TagBody { end_left }) = self.top() else { return Err(Stop::Bad(NESTING)) };
                if self.left != end_left {
                    return Err(Stop::Bad("a tagged field has another size than it says"));
                }
                visitor.tag_end(*at);
                self.pop();
                return Ok(None); // the section's frame is on top again
            }
            Op::Pause => {
                self.pc += 1;
                return Ok(Some(State::Paused));
            }
            Op::End => return Ok(Some(State::Done)),
        }
        self.pc += 1;
        Ok(None)
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one frame")]
    fn next_tag(
        &mut self,
        input: &[u8],
        at: &mut usize,
        visitor: &mut impl Visitor,
        table: u16,
        remaining: u32,
        back: u16,
        last: bool,
    ) -> Result<(), Stop> {
        if remaining == 0 {
            self.pop();
            self.pc = back;
            return Ok(());
        }
        let rest = input.get(*at..).unwrap_or_default();
        let (tag, tag_len) = varint(rest)?;
        let (size, size_len) = varint(&rest[tag_len..])?;
        self.check((tag_len + size_len) as u32)?;
        if size > self.left - (tag_len + size_len) as u32 {
            return Err(Stop::Bad(TOO_LONG));
        }
        let size_start = *at + tag_len;
        self.commit(at, tag_len + size_len)?;
        self.stack[self.depth as usize - 1] = Frame::Tags { table, remaining: remaining - 1, back, last };
        match self.program.tag_tables[table as usize].iter().find(|known| known.tag == tag) {
            Some(known) => {
                visitor.tag(size_start, size_len, size);
                self.push(Frame::TagBody { end_left: self.left - size })?;
                self.pc = known.start;
            }
            None => self.pass_over(size)?,
        }
        Ok(())
    }

    /// A count or length at `start` and the bytes of its prefix; `None` for null. Not consumed yet.
    fn length(&self, input: &[u8], start: usize, width: Width, nullable: bool) -> Result<(Option<u32>, usize), Stop> {
        let rest = input.get(start..).unwrap_or_default();
        let (length, prefix) = match width {
            Width::Varint => {
                let (value, len) = varint(rest)?;
                (i64::from(value) - 1, len)
            }
            Width::Int16 => (i64::from(i16::from_be_bytes(*rest.first_chunk().ok_or(Stop::NeedMore)?)), 2),
            Width::Int32 => (i64::from(i32::from_be_bytes(*rest.first_chunk().ok_or(Stop::NeedMore)?)), 4),
        };
        self.check(prefix as u32)?;
        match u32::try_from(length) {
            Ok(length) if length <= self.left - prefix as u32 => Ok((Some(length), prefix)),
            Ok(_) => Err(Stop::Bad(TOO_LONG)),
            Err(_) if length == -1 && nullable => Ok((None, prefix)),
            Err(_) => Err(Stop::Bad("a negative length or count")),
        }
    }

    /// Consumes `len` bytes that are known to lie in the input.
    fn commit(&mut self, at: &mut usize, len: usize) -> Result<(), Stop> {
        self.claim(len as u32)?;
        *at += len;
        Ok(())
    }

    /// The next `len` bytes; they must have been claimed. Gives the claim back if they have not arrived.
    fn take<'i>(&mut self, input: &'i [u8], at: &mut usize, len: usize) -> Result<&'i [u8], Stop> {
        match input.get(*at..*at + len) {
            Some(bytes) => {
                *at += len;
                Ok(bytes)
            }
            None => {
                self.left += len as u32;
                Err(Stop::NeedMore)
            }
        }
    }

    fn pass_over(&mut self, len: u32) -> Result<(), Stop> {
        self.claim(len)?;
        self.pending = len;
        Ok(())
    }

    fn claim(&mut self, len: u32) -> Result<(), Stop> {
        self.check(len)?;
        self.left -= len;
        Ok(())
    }

    fn check(&self, len: u32) -> Result<(), Stop> {
        if len <= self.left { Ok(()) } else { Err(Stop::Bad(TOO_LONG)) }
    }

    fn top(&self) -> Option<Frame> {
        self.depth.checked_sub(1).map(|top| self.stack[top as usize])
    }

    fn push(&mut self, frame: Frame) -> Result<(), Stop> {
        *self.stack.get_mut(self.depth as usize).ok_or(Stop::Bad(NESTING))? = frame;
        self.depth += 1;
        Ok(())
    }

    fn pop(&mut self) {
        self.depth -= 1;
    }
}

const TOO_LONG: &str = "a count or length exceeds the bytes that are left";
const NESTING: &str = "nested deeper than any message is";

enum Stop {
    NeedMore,
    Bad(&'static str),
}

#[derive(Clone, Copy)]
enum Width {
    Varint,
    Int16,
    Int32,
}

impl Width {
    fn compact_or_int32(compact: bool) -> Self {
        if compact { Self::Varint } else { Self::Int32 }
    }
}

/// An unsigned varint of at most five bytes and 31 bits, and how many bytes it took.
fn varint(input: &[u8]) -> Result<(u32, usize), Stop> {
    let mut value = 0u64;
    for (i, byte) in input.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).ok().filter(|v| i32::try_from(*v).is_ok());
            return value.map(|value| (value, i + 1)).ok_or(Stop::Bad("a negative length or count"));
        }
    }
    Err(if input.len() >= 5 { Stop::Bad("a varint of more than five bytes") } else { Stop::NeedMore })
}
