//! What a configuration key is. Every key stands once, in [`super::key_table`]: reading it, warning about it and documenting
//! it all go from that row.

pub use super::key_table::*;

/// The type of a value and what it is checked against; the error texts are those of Kafka's ConfigDef.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A 32-bit integer of at least this.
    Int(i32),
    /// A 64-bit integer of at least this.
    Long(i64),
    /// A 16-bit integer of at least the first and at most the second.
    Short(i16, i16),
    /// A number with a fraction, from the first to the second.
    Double(&'static str, &'static str),
    /// `true` or `false`, in any case.
    Bool,
    /// Any text.
    Text,
    /// One of these, in exactly this case.
    Choice(&'static [&'static str]),
    /// Elements separated by commas, blanks around them cut off.
    List,
    /// Text that is never shown.
    Password,
}

impl Kind {
    /// Kafka's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::Long(_) => "long",
            Self::Short(..) => "short",
            Self::Double(..) => "double",
            Self::Bool => "boolean",
            Self::Text | Self::Choice(_) => "string",
            Self::List => "list",
            Self::Password => "password",
        }
    }
}

/// What holds where a key is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// This value.
    Fixed(&'static str),
    /// A value that follows from others or from the machine, in words.
    Derived(&'static str),
    /// Nothing.
    Unset,
    /// It must be set.
    Required,
}

/// Where a key may stand. With a prefix it is `listener.name.<listener>.K` or `listener.name.<listener>.<mechanism>.K`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Without prefix only; a prefix is ineffective.
    Broker,
    /// Without prefix, or with a listener's.
    Listener,
    /// With a listener's prefix only.
    ListenerOnly,
    /// Without prefix, with a listener's, or with that of a listener and mechanism.
    Mechanism,
    /// With the prefix of a listener and mechanism only.
    MechanismOnly,
}

/// One row of the table.
#[derive(Debug)]
pub struct Key {
    /// The key without prefix; `<...>` stands for a part that the user chooses.
    pub name: &'static str,
    /// Type and validator.
    pub kind: Kind,
    /// Default.
    pub default: Default,
    /// Where it may stand.
    pub scope: Scope,
    /// Whether a reload may change it.
    pub reloadable: bool,
    /// The section of the documentation that it is in.
    pub group: &'static str,
    /// One paragraph for the user.
    pub doc: &'static str,
}

impl Key {
    /// Whether the value must never be shown.
    pub fn is_secret(&self) -> bool {
        self.kind == Kind::Password
    }

    /// Whether the name has a part that the user chooses.
    pub fn is_pattern(&self) -> bool {
        self.name.contains('<')
    }

    /// The row of this key without prefix.
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().copied().find(|key| key.name == name)
    }
}
