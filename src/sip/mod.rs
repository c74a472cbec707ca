//! SIP on the wire: octets in, values out. Pure; knows no socket, no clock and nothing else of Flowhold.
//!
//! | concept | file |
//! | --- | --- |
//! | a message: one `Bytes` and an index of offsets | `message.rs`, `index.rs` |
//! | what every element checks | `validate.rs`, `fault.rs` |
//! | how much a message may hold | `shape.rs` |
//! | names of header fields, methods, transports | `name.rs`, `method.rs` |
//! | typed views, made when asked for | `via.rs`, `address.rs`, `params.rs`, `uri/` |
//! | forwarding as a list of slices | `edit.rs`, `wire.rs` |
//! | requests and responses of our own | `request.rs`, `response.rs` |
//! | `received` and `rport` | `source.rs` |
//! | which addresses are one peer | `peer.rs` |
//! | messages and pings in a stream | `framing.rs` |
//! | the same in WebSocket: handshake, frames | `websocket/` |
//! | STUN Binding on a SIP port, both sides | `stun/` |
//! | digest authentication, both sides | `digest/` |

mod address;
pub mod digest;
mod edit;
mod fault;
mod framing;
mod index;
mod lex;
mod message;
mod method;
mod name;
mod params;
mod peer;
mod request;
mod response;
mod shape;
mod source;
pub mod stun;
#[cfg(test)]
mod tests;
mod uri;
mod validate;
mod via;
pub mod websocket;
mod wire;

pub use address::Address;
pub use edit::Edit;
pub use fault::{Fault, Unintelligible};
pub use framing::{Frame, Framer, Refusal};
pub use message::{CSeq, Message};
pub use method::{Method, Transport};
pub use name::Name;
pub use params::{Params, unquote};
pub use peer::peer_of;
pub use request::Request;
pub use response::Response;
pub use shape::{Misshapen, Shape};
pub use source::response_target;
pub use uri::{ComparisonKey, Scheme, Uri};
pub use via::{MAGIC_COOKIE, Via};
pub use wire::Wire;
