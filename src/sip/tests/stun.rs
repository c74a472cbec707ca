use crate::sip::stun::{Request, binding_request, binding_response, is_stun, parse, parse_response};
use std::net::SocketAddr;

const TRANSACTION: [u8; 12] = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";

/// A request with these attributes, each padded already.
fn request(attributes: &[u8]) -> Vec<u8> {
    let mut octets = vec![0, 1];
    octets.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
    octets.extend([0x21, 0x12, 0xA4, 0x42]);
    octets.extend(TRANSACTION);
    octets.extend(attributes);
    octets
}

fn plain() -> Request {
    parse(&request(&[])).unwrap()
}

fn source(octets: &str) -> SocketAddr {
    octets.parse().unwrap()
}

/// The value of the first attribute of that type.
fn attribute(response: &[u8], kind: u16) -> Option<&[u8]> {
    let mut rest = &response[20..];
    while rest.len() >= 4 {
        let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if u16::from_be_bytes([rest[0], rest[1]]) == kind {
            return Some(&rest[4..4 + len]);
        }
        rest = &rest[4 + len.next_multiple_of(4)..];
    }
    None
}

/// A FINGERPRINT's value, by another road than the code's: bit by bit. RFC 8489 §14.7.
fn fingerprint(covered: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for &octet in covered {
        crc ^= u32::from(octet);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    (!crc ^ 0x5354_554E).to_be_bytes()
}

fn has_right_fingerprint(octets: &[u8]) -> bool {
    let (covered, last) = octets.split_at(octets.len() - 8);
    last[..4] == [0x80, 0x28, 0, 4] && last[4..] == fingerprint(covered)
}

/// The sample request of RFC 5769 §2.1.
const SAMPLE: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
    \x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
    \x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\
    \x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
    \x80\x28\x00\x04\xe5\x7a\x3b\xcf";

#[test]
fn rfc5626_s8_the_first_octet_tells_stun_from_sip() {
    assert!(is_stun(&[0, 1]) && is_stun(&[1]));
    assert!(!is_stun(b"INVITE") && !is_stun(b"\r\n") && !is_stun(&[2]) && !is_stun(&[]));
}

#[test]
fn rfc5769_s2_1_the_sample_request_has_a_right_fingerprint_and_an_attribute_of_ice() {
    let request = parse(SAMPLE).unwrap();
    let response = binding_response(&request, source("192.0.2.1:32853"));
    // PRIORITY is comprehension-required and belongs to ICE, which is not spoken here.
    assert_eq!(attribute(&response, 0x000A), Some(&[0, 0x24][..]));
}

#[test]
fn rfc8489_s14_7_a_wrong_fingerprint_is_not_answered() {
    // Transaction, text of SOFTWARE, the sum itself.
    for at in (8..20).chain(24..40).chain(SAMPLE.len() - 4..SAMPLE.len()) {
        let mut octets = SAMPLE.to_vec();
        octets[at] ^= 0x10;
        assert_eq!(parse(&octets), None, "octet {at}");
    }
}

#[test]
fn rfc8489_s14_7_a_fingerprint_is_the_last_attribute() {
    let with = |behind: &[u8]| {
        let mut octets = request(&[&[0x80, 0x28, 0, 4, 0, 0, 0, 0], behind].concat());
        let sum = fingerprint(&octets[..20]);
        octets[24..28].copy_from_slice(&sum);
        octets
    };
    assert!(parse(&with(&[])).is_some());
    assert_eq!(parse(&with(&[0x80, 0x22, 0, 0])), None);
}

#[test]
fn rfc5769_s2_2_an_ipv4_address_is_xored_with_the_cookie() {
    let response = binding_response(&plain(), source("192.0.2.1:32853"));
    assert_eq!(response[..2], [1, 1]);
    assert_eq!(response[4..8], [0x21, 0x12, 0xA4, 0x42]);
    assert_eq!(response[8..20], TRANSACTION);
    assert_eq!(attribute(&response, 0x0020), Some(&b"\x00\x01\xa1\x47\xe1\x12\xa6\x43"[..]));
    assert!(has_right_fingerprint(&response));
}

#[test]
fn rfc5769_s2_3_an_ipv6_address_is_xored_with_cookie_and_transaction() {
    let response = binding_response(&plain(), source("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
    assert_eq!(
        attribute(&response, 0x0020),
        Some(&b"\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"[..])
    );
}

#[test]
fn a_mapped_ipv4_source_is_an_ipv4_address() {
    let response = binding_response(&plain(), source("[::ffff:192.0.2.1]:32853"));
    assert_eq!(attribute(&response, 0x0020), Some(&b"\x00\x01\xa1\x47\xe1\x12\xa6\x43"[..]));
}

#[test]
fn rfc8489_s5_the_length_counts_all_behind_the_header() {
    for response in [
        binding_response(&plain(), source("192.0.2.1:1")),
        binding_response(&plain(), source("[::1]:1")),
        binding_response(&parse(SAMPLE).unwrap(), source("192.0.2.1:1")),
    ] {
        assert_eq!(usize::from(u16::from_be_bytes([response[2], response[3]])), response.len() - 20);
    }
}

#[test]
fn rfc8489_s6_3_what_is_no_binding_request_is_not_answered() {
    let good = request(&[]);
    assert!(parse(&good).is_some());
    for (kind, why) in [(0x0011, "indication"), (0x0101, "success"), (0x0111, "error"), (0x0003, "Allocate")]
    {
        let mut octets = good.clone();
        octets[..2].copy_from_slice(&u16::to_be_bytes(kind));
        assert_eq!(parse(&octets), None, "{why}");
    }
}

#[test]
fn rfc8489_s6_3_cookie_and_length_have_to_be_right() {
    let good = request(&[]);
    for at in 4..8 {
        let mut octets = good.clone();
        octets[at] ^= 1;
        assert_eq!(parse(&octets), None, "cookie");
    }
    for end in 0..good.len() {
        assert_eq!(parse(&good[..end]), None, "{end} octets");
    }
    assert_eq!(parse(&[good, vec![0; 4]].concat()), None, "octets behind");
    assert_eq!(parse(&request(&[0x80, 0x22])), None, "no multiple of four");
    assert_eq!(parse(&request(&[0x80, 0x22, 0, 5, 1, 2, 3, 4])), None, "attribute beyond the end");
}

#[test]
fn rfc8489_s6_3_1_unknown_comprehension_required_attributes_are_420() {
    let request =
        parse(&request(&[0x7F, 1, 0, 0, 0x00, 0x24, 0, 1, 9, 0, 0, 0, 0x7F, 1, 0, 0, 0x80, 0x99, 0, 0]))
            .unwrap();
    let response = binding_response(&request, source("192.0.2.1:1"));
    assert_eq!(response[..2], [1, 0x11]);
    assert_eq!(attribute(&response, 0x0009), Some(&[0, 0, 4, 20][..]));
    assert_eq!(attribute(&response, 0x000A), Some(&[0x7F, 1, 0x00, 0x24][..]));
    assert_eq!(attribute(&response, 0x0020), None);
    assert!(has_right_fingerprint(&response));
}

#[test]
fn rfc8489_s14_unknown_comprehension_optional_attributes_are_left_aside() {
    let request = parse(&request(&[0x80, 0x22, 0, 3, b'a', b'b', b'c', 0, 0xC0, 1, 0, 0])).unwrap();
    assert_eq!(binding_response(&request, source("192.0.2.1:1"))[..2], [1, 1]);
}

#[test]
fn a_forged_source_gains_at_most_twice_what_it_sends() {
    let mut attributes = Vec::new();
    for kind in 0x7000_u16..0x7040 {
        let octets = request(&attributes);
        let answer = binding_response(&parse(&octets).unwrap(), source("192.0.2.1:1"));
        assert!(answer.len() <= 2 * octets.len(), "{} to {}", answer.len(), octets.len());
        attributes.extend(kind.to_be_bytes());
        attributes.extend([0, 0]);
    }
}

#[test]
fn a_forged_ipv6_source_gains_as_little_as_the_address_allows() {
    // The address alone is 24 octets behind a header of 20: a bare request is answered without the optional FINGERPRINT.
    assert_eq!(binding_response(&plain(), source("[2001:db8::1]:1")).len(), 44);
}

#[test]
fn rfc5626_s8_a_keep_alive_request_has_no_attributes_and_is_answered() {
    let octets = binding_request(TRANSACTION);
    assert_eq!(octets[..], request(&[]));
    for address in ["192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"] {
        let answer = binding_response(&parse(&octets).unwrap(), source(address));
        let read = parse_response(&answer).unwrap();
        assert_eq!((read.transaction, read.outcome), (TRANSACTION, Ok(source(address))));
        assert_eq!(parse(&answer), None, "a response is no request");
    }
    assert_eq!(parse_response(&octets), None, "a request is no response");
}

#[test]
fn rfc8489_s14_8_an_error_response_has_a_code() {
    let request = parse(&request(&[0x7F, 1, 0, 0])).unwrap();
    let read = parse_response(&binding_response(&request, source("192.0.2.1:1"))).unwrap();
    assert_eq!((read.transaction, read.outcome), (TRANSACTION, Err(420)));
}

#[test]
fn rfc8489_s6_3_3_what_says_nothing_is_no_response() {
    let response = |kind: u16, attributes: &[u8]| {
        let mut octets = request(attributes);
        octets[..2].copy_from_slice(&kind.to_be_bytes());
        parse_response(&octets).map(|response| response.outcome)
    };
    let mapped = b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43";
    assert_eq!(response(0x0101, mapped), Some(Ok(source("192.0.2.1:32853"))));
    assert_eq!(response(0x0101, &[]), None, "no address");
    assert_eq!(
        response(0x0101, b"\x00\x20\x00\x08\x00\x02\xa1\x47\xe1\x12\xa6\x43"),
        None,
        "too short for IPv6"
    );
    assert_eq!(response(0x0101, b"\x00\x20\x00\x04\x00\x01\xa1\x47"), None, "a port alone");
    assert_eq!(response(0x0111, &[]), None, "no code");
    assert_eq!(response(0x0102, mapped), None, "not a Binding");
    let unknown = [&b"\x7f\x01\x00\x00"[..], mapped].concat();
    assert_eq!(response(0x0101, &unknown), Some(Err(420)), "what has to be understood and is not");
}
