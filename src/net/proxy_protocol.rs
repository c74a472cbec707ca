//! The PROXY protocol, versions 1 and 2: what a load balancer says of the client in front of a connection's own octets.
//!
//! [`parse`] is pure. [`receive`] takes off a stream the header and not an octet more: it looks at what is there without
//! taking it, takes all of it while the header is not whole (then all of it is header), and the rest of the header at last.
//!
//! A header is believed as it stands, so it is asked for only where the peer is known to be a load balancer.

use std::io;
use std::net::SocketAddr;

use ppp::{PartialResult, v1, v2};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The longest header of version 1, with its CRLF, that there can be.
const LONGEST_V1: usize = 107;

/// More than balancers say of a client in version 2, a TLS certificate's name included; 65,551 could be said.
const LONGEST_V2: usize = 4 << 10;

/// Octets looked at in one go.
const AT_ONCE: usize = 512;

const V1_BEGINS: &[u8] = b"PROXY ";
const V1_UNKNOWN: &[u8] = b"UNKNOWN";

/// A header that is there as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The client's address; none where the balancer speaks for itself (LOCAL) or cannot say (UNKNOWN).
    pub client: Option<SocketAddr>,
    /// Octets of the header.
    pub length: usize,
}

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The peer closed before the first octet, as some health checks do.
    #[error("the peer closed before it said anything")]
    Silent,
    /// The octets are those of something else.
    #[error("no PROXY protocol header")]
    Missing,
    /// The peer closed in the middle of it.
    #[error("the PROXY protocol header breaks off")]
    BreaksOff,
    /// It is longer than any that makes sense.
    #[error("the PROXY protocol header is too long")]
    TooLong,
    /// It begins as one and is none.
    #[error("the PROXY protocol header does not parse: {0}")]
    Malformed(String),
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The header that `octets` begin with; `None` while they are the beginning of one.
pub fn parse(octets: &[u8]) -> Result<Option<Header>, Fault> {
    if begins(octets, V1_BEGINS) {
        parse_v1(octets)
    } else if begins(octets, v2::PROTOCOL_PREFIX) {
        parse_v2(octets)
    } else {
        Err(Fault::Missing)
    }
}

/// Whether `octets` begin so, as far as there are any.
fn begins(octets: &[u8], so: &[u8]) -> bool {
    let both = octets.len().min(so.len());
    octets[..both] == so[..both]
}

fn parse_v1(octets: &[u8]) -> Result<Option<Header>, Fault> {
    let possible = &octets[..octets.len().min(LONGEST_V1)];
    // The parser takes a whole line only: a line that stops in front of its last number counts as wrong there.
    let Some(end) = possible.windows(2).position(|pair| pair == b"\r\n") else {
        return if octets.len() < LONGEST_V1 { Ok(None) } else { Err(Fault::TooLong) };
    };
    let header = |client: Option<SocketAddr>| Ok(Some(Header { client, length: end + 2 }));
    // Whatever follows this word is to be ignored.
    let rest = octets[V1_BEGINS.len()..end].strip_prefix(V1_UNKNOWN);
    if rest.is_some_and(|rest| rest.is_empty() || rest[0] == b' ') {
        return header(None);
    }
    match v1::Header::try_from(&octets[..end + 2]).map_err(malformed)?.addresses {
        v1::Addresses::Tcp4(of) => header(Some((of.source_address, of.source_port).into())),
        v1::Addresses::Tcp6(of) => header(Some((of.source_address, of.source_port).into())),
        v1::Addresses::Unknown => header(None),
    }
    .map(|found| found.map(canonical))
}

fn parse_v2(octets: &[u8]) -> Result<Option<Header>, Fault> {
    let parsed = v2::Header::try_from(octets);
    if let Err(v2::ParseError::Partial(_, length)) = parsed
        && length > LONGEST_V2
    {
        return Err(Fault::TooLong);
    }
    if parsed.is_incomplete() {
        return Ok(None);
    }
    let header = parsed.map_err(malformed)?;
    let client = match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(of)) => Some((of.source_address, of.source_port).into()),
        (v2::Command::Proxy, v2::Addresses::IPv6(of)) => Some((of.source_address, of.source_port).into()),
        // A balancer that checks, and clients that have no IP address.
        (v2::Command::Local, _) | (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
    };
    Ok(Some(canonical(Header { client, length: header.len() })))
}

/// A balancer that listens on both families may show an IPv4 client as an IPv6 one: it counts as what it is.
fn canonical(header: Header) -> Header {
    let client = header.client.map(|client| SocketAddr::new(client.ip().to_canonical(), client.port()));
    Header { client, ..header }
}

fn malformed(error: impl std::error::Error) -> Fault {
    Fault::Malformed(error.to_string())
}

/// Takes the header off the stream, and leaves there what follows it.
pub async fn receive(stream: &mut TcpStream) -> Result<Option<SocketAddr>, Fault> {
    let mut octets = Vec::new();
    loop {
        let taken = octets.len();
        octets.resize(taken + AT_ONCE, 0);
        let found = stream.peek(&mut octets[taken..]).await?;
        if found == 0 {
            return Err(if taken == 0 { Fault::Silent } else { Fault::BreaksOff });
        }
        octets.truncate(taken + found);
        let header = parse(&octets)?;
        let end = header.map_or(octets.len(), |header| header.length);
        stream.read_exact(&mut octets[taken..end]).await?;
        if let Some(header) = header {
            return Ok(header.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    /// `kind` is family and protocol; `addresses` the rest of the header.
    fn v2(command: u8, kind: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, kind], &length, addresses].concat()
    }

    const IPV4: &[u8] = &[192, 0, 2, 7, 198, 51, 100, 1, 0x9C, 0x40, 0x13, 0xC4];

    fn whole() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let v6 = |source: &str| {
            let source: std::net::Ipv6Addr = source.parse().unwrap();
            [&source.octets()[..], &[0; 16], &[0x9C, 0x40, 0x13, 0xC4]].concat()
        };
        vec![
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 5060\r\n".to_vec(), Some("192.0.2.7:40000")),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 5060\r\n".to_vec(), Some("[2001:db8::7]:40000")),
            (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 40000 5060\r\n".to_vec(), Some("192.0.2.7:40000")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN whatever stands here is to be ignored\r\n".to_vec(), None),
            (v2(1, 0x11, IPV4), Some("192.0.2.7:40000")),
            (v2(1, 0x11, &[IPV4, &[0x04, 0, 2, 0, 0]].concat()), Some("192.0.2.7:40000")),
            (v2(1, 0x21, &v6("2001:db8::7")), Some("[2001:db8::7]:40000")),
            (v2(1, 0x21, &v6("::ffff:192.0.2.7")), Some("192.0.2.7:40000")),
            (v2(0, 0x00, &[]), None),
            (v2(0, 0x11, IPV4), None),
            (v2(1, 0x00, &[1, 2, 3]), None),
            (v2(1, 0x31, &[0; 216]), None),
        ]
    }

    #[test]
    fn a_header_says_who_the_client_is_and_where_it_ends() {
        for (octets, client) in whole() {
            let client = client.map(|client| client.parse().unwrap());
            let expected = Header { client, length: octets.len() };
            for behind in [&b""[..], b"REGISTER sip:example.com SIP/2.0\r\n", b"\r\n\r\n"] {
                let header = parse(&[&octets, behind].concat()).unwrap();
                assert_eq!(header, Some(expected), "{}", octets.escape_ascii());
            }
        }
    }

    #[test]
    fn any_beginning_of_a_header_is_waited_for() {
        for (octets, _) in whole() {
            for length in 0..octets.len() {
                let beginning = &octets[..length];
                assert!(matches!(parse(beginning), Ok(None)), "{}", beginning.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_no_header_is_found_with_the_first_octet_that_differs() {
        for octets in [&b"R"[..], b"PRACK", b"PROXYS", b"\r\n\r\n\r", b"\n", b"\x16\x03\x01"] {
            assert!(matches!(parse(octets), Err(Fault::Missing)), "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn a_header_that_goes_on_too_long_is_not_waited_for() {
        let endless = [b"PROXY TCP4 ", &[b'1'; 200][..]].concat();
        assert!(matches!(parse(&endless[..LONGEST_V1 - 1]), Ok(None)));
        assert!(matches!(parse(&endless[..LONGEST_V1]), Err(Fault::TooLong)));
        assert!(matches!(parse(&v2(1, 0x11, &[0; 5000])[..16]), Err(Fault::TooLong)));
    }

    #[test]
    fn a_header_that_says_what_there_is_not_is_refused() {
        for octets in [
            b"PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.777 198.51.100.1 40000 5060\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 198.51.100.1 70000 5060\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::7 2001:db8::1 40000 5060\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 5060 \r\n".to_vec(),
            b"PROXY UDP4 192.0.2.7 198.51.100.1 40000 5060\r\n".to_vec(),
            b"PROXY UNKNOWNS\r\n".to_vec(),
            b"PROXY \xFF\xFE\r\n".to_vec(),
            b"PROXY \r\n".to_vec(),
            v2(2, 0x11, IPV4),
            v2(1, 0x41, IPV4),
            v2(1, 0x13, IPV4),
            v2(1, 0x11, &IPV4[1..]),
            [v2::PROTOCOL_PREFIX, &[0x11, 0x11, 0, 0]].concat(),
        ] {
            assert!(matches!(parse(&octets), Err(Fault::Malformed(_))), "{}", octets.escape_ascii());
        }
    }

    #[tokio::test]
    async fn what_follows_a_header_stays_in_the_stream_however_it_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for (octets, client) in whole() {
            for cut in [1, 7, 1000] {
                let mut balancer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                balancer.set_nodelay(true).unwrap();
                let (mut stream, _) = listener.accept().await.unwrap();
                let sent = [&octets[..], b"OPTIONS"].concat();
                let sending = tokio::spawn(async move {
                    for part in sent.chunks(cut) {
                        balancer.write_all(part).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                });
                let said = receive(&mut stream).await.unwrap();
                assert_eq!(said.map(|said| said.to_string()).as_deref(), client);
                sending.await.unwrap();
                let mut rest = String::new();
                stream.read_to_string(&mut rest).await.unwrap();
                assert_eq!(rest, "OPTIONS");
            }
        }
    }
}
