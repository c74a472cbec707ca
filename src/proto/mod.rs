//! proto

pub mod transaction;
