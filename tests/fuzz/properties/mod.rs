//! What holds for any octets whatever: checked by the fuzz targets, and over their corpus by `tests/fuzz_corpus.rs`.

mod digest;
mod edit;
mod proxy_protocol;
mod sip;
mod token;
mod websocket;

pub(crate) use digest::digest;
pub(crate) use edit::edit;
pub(crate) use proxy_protocol::proxy_protocol;
pub(crate) use sip::{framing, message, stun, uri};
pub(crate) use token::token;
pub(crate) use websocket::websocket;
