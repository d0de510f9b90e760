//! One message version, compiled into the flat list of steps that a walker takes.

use super::{Direction, Field, Kind, Message, Versions};

const API_VERSIONS: i16 = 18;

/// What a rewriter calls a field that it wants to see; 0 is reserved for "not marked".
pub type Mark = u8;

/// The steps for one version of one message.
#[derive(Debug)]
pub struct Program {
    pub(super) ops: Vec<Op>,
    pub(super) tag_tables: Vec<Vec<KnownTag>>,
}

/// One step. Lengths are in bytes; `next` values are indexes of ops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Fixed-size fields that nobody asked for, side by side.
    Skip(u32),
    Fixed {
        size: u32,
        mark: Mark,
    },
    String {
        compact: bool,
        nullable: bool,
        mark: Mark,
    },
    Bytes {
        compact: bool,
        nullable: bool,
        mark: Mark,
    },
    /// Record batches: handed to the caller as one opaque run.
    Records {
        compact: bool,
        nullable: bool,
    },
    /// An array; the ops up to `end` (its `ArrayEnd`) are one element of at least `min_element` bytes.
    Array {
        compact: bool,
        nullable: bool,
        min_element: u32,
        end: u16,
        mark: Mark,
    },
    ArrayEnd {
        start: u16,
    },
    /// An array of fixed-size elements that nobody asked for.
    FixedArray {
        compact: bool,
        nullable: bool,
        size: u32,
    },
    /// A struct behind a null marker (int8); `end` is the op after it.
    NullableStruct {
        end: u16,
    },
    /// A tagged-field section (KIP-482). `last`: the section at the end of the message.
    Tags {
        table: u16,
        last: bool,
    },
    TagEnd,
    /// The walker pauses before the next field, see `State::Paused`.
    Pause,
    /// The rest of the message is of no interest.
    End,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct KnownTag {
    pub tag: u32,
    pub start: u16,
}

/// Marks that a rewriter puts on fields, by dotted path such as `Brokers.Host`.
pub(super) struct Marks<'a> {
    pub fields: &'a [(&'a str, Mark)],
    /// A top-level field before which the walker pauses; `""`: before the message's own tagged fields.
    pub pause: Option<&'a str>,
}

impl Message {
    /// Compiles `version` for a rewriter that wants to see the `marks`. The program covers a whole frame behind its size: the
    /// message's header, then its body. `pause` names a top-level field before which the walker
    /// stops to let the caller take over; `Some("")` stands for the message's own tagged fields.
    ///
    /// # Panics
    /// If a mark or the pause names a field that the message does not have in any version: a bug in this program.
    pub fn compile(&self, version: i16, marks: &[(&str, Mark)], pause: Option<&str>) -> Program {
        for path in marks.iter().map(|(path, _)| *path).chain(pause.filter(|p| !p.is_empty())) {
            assert!(self.has_field(path), "{} {:?} has no field {path}", self.name, self.direction);
        }
        let mut compiler = Compiler {
            version,
            flexible: self.flexible.contains(version),
            marks: Marks { fields: marks, pause },
            program: Program { ops: Vec::new(), tag_tables: Vec::new() },
        };
        compiler.header(self);
        compiler.fields(&self.fields, "", true);
        compiler.program.ops.push(Op::End);
        compiler.deferred_tags(&self.fields, "");
        compiler.program.stop_after_the_last_mark();
        compiler.program
    }

    /// Whether the message has a field of that dotted path in any version.
    pub fn has_field(&self, path: &str) -> bool {
        let mut fields = &self.fields;
        path.split('.').all(|name| match fields.iter().find(|f| f.name == name) {
            Some(field) => {
                fields = &field.children;
                true
            }
            None => false,
        })
    }
}

struct Compiler<'a> {
    version: i16,
    flexible: bool,
    marks: Marks<'a>,
    program: Program,
}

impl Compiler<'_> {
    /// Request header v1 or v2, response header v0 or v1; ApiVersions always answers with header v0.
    fn header(&mut self, message: &Message) {
        match message.direction {
            Direction::Request => {
                self.program.ops.push(Op::Skip(2 + 2 + 4));
                // The client id keeps its two-byte length in header v2.
                self.program.ops.push(Op::String { compact: false, nullable: true, mark: 0 });
            }
            Direction::Response => self.program.ops.push(Op::Skip(4)),
        }
        if self.flexible && (message.direction == Direction::Request || message.api_key != API_VERSIONS) {
            self.tags(false);
        }
        // Keeps the header's skip apart from the body's.
        self.program.ops.push(Op::Skip(0));
    }

    fn tags(&mut self, last: bool) {
        let table = self.program.tag_tables.len() as u16;
        self.program.tag_tables.push(Vec::new());
        self.program.ops.push(Op::Tags { table, last });
    }

    /// The fields of one struct, its tagged section last. Top-level tag bodies are compiled by `deferred_tags`, so that the main
    /// line of ops stays in one piece.
    fn fields(&mut self, fields: &[Field], path: &str, top: bool) {
        let version = self.version;
        for field in fields.iter().filter(|f| f.versions.contains(version) && !f.is_tagged(version)) {
            let path = join(path, field.name);
            if top && self.marks.pause == Some(field.name) {
                self.program.ops.push(Op::Pause);
            }
            self.field(field, &path);
        }
        if self.flexible {
            if top && self.marks.pause == Some("") {
                self.program.ops.push(Op::Pause);
            }
            self.tags(top);
        }
    }

    /// Compiles the body of every top-level tagged field behind the `End` of the main line. Tagged fields inside structs carry no
    /// marks in any API that is rewritten; they are skipped by their size.
    fn deferred_tags(&mut self, fields: &[Field], path: &str) {
        let Some(table) = self.program.ops.iter().find_map(|op| match op {
            Op::Tags { table, last: true } => Some(*table as usize),
            _ => None,
        }) else {
            return;
        };
        let version = self.version;
        for field in fields.iter().filter(|f| f.versions.contains(version) && f.is_tagged(version)) {
            let path = join(path, field.name);
            if !self.marks.fields.iter().any(|(mark, _)| *mark == path || mark.starts_with(&format!("{path}."))) {
                continue;
            }
            let tag = field.tag.map_or(0, |(tag, _)| tag);
            let start = self.here();
            self.field(field, &path);
            self.program.ops.push(Op::TagEnd);
            self.program.tag_tables[table].push(KnownTag { tag, start });
        }
    }

    fn field(&mut self, field: &Field, path: &str) {
        let mark = self.marks.fields.iter().find(|(p, _)| *p == path).map_or(0, |(_, mark)| *mark);
        let (compact, nullable) = (self.flexible, field.nullable.contains(self.version));
        if field.array {
            if let (Kind::Fixed(size), 0) = (field.kind, mark) {
                return self.program.ops.push(Op::FixedArray { compact, nullable, size });
            }
            let start = self.here();
            self.program.ops.push(Op::Array { compact, nullable, min_element: 0, end: 0, mark });
            self.element(field, path, false, 0);
            let (end, min_element) = (self.here(), self.min_size(start as usize + 1));
            self.program.ops.push(Op::ArrayEnd { start });
            self.program.ops[start as usize] = Op::Array { compact, nullable, min_element, end, mark };
        } else {
            self.element(field, path, nullable, mark);
        }
    }

    fn element(&mut self, field: &Field, path: &str, nullable: bool, mark: Mark) {
        let compact = self.flexible;
        match field.kind {
            Kind::Fixed(size) if mark == 0 => match self.program.ops.last_mut() {
                Some(Op::Skip(total)) => *total += size,
                _ => self.program.ops.push(Op::Skip(size)),
            },
            Kind::Fixed(size) => self.program.ops.push(Op::Fixed { size, mark }),
            Kind::String => self.program.ops.push(Op::String { compact, nullable, mark }),
            Kind::Bytes => self.program.ops.push(Op::Bytes { compact, nullable, mark }),
            Kind::Records => self.program.ops.push(Op::Records { compact, nullable }),
            Kind::Struct if nullable => {
                let start = self.here() as usize;
                self.program.ops.push(Op::NullableStruct { end: 0 });
                self.fields(&field.children, path, false);
                self.program.ops[start] = Op::NullableStruct { end: self.here() };
                // A skip after the struct must not melt into a skip inside of it.
                self.program.ops.push(Op::Skip(0));
            }
            Kind::Struct => self.fields(&field.children, path, false),
        }
    }

    /// Fewest bytes that the ops from `start` on can stand for: at least one.
    fn min_size(&self, start: usize) -> u32 {
        let mut size = 0u32;
        let mut at = start;
        while let Some(op) = self.program.ops.get(at) {
            size += match *op {
                Op::Skip(n) | Op::Fixed { size: n, .. } => n,
                Op::String { compact, .. } => {
                    if compact {
                        1
                    } else {
                        2
                    }
                }
                Op::Bytes { compact, .. } | Op::Records { compact, .. } | Op::FixedArray { compact, .. } => {
                    if compact {
                        1
                    } else {
                        4
                    }
                }
                Op::Array { compact, end, .. } => {
                    at = end as usize;
                    if compact { 1 } else { 4 }
                }
                Op::NullableStruct { end } => {
                    at = end as usize - 1;
                    1
                }
                Op::Tags { .. } => 1,
                Op::ArrayEnd { .. } | Op::TagEnd | Op::Pause | Op::End => 0,
            };
            at += 1;
        }
        size.max(1)
    }

    fn here(&self) -> u16 {
        self.program.ops.len() as u16
    }
}

impl Program {
    /// Cuts off the steps behind the last one that anybody wants to see, so that the rest is copied without a look.
    fn stop_after_the_last_mark(&mut self) {
        let Some(end) = self.ops.iter().position(|op| *op == Op::End) else { return };
        let wanted = |op: &Op| match op {
            Op::Fixed { .. } | Op::Pause | Op::Records { .. } => true,
            Op::String { mark, .. } | Op::Bytes { mark, .. } | Op::Array { mark, .. } => *mark != 0,
            Op::Tags { table, .. } => !self.tag_tables[*table as usize].is_empty(),
            _ => false,
        };
        let last = self.ops[..end].iter().rposition(wanted);
        let mut stop = last.map_or(0, |last| last + 1);
        // Whole arrays and nullable structs only: behind the outermost one that is still open there.
        for (at, op) in self.ops[..end].iter().enumerate() {
            match *op {
                Op::Array { end, .. } if at < stop && stop <= end as usize => stop = end as usize + 1,
                Op::NullableStruct { end } if at < stop && stop < end as usize => stop = end as usize,
                _ => {}
            }
        }
        if stop < end {
            self.ops[stop] = Op::End;
        }
    }
}

impl Field {
    fn is_tagged(&self, version: i16) -> bool {
        self.tag.is_some_and(|(_, versions): (u32, Versions)| versions.contains(version))
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
