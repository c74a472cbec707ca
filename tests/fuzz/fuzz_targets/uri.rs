//! Any octets, read as a URI.

#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code)]
mod properties;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| properties::uri(octets));
