use crate::sip::{Message, Method, Name, Request};
use bytes::Bytes;

#[test]
fn rfc3261_s8_1_1_what_was_said_of_a_request_can_be_read() {
    let wire = Request::new("MESSAGE", "sip:bob@example.com")
        .header(Name::Via, "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK1")
        .header(Name::MaxForwards, "70")
        .header(Name::From, "<sip:alice@example.com>;tag=1")
        .header(Name::To, "<sip:bob@example.com>")
        .header(Name::CallId, "a")
        .header(Name::CSeq, "1 MESSAGE")
        .header("X-Other", b"\xFF")
        .body(Bytes::from_static(b"hello"))
        .finish();
    let message = Message::parse(wire.to_bytes()).unwrap();
    assert_eq!(message.validate(), Ok(()));
    assert_eq!((message.method(), message.request_uri()), (Method::Message, &b"sip:bob@example.com"[..]));
    assert_eq!((message.body(), message.number(Name::ContentLength)), (&b"hello"[..], Some(Ok(5))));
    assert_eq!(message.headers().nth(6), Some((&b"X-Other"[..], &b"\xFF"[..])));
}
