//! The bench: what a node costs, as a ratio to the least that a server can cost.
//!
//! A figure of one machine says little on another, and on a machine with two cores the server shares them with the load.
//! So each figure is the CPU time which the *server's process* spent per operation (by its own clock, kernel time
//! included), and it is taken of two servers in turn in one run: the [`floor`], a bare responder on the same runtime,
//! and the node. The ratio of the two is what the table is about; times per operation stand beside it.
//!
//! | file | what is there |
//! | --- | --- |
//! | [`floor`] | the bare responder |
//! | [`server`], `member`, `redis`, [`process`] | a server under measurement, of one process or several: started, read (CPU, memory), ended |
//! | [`ua`], [`dialog`], [`wire`] | what a UA says, in a call and out of it, and how its answers are checked |
//! | [`login`] | how UAs prove who they are |
//! | [`over`], [`stream`], [`websocket`] | what flows run over |
//! | [`flow`], [`lane`] | one flow of a UA; the share of the flows which one of the window's places drives |
//! | [`rows`] | one file per row of the tables: a new row is a new file there |
//! | [`mod@drive`], [`driver`] | the closed loop: a fixed number of operations outstanding; the process that runs it |
//! | [`run`], [`report`] | the rounds, and the table |
//! | [`recovery`], [`curve`] | the UAs of a node that is killed, and the time until they are reachable again |
//!
//! Every answer is checked. One that is lost, wrong, or not asked for ends the run as failed: see [`Fault`].

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people: bytes, counts and nanoseconds far from the edges of f64"
)]
#![allow(clippy::similar_names, reason = "caller and callee are the standard's words")]

mod child;
pub mod curve;
pub mod dialog;
pub mod drive;
pub mod driver;
mod fault;
pub mod floor;
pub mod flow;
pub mod lane;
pub mod login;
mod member;
pub mod over;
pub mod process;
pub mod recovery;
mod redis;
pub mod report;
mod response;
pub mod rows;
pub mod run;
pub mod server;
pub mod stream;
pub mod ua;
pub mod websocket;
pub mod wire;

pub use fault::Fault;
