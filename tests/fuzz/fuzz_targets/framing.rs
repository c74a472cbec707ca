//! Any octets, framed as a stream.

#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code)]
mod properties;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| properties::framing(octets));
