//! RFC 3261 §16.6: the request as it goes out.

use super::super::{Event, Proxy};
use super::scenario::*;
use crate::sip::{Message, Name, Transport, Via};

fn forwarded(text: &str) -> Sent {
    only(Scenario::new().request(text, alice()))
}

fn vias(message: &Message) -> Vec<String> {
    message.values(Name::Via).map(|via| String::from_utf8(via.to_vec()).unwrap()).collect()
}

#[test]
fn s16_6_what_is_not_named_leaves_as_it_came() {
    let text = request("MESSAGE", "TCP", "z9hG4bKa")
        .replace("Content-Length: 0\n\n", "X-Odd:   a ,b\nl: 5\n\nhallo");
    let sent = forwarded(&text);
    let tail = "\r\nFrom: \"Alice\" <sip:alice@example.com>;tag=alicetag\r\nTo: <sip:bob@example.com>\r\n\
        Call-ID: call-z9hG4bKa\r\nCSeq: 1 MESSAGE\r\nX-Odd:   a ,b\r\nl: 5\r\nMax-Breadth: 60\r\n\r\nhallo";
    assert!(sent.text().ends_with(tail), "{}", sent.text());
}

#[test]
fn s16_6_step_2_the_request_uri_is_the_bindings_contact() {
    let sent = forwarded(&request("MESSAGE", "TCP", "z9hG4bKa"));
    assert_eq!(sent.message.request_uri(), BOB_CONTACT.as_bytes());
    assert_eq!((sent.to, sent.transport), (bob().flow, Transport::Tcp));
}

#[test]
fn s16_6_step_2_headers_and_method_of_the_contact_do_not_get_into_the_request_uri() {
    for (contact, uri) in [
        ("sip:bob@10.0.0.2?Subject=x", "sip:bob@10.0.0.2"),
        ("sip:bob@10.0.0.2;transport=tcp?a=b&c=d", "sip:bob@10.0.0.2;transport=tcp"),
        ("sip:bob@10.0.0.2;method=INVITE;ob;x=1?a=b", "sip:bob@10.0.0.2;ob;x=1"),
    ] {
        let mut scenario = Scenario::with(settings(), &[binding(bob(), contact, "")]);
        let sent = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()));
        assert_eq!(str::from_utf8(sent.message.request_uri()).unwrap(), uri);
    }
}

#[test]
fn s16_6_step_3_max_forwards_goes_down_by_one_and_is_70_where_there_is_none() {
    let text = request("MESSAGE", "TCP", "z9hG4bKa");
    assert_eq!(forwarded(&text).first(Name::MaxForwards), "69");
    assert_eq!(forwarded(&text.replace("Max-Forwards: 70", "Max-Forwards: 1")).first(Name::MaxForwards), "0");
    assert_eq!(forwarded(&text.replace("Max-Forwards: 70\n", "")).first(Name::MaxForwards), "70");
}

#[test]
fn rfc3327_s5_3_the_bindings_path_becomes_the_route() {
    let path = "<sip:edge1.example.com;lr>, <sip:edge2.example.com;lr>";
    let mut scenario = Scenario::with(settings(), &[binding(bob(), BOB_CONTACT, path)]);
    let text = with_field(&request("MESSAGE", "TCP", "z9hG4bKa"), "Route: <sip:example.com;lr>");
    let sent = only(scenario.request(&text, alice()));
    let routes: Vec<&[u8]> = sent.message.values(Name::Route).collect();
    assert_eq!(routes, [b"<sip:edge1.example.com;lr>", b"<sip:edge2.example.com;lr>"]);
}

#[test]
fn s16_6_step_8_our_via_is_on_top_and_its_branch_tells_the_worker() {
    let sent = forwarded(&request("MESSAGE", "TCP", "z9hG4bKa"));
    let vias = vias(&sent.message);
    let ours = Via::parse(vias[0].as_bytes()).unwrap();
    assert_eq!((ours.transport(), ours.sent_by()), (Some(Transport::Tcp), &b"192.0.2.1:5060"[..]));
    assert_eq!(Proxy::worker_of_branch(ours.branch().unwrap()), Some(3));
    assert!(ours.branch().unwrap().starts_with(b"z9hG4bK"));
    assert_eq!(vias.len(), 2);
}

#[test]
fn s18_2_1_the_senders_via_is_told_where_its_request_came_from() {
    let sent = forwarded(&request("MESSAGE", "TCP", "z9hG4bKa"));
    let vias = vias(&sent.message);
    let theirs = Via::parse(vias[1].as_bytes()).unwrap();
    assert_eq!(theirs.received(), Some("198.51.100.1".parse().unwrap()));
    assert_eq!(theirs.rport(), Some(Some(40001)));
}

#[test]
fn rfc3581_s3_our_via_asks_for_rport_over_udp() {
    let sent = only(Scenario::udp().request(&request("MESSAGE", "UDP", "z9hG4bKa"), alice_udp()));
    assert!(vias(&sent.message)[0].ends_with(";rport"));
}

#[test]
fn s16_6_step_8_each_branch_is_another() {
    let mut scenario = Scenario::new();
    let one = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()));
    let two = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKb"), alice()));
    assert_ne!(vias(&one.message)[0], vias(&two.message)[0]);
}

#[test]
fn s16_6_step_9_a_request_without_content_length_gets_one_on_a_stream() {
    let text = request("MESSAGE", "UDP", "z9hG4bKa").replace("Content-Length: 0\n\n", "\nhallo");
    let sent = only(Scenario::new().request(&text, alice_udp()));
    assert_eq!(sent.first(Name::ContentLength), "5");
    assert_eq!(sent.message.body(), b"hallo");
}

#[test]
fn s16_11_an_ack_to_a_2xx_goes_on_along_its_token_and_leaves_nothing_behind() {
    let mut scenario = Scenario::new();
    let ack =
        request("ACK", "TCP", "z9hG4bKack").replace("example.com>\nCall", "example.com>;tag=bobtag\nCall");
    let sent = only(scenario.request(&along_flow(&ack, bob()), alice()));
    assert!(sent.is_to(bob()) && sent.message.method_bytes() == b"ACK");
    assert_eq!(sent.first(Name::MaxForwards), "69");
    assert!(scenario.proxy.is_at_rest());
}

#[test]
fn s5_3_an_ack_that_nothing_leads_to_a_ua_is_not_looked_up() {
    // As anybody can send it, who need not even be where it says that it comes from.
    let ack = request("ACK", "UDP", "z9hG4bKack");
    for ack in [&ack, &ack.replace("example.com>\nCall", "example.com>;tag=bobtag\nCall")] {
        let mut scenario = Scenario::new();
        assert!(scenario.request(ack, alice_udp()).is_empty());
        assert_eq!(scenario.events, [Event::StrayAck]);
        assert!(scenario.proxy.is_at_rest());
    }
}

#[test]
fn s17_an_ack_that_leads_nowhere_is_dropped_without_an_answer() {
    for uri in ["sip:bob@example.org", "sip:nobody@example.com", "sip:example.com"] {
        let mut scenario = Scenario::new();
        assert!(scenario.request(&request_to(uri, "ACK", "TCP", "z9hG4bKack"), alice()).is_empty(), "{uri}");
        assert_eq!(scenario.events.len(), 1, "{uri}");
        assert!(scenario.proxy.is_at_rest());
    }
}
