//! What a script returns.

/// What a script returns. Errors never come this far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// `false` or `nil`.
    Nil,
    /// A number. Lua's are cut to whole ones by Redis.
    Number(i64),
    /// A string.
    Octets(Vec<u8>),
    /// A table, up to its first `nil`.
    List(Vec<Value>),
}

impl Value {
    /// A string's octets.
    pub fn octets(&self) -> Option<&[u8]> {
        match self {
            Self::Octets(octets) => Some(octets),
            _ => None,
        }
    }

    /// A number.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A table's values.
    pub fn list(self) -> Option<Vec<Self>> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }
}
