//! Any octets, read as a flow token, or a flow.

#![no_main]

#[path = "../properties/mod.rs"]
#[allow(dead_code, unused_imports)]
mod properties;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| properties::token(octets));
