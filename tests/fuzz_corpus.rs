//! The fuzz targets' corpus, each file through the same properties as the fuzzer checks.
#![allow(clippy::unwrap_used)]

#[path = "fuzz/properties/mod.rs"]
mod properties;

use std::path::Path;

fn each(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let octets = std::fs::read(&path).unwrap();
        // Shown when the property fails.
        println!("{}", path.display());
        property(&octets);
        files += 1;
    }
    assert!(files > 0, "{target} has a corpus");
}

#[test]
fn messages_keep_their_properties() {
    each("message", properties::message);
}

#[test]
fn streams_keep_their_properties() {
    each("framing", properties::framing);
}

#[test]
fn uris_keep_their_properties() {
    each("uri", properties::uri);
}

#[test]
fn stun_keeps_its_properties() {
    each("stun", properties::stun);
}

#[test]
fn changes_keep_their_properties() {
    each("edit", properties::edit);
}

#[test]
fn tokens_keep_their_properties() {
    each("token", properties::token);
}

#[test]
fn digests_keep_their_properties() {
    each("digest", properties::digest);
}

#[test]
fn headers_of_balancers_keep_their_properties() {
    each("proxy_protocol", properties::proxy_protocol);
}

#[test]
fn websockets_keep_their_properties() {
    each("websocket", properties::websocket);
}
