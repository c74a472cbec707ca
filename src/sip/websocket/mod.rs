//! SIP over WebSocket, RFC 7118: the opening handshake, and frames (RFC 6455) as the server takes and sends them.
//!
//! ```text
//!             request that asks for `sip` / 101         Close, or a rule broken / Close
//!   connected --------------------------------> frames ---------------------------------> closed
//!       | any other request / 4xx                |  ^
//!       v                                        '--' a message, a Ping, a Pong
//!     closed
//! ```
//!
//! - `handshake`: the request that opens it, and what it is answered
//! - `header`: what each frame begins with
//! - `receiver`: octets in; messages, Pings, Pongs and a Close out
//! - `sender`: frames out
//!
//! The frames are read here and not by a library because an idle flow then keeps no buffer at all: a message is unmasked
//! straight from the octets that all connections of a worker are read into. A library's own buffer stays with each
//! connection and is as large as the longest message that came.

mod handshake;
mod header;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

pub use handshake::{Reject, Terms, Upgrade, accept, find_end};
pub use receiver::{Event, Fault, Receiver};
pub use sender::{Code, PONGS_PER_SLICE, close, is_text, message, ping, pong, pongs};

/// What is in the frames of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any octets.
    Binary,
}
