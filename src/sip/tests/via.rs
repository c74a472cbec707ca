use super::text;
use crate::sip::{Fault, Transport, Via, response_target};

fn via(value: &str) -> Via<'_> {
    Via::parse(value.as_bytes()).unwrap()
}

#[test]
fn s20_42_a_via_is_protocol_sent_by_and_parameters() {
    let via = via("SIP/2.0/UDP erlang.example.com:5060;received=192.0.2.207;branch=z9hG4bK87asdks7;x");
    assert_eq!(via.transport(), Some(Transport::Udp));
    assert_eq!(text(via.host()), "erlang.example.com");
    assert_eq!(via.port(), Some(5060));
    assert_eq!(text(via.sent_by()), "erlang.example.com:5060");
    assert_eq!(via.received(), Some("192.0.2.207".parse().unwrap()));
    assert_eq!(via.branch().unwrap(), b"z9hG4bK87asdks7");
    assert!(via.params().has("X"));
}

#[test]
fn s20_42_white_space_may_stand_around_each_separator() {
    let via =
        via("SIP  /\r\n  2.0 / tcp     first.example.com : 4000 ;\r\n  branch  =   z9hG4bK9ikj8  ;rport");
    assert_eq!(via.transport(), Some(Transport::Tcp));
    assert_eq!((text(via.host()), via.port()), ("first.example.com", Some(4000)));
    assert_eq!(via.branch().unwrap(), b"z9hG4bK9ikj8");
    assert_eq!(via.rport(), Some(None));
}

#[test]
fn s20_42_an_ipv6_host_stands_in_brackets() {
    let via = via("SIP/2.0/TLS [2001:db8::9:1]:5061;received=2001:db8::9:255;branch=z9hG4bKa");
    assert_eq!(via.host_addr(), Some("2001:db8::9:1".parse().unwrap()));
    assert_eq!(via.port(), Some(5061));
    // RFC 5118 §4.5: a bare address in received is read, and so is one in brackets.
    assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
    let bracketed = self::via("SIP/2.0/TLS [::1];received=[2001:db8::9:255]");
    assert_eq!(bracketed.received(), via.received());
}

#[test]
fn s20_42_an_unknown_transport_is_read_as_it_came() {
    let via = via("SIP/2.0/SCTP t2.example.com");
    assert_eq!(via.transport(), None);
    assert_eq!(via.transport_bytes(), b"SCTP");
}

#[test]
fn s20_42_a_malformed_via_is_a_fault() {
    for value in [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 UDP host",
        "SIP/2.0/UDP host;",
        "SIP/2.0/UDP host;;branch=x",
        "SIP/2.0/UDP host;branch=",
        "SIP/2.0/UDP host:",
        "SIP/2.0/UDP host:65536",
        "SIP/2.0/UDP host:5x",
        "SIP/2.0/UDP ho st",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP [host]",
        "SIP/2.0/UDP 2001:db8::1",
        "SIP/2.0/UDP host;x=\"y",
        "SIP/2.0/UDP <host>",
    ] {
        assert_eq!(Via::parse(value.as_bytes()).map(|_| ()), Err(Fault::Via), "{value}");
    }
}

#[test]
fn s8_1_1_7_a_branch_is_unique_by_its_cookie_and_what_follows() {
    assert_eq!(via("SIP/2.0/UDP h;branch=z9hG4bKx").unique_branch().unwrap(), b"z9hG4bKx");
    for value in ["SIP/2.0/UDP h;branch=z9hG4bK", "SIP/2.0/UDP h;branch=390skdjuw", "SIP/2.0/UDP h"] {
        assert_eq!(via(value).unique_branch(), None, "{value}");
    }
}

#[test]
fn rfc3581_s3_rport_is_absent_asked_for_or_filled_in() {
    assert_eq!(via("SIP/2.0/UDP h").rport(), None);
    assert_eq!(via("SIP/2.0/UDP h;rport").rport(), Some(None));
    assert_eq!(via("SIP/2.0/UDP h;rport=9988").rport(), Some(Some(9988)));
    assert_eq!(via("SIP/2.0/UDP h;rport=99999").rport(), Some(None));
}

#[test]
fn s18_2_2_a_response_goes_to_received_and_rport_first() {
    for (value, target) in [
        ("SIP/2.0/UDP 192.0.2.1", Some("192.0.2.1:5060")),
        ("SIP/2.0/TLS 192.0.2.1", Some("192.0.2.1:5061")),
        ("SIP/2.0/UDP 192.0.2.1:7000", Some("192.0.2.1:7000")),
        ("SIP/2.0/UDP 192.0.2.1:7000;received=192.0.2.2", Some("192.0.2.2:7000")),
        ("SIP/2.0/UDP 10.1.1.1:4540;received=192.0.2.1;rport=9988", Some("192.0.2.1:9988")),
        ("SIP/2.0/UDP [2001:db8::1]", Some("[2001:db8::1]:5060")),
        ("SIP/2.0/UDP host.example.com", None),
    ] {
        assert_eq!(response_target(&via(value)), target.map(|target| target.parse().unwrap()), "{value}");
    }
}

#[test]
fn rfc4475_s3_3_10_no_response_goes_to_everyone() {
    for host in ["255.255.255.255", "224.0.1.75", "0.0.0.0", "[ff02::1]", "[::]"] {
        assert_eq!(response_target(&via(&format!("SIP/2.0/UDP {host}"))), None, "{host}");
    }
}
