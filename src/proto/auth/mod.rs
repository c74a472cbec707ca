//! Digest authentication at the server: who has to prove who they are, and whether they did. RFC 3261 §22, RFC 7616,
//! RFC 8760.
//!
//! ```text
//!   request --> demand --+--> nothing to prove ------------------------------> on to registrar or proxy
//!                        |
//!                        +--> without credentials --> trusted flow? --yes----> on
//!                        |                                 |
//!                        |                                 no ---------------> 401, 407
//!                        |
//!                        +--> with credentials, and not our nonce for this address ---> 401, 407 with stale=true
//!                        |
//!                        +--> with credentials --> Question: the user's secret is looked up
//!                                                      |
//!                                  wrong ------------- finish --- right, nonce good, its own AOR --> on,
//!                                    |                   |                                          flow trusted
//!                                401, 407       stale: 401, 407 with stale=true
//!                                               another's AOR: 403
//! ```
//!
//! | concept | file |
//! | --- | --- |
//! | what is asked of which request | `demand.rs` |
//! | which of a request's credentials are looked at | `offered.rs` |
//! | credentials checked, and what becomes of the request | `authenticator.rs` |
//! | a nonce that every node of a cluster can check | `nonce.rs` |
//! | how often a nonce was used | `replay.rs` |
//! | flows that need not prove it again | `trust.rs` |
//! | who guesses passwords | `failures.rs` |
//! | what is stored of a user | `secrets.rs` |
//! | what was read of users, and for how long it is good | `known.rs` |
//! | which users have changed | `changed.rs` |
//! | the keys of all this | `keys.rs` |
//! | the responses | `answer.rs` |
//!
//! Authentication-Info is not sent: no UA is known that asks for the server's proof, and a forwarded response is the
//! callee's.

mod answer;
mod authenticator;
mod changed;
mod demand;
mod failures;
mod keys;
mod known;
mod nonce;
mod offered;
mod replay;
mod secrets;
mod trust;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use authenticator::{Authenticator, Found, Outcome, Question, Shared, Step};
pub use changed::Changed;
pub use demand::{Rules, Strangers, Upstream};
pub use failures::Failures;
pub use keys::Keys;
pub use known::{KnownUsers, Lifetimes};
pub use nonce::{Nonce, Nonces, Reading};
pub use replay::Replay;
pub use secrets::{Form, Secrets, User};
pub use trust::{Terms, Trust};
