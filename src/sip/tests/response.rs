use super::{message, text, wire};
use crate::sip::{Name, Response};
use bytes::Bytes;

const REQUEST: &str = "INVITE sip:b@example.com SIP/2.0\nv: SIP / 2.0/UDP a;rport ;branch=z9hG4bKx,\n SIP/2.0/UDP b\n\
                       f: \"A\"\n <sip:a@example.com>;tag=1\nVia: SIP/2.0/UDP c\nt: <sip:b@example.com>\ni: id\n\
                       Timestamp: 54\nCSeq: 1 INVITE\nMax-Forwards: 70\nl: 4\n\nbody";

#[test]
fn s8_2_6_2_a_response_has_the_via_from_to_call_id_and_cseq_of_its_request() {
    let request = message(REQUEST);
    let response = Response::to(&request, 486, "Busy Here").to_tag("xyz").header("Retry-After", "5").finish();
    let expected = "SIP/2.0 486 Busy Here\nVia: SIP / 2.0/UDP a;rport ;branch=z9hG4bKx,\n SIP/2.0/UDP b\n\
                    Via: SIP/2.0/UDP c\nFrom: \"A\"\n <sip:a@example.com>;tag=1\nTo: <sip:b@example.com>;tag=xyz\n\
                    Call-ID: id\nCSeq: 1 INVITE\nRetry-After: 5\nContent-Length: 0\n\n";
    assert_eq!(text(&response.to_bytes()), text(&wire(expected)));
    assert_eq!(response.pieces().len(), 1);
}

#[test]
fn rfc3581_s4_the_topmost_via_tells_the_source() {
    let request = message(REQUEST);
    let response =
        Response::to(&request, 200, "OK").source("192.0.2.1".parse().unwrap(), 9988).finish().to_bytes();
    assert!(text(&response).starts_with(
        "SIP/2.0 200 OK\r\nVia: SIP / 2.0/UDP a;rport=9988 ;branch=z9hG4bKx;received=192.0.2.1,\r\n SIP/2.0/UDP b\r\nVia"
    ));
}

#[test]
fn s8_2_6_2_a_tag_that_is_there_stays() {
    let request = message(&REQUEST.replace("t: <sip:b@example.com>", "t: <sip:b@example.com>;TAG=old"));
    let response =
        super::Message::parse(Response::to(&request, 481, "x").to_tag("new").finish().to_bytes()).unwrap();
    assert_eq!(text(response.first(Name::To).unwrap()), "<sip:b@example.com>;TAG=old");
}

#[test]
fn s8_2_6_2_a_tag_in_the_uri_is_none() {
    let request = message(&REQUEST.replace("t: <sip:b@example.com>", "t: <sip:b@example.com;tag=uri>"));
    let response =
        super::Message::parse(Response::to(&request, 481, "x").to_tag("new").finish().to_bytes()).unwrap();
    assert_eq!(text(response.first(Name::To).unwrap()), "<sip:b@example.com;tag=uri>;tag=new");
}

#[test]
fn s8_2_6_1_a_100_has_the_timestamp_and_no_other_response_does() {
    let request = message(REQUEST);
    let timestamp = |status| {
        let response = Response::to(&request, status, "x").finish().to_bytes();
        super::Message::parse(response).unwrap().first(Name::Timestamp).map(<[u8]>::to_vec)
    };
    assert_eq!(timestamp(100), Some(b"54".to_vec()));
    assert_eq!(timestamp(180), None);
}

#[test]
fn a_body_is_counted() {
    let request = message(REQUEST);
    let response = Response::to(&request, 200, "OK")
        .header(Name::ContentType, "text/plain")
        .body(Bytes::from_static(b"hello"))
        .finish();
    assert!(
        text(&response.to_bytes()).ends_with("Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
    );
}

#[test]
fn what_the_request_lacks_the_response_lacks() {
    let request = message("OPTIONS sip:b SIP/2.0\nVia: SIP/2.0/UDP a\n\n");
    let response = Response::to(&request, 400, "Bad").to_tag("x").finish();
    assert_eq!(
        text(&response.to_bytes()),
        "SIP/2.0 400 Bad\r\nVia: SIP/2.0/UDP a\r\nContent-Length: 0\r\n\r\n"
    );
}
