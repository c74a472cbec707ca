//! Any octets, read as changes and a message.

#![no_main]

#[path = "../properties/mod.rs"]
#[allow(dead_code, unused_imports)]
mod properties;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| properties::edit(octets));
