//! Any octets, read as the handshake and the frames of a WebSocket.

#![no_main]

#[path = "../properties/mod.rs"]
#[allow(dead_code, unused_imports)]
mod properties;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| properties::websocket(octets));
