//! What a load balancer says of a client.

use flowhold::net::proxy_protocol::{Header, parse};

/// The beginning of a connection.
pub(crate) fn proxy_protocol(octets: &[u8]) {
    // Octet by octet, because that is how they may come: what was said of fewer stays true.
    let mut known: Option<Result<Header, ()>> = None;
    for length in 0..=octets.len().min(128) {
        step(&octets[..length], &mut known);
    }
    step(octets, &mut known);
}

fn step(octets: &[u8], known: &mut Option<Result<Header, ()>>) {
    let found = parse(octets).map_err(drop).transpose();
    match (&*known, &found) {
        (Some(Ok(known)), _) => assert_eq!(found.as_ref(), Some(&Ok(*known)), "what follows changes nothing"),
        (Some(Err(())), _) => assert_eq!(found, Some(Err(())), "what is wrong stays wrong"),
        (None, Some(Ok(header))) => {
            assert!(header.length <= octets.len(), "it has come as a whole");
            assert!(header.client.is_none_or(|client| client.ip() == client.ip().to_canonical()));
        }
        (None, _) => {}
    }
    *known = found;
}
