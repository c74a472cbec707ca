//! Flow tokens: whatever flow makes one, and whatever text is taken for one.

use flowhold_cluster::flow::{FlowId, NodeRun};
use flowhold_cluster::token::{FlowToken, KeyRing, MAX_NODE, Over, TokenError, key_id};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::sync::LazyLock;

static KEYS: LazyLock<KeyRing> =
    LazyLock::new(|| ring([(1, b"the first secret, long enough"), (2, b"the second one, also long enough")]));
static OTHERS: LazyLock<KeyRing> = LazyLock::new(|| {
    ring([(1, b"another secret, long enough too"), (2, b"and one more that is long enough")])
});

fn ring(secrets: [(u8, &'static [u8]); 2]) -> KeyRing {
    KeyRing::new(secrets).expect("two keys")
}

/// A text that may be a token; and a flow made of the same octets, its token, and that token with one octet changed.
pub(crate) fn token(octets: &[u8]) {
    match KEYS.open(octets) {
        Ok(token) => {
            // The second key only reads.
            assert!(KEYS.seal(&token).as_bytes() == octets || key_id(octets) == Ok(2));
            assert_eq!(OTHERS.open(octets), Err(TokenError::Forged));
        }
        Err(TokenError::NotAToken) => {}
        Err(_) => assert!(key_id(octets).is_ok(), "it has the form of a token"),
    }
    let Some((token, at, change)) = flow(octets) else { return };
    let text = KEYS.seal(&token);
    assert_eq!(KEYS.open(text.as_bytes()).as_ref(), Ok(&token));
    assert_eq!(OTHERS.open(text.as_bytes()), Err(TokenError::Forged));
    let mut changed = text.clone().into_bytes();
    let at = usize::from(at) % changed.len();
    changed[at] ^= change;
    assert!(change == 0 || KEYS.open(&changed).is_err(), "{text} with octet {at} changed");
    changed.truncate(at);
    assert!(KEYS.open(&changed).is_err(), "{text} cut off");
}

/// A flow, and what is changed in its token.
fn flow(octets: &[u8]) -> Option<(FlowToken, u8, u8)> {
    let (&[at, change, kind], rest) = octets.split_first_chunk()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (worker, rest) = rest.split_first_chunk()?;
    let (slot, rest) = rest.split_first_chunk()?;
    let (generation, rest) = rest.split_first_chunk()?;
    let (ip, rest) = rest.split_first_chunk::<16>()?;
    let (port, rest) = rest.split_first_chunk()?;
    let (scope, node) = rest.split_first_chunk()?;
    let port = u16::from_be_bytes(*port);
    let v6 = |scope| Over::Udp(SocketAddr::V6(SocketAddrV6::new((*ip).into(), port, 0, scope)));
    let over = match kind % 7 {
        0 => Over::Tcp,
        1 => Over::Tls,
        2 => Over::Ws,
        3 => Over::Wss,
        4 => Over::Udp((Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3]), port).into()),
        5 => v6(0),
        _ => v6(u32::from_be_bytes(*scope)),
    };
    let node = std::str::from_utf8(node).ok().filter(|node| (1..=MAX_NODE).contains(&node.len()))?;
    let token = FlowToken {
        run: NodeRun { node: node.into(), epoch: u64::from_be_bytes(*epoch) },
        flow: FlowId {
            worker: u16::from_be_bytes(*worker),
            slot: u32::from_be_bytes(*slot),
            generation: u32::from_be_bytes(*generation),
        },
        over,
    };
    Some((token, at, change))
}
