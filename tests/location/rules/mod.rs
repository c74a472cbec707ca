//! The rules, by what they are about. The section in a name is of RFC 3261 (s10) or RFC 5626 (s6, s7).

pub(crate) mod flows;
pub(crate) mod limit;
pub(crate) mod model;
pub(crate) mod order;
pub(crate) mod races;
pub(crate) mod remove;
pub(crate) mod replace;
pub(crate) mod time;
