//! RFC 3261 §18.3: framing. Over a stream by Content-Length, at any split of the octets; over UDP by the datagram.

use crate::support::client::{PING, PONG};
use crate::support::{Client, Node};

/// So that `pass_a_turn` says when octets were read.
const ONE_WORKER: &str = "[node]\nworkers = 1\n";

/// What a UA might send over its flow: pings, two of them together, a lone CRLF, and REGISTERs, one with a body in which
/// there are CRLFs. It has three pings and two REGISTERs; the CSeq of the REGISTERs begins with `cseq`.
fn stream(client: &Client, cseq: u32) -> Vec<u8> {
    let plain = client.register_outbound("alice", 1).cseq(cseq);
    let with_body = client.register_outbound("alice", 2).cseq(cseq + 1).body("\r\n\r\na body\r\n\r\n");
    [PING, &plain.to_bytes(), PING, PING, &with_body.to_bytes(), PONG].concat()
}

/// Takes the answers to `stream`. A pong does not wait for the response to a REGISTER in front of it.
#[track_caller]
fn receive_answers(client: &Client, cseq: u32) {
    let responses = client.receive_with_pongs(2, 3);
    for (response, cseq) in responses.into_iter().zip(cseq..) {
        let response = response.expect_status(200);
        assert_eq!(response.header("CSeq"), format!("{cseq} REGISTER"), "{response}");
    }
}

#[test]
fn s18_3_a_stream_may_be_split_at_any_octet() {
    // Some thousands of messages, one right after the other.
    let node = Node::start(&format!("{ONE_WORKER}[limits]\nmessages_per_flow = 0\n"));
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    let (mut at, mut cseq) = (1, 10_000);
    loop {
        let octets = stream(&client, cseq);
        let Some((first, second)) = octets.split_at_checked(at).filter(|(_, second)| !second.is_empty())
        else {
            break;
        };
        client.send(first);
        other.pass_a_turn();
        client.send(second);
        receive_answers(&client, cseq);
        (at, cseq) = (at + 1, cseq + 2);
    }
    client.expect_nothing();
}

#[test]
fn s18_3_a_stream_may_come_octet_by_octet() {
    let node = Node::start(ONE_WORKER);
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    for octet in stream(&client, 1).chunks(1) {
        client.send(octet);
        other.pass_a_turn();
    }
    receive_answers(&client, 1);
    client.expect_nothing();
}

#[test]
fn s18_3_a_stream_may_come_in_one_segment() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let octets: Vec<u8> = (0..20).flat_map(|number| stream(&client, 1 + 2 * number)).collect();
    client.send(octets);
    let responses = client.receive_with_pongs(40, 60);
    for (response, cseq) in responses.into_iter().zip(1..) {
        assert_eq!(response.expect_status(200).header("CSeq"), format!("{cseq} REGISTER"));
    }
    client.expect_nothing();
}

#[test]
fn s7_3_1_compact_names_and_folded_lines_are_understood() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let via = client.register("alice").field("Via").to_owned();
    let text = format!(
        "REGISTER sip:example.com SIP/2.0\r\nv:{via}\r\nf:<sip:alice@example.com>\r\n ;tag=\r\n\t1\r\nt : \
         <sip:alice@example.com>\r\ni:{}\r\ncSEQ:\r\n 1\r\n REGISTER\r\nm: \"Alice\r\n A.\" <sip:alice@192.0.2.4>;expires=600\r\n\
         k:path\r\nmax-forwards:70\r\nl:  0\r\n\r\n",
        client.register("alice").field("Call-ID")
    );
    client.send(text);
    let response = client.receive().expect_status(200);
    assert_eq!(response.contacts().len(), 1, "{response}");
}

#[test]
fn s7_5_crlf_before_a_datagrams_start_line_is_ignored() {
    let node = Node::start("");
    let client = Client::udp(&node);
    client.send([PONG, &client.register_contact("alice").to_bytes()].concat());
    client.receive().expect_status(200);
}

#[test]
fn s18_3_a_datagram_without_content_length_has_the_rest_as_its_body() {
    let node = Node::start("");
    let (caller, ua) = (Client::udp(&node), Client::udp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").without("Content-Length").body("up to the end").to_bytes());
    let arrived = ua.receive();
    assert_eq!(arrived.body(), b"up to the end");
    ua.send(arrived.answer(200, "OK"));
    caller.receive().expect_status(200);
}

#[test]
fn s18_3_octets_beyond_the_body_of_a_datagram_are_discarded() {
    let node = Node::start("");
    for ua in [Client::udp(&node), Client::tcp(&node)] {
        let caller = Client::udp(&node);
        ua.registers("bob");
        caller.send([&caller.message("bob").body("body").to_bytes()[..], b" and more"].concat());
        let arrived = ua.receive();
        assert_eq!(arrived.body(), b"body");
        ua.send(arrived.answer(200, "OK"));
        caller.receive().expect_status(200);
        ua.expect_nothing();
    }
}

#[test]
fn s18_3_a_request_in_a_datagram_that_ends_too_early_is_400() {
    let node = Node::start("");
    let (caller, ua) = (Client::udp(&node), Client::udp(&node));
    ua.registers("bob");
    caller.ask(&caller.message("bob").set("Content-Length", "100")).expect_status(400);
    ua.expect_nothing();
}

#[test]
fn s18_3_a_response_in_a_datagram_that_ends_too_early_is_dropped() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::udp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").to_bytes());
    let arrived = ua.receive();
    let response = String::from_utf8(arrived.answer(486, "Busy Here")).unwrap();
    ua.send(response.replace("Content-Length: 0", "Content-Length: 100"));
    // Dropped, so that a whole response still ends the transaction.
    ua.send(arrived.answer(200, "OK"));
    caller.receive().expect_status(200);
}

#[test]
fn s18_1_1_a_message_of_65_535_octets_is_taken() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    let request = caller.message("bob").padded_to(65_535);
    caller.send(request.to_bytes());
    let arrived = ua.receive();
    assert!(request.to_bytes().ends_with(arrived.body()) && arrived.body().len() > 64_000);
    ua.send(arrived.answer(200, "OK"));
    caller.receive().expect_status(200);
}
