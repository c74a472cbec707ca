//! Calls to `flowhold ua` through a node. RFC 3261 §13, §15, §9.

use crate::support::ua_process::proxy;
use crate::support::{Client, Dialog, Node, UaProcess};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.77\r\ns=-\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 8\r\nm=video 4002 RTP/AVP 99\r\n";

fn call<'c>(caller: &'c Client, ua: &mut UaProcess) -> Dialog<'c> {
    let invite = caller.invite("alice").with("Content-Type", "application/sdp").body(OFFER);
    caller.ask(&invite).expect_status(100);
    caller.receive().expect_status(180);
    let answered = caller.receive().expect_status(200);
    let sdp = String::from_utf8_lossy(answered.body()).into_owned();
    assert!(sdp.contains("m=audio 9 RTP/AVP 0 8\r\na=inactive\r\nm=video 0 RTP/AVP 99\r\n"), "{sdp}");
    let dialog = Dialog::of_caller(caller, &invite, &answered);
    caller.send(dialog.ack().to_bytes());
    ua.until("the acknowledgement", |it| it["event"] == "call" && it["state"] == "confirmed");
    dialog
}

#[test]
fn a_call_is_answered_and_ended_by_the_caller() {
    let node = Node::start("");
    for proxies in [proxy("tcp", node.tcp()), proxy("udp", node.udp())] {
        let mut ua = UaProcess::start("alice", &[proxies], &["--answer", "--ring", "50ms"]);
        ua.flow(1, "registered");
        let caller = Client::tcp(&node);
        let dialog = call(&caller, &mut ua);
        caller.ask(&dialog.request("INFO")).expect_status(200);
        caller.ask(&dialog.request("BYE")).expect_status(200);
        ua.until("the end", |it| it["event"] == "call" && it["state"] == "ended");
    }
}

#[test]
fn a_ua_that_ends_hangs_up() {
    let node = Node::start("");
    let mut ua = UaProcess::start("alice", &[proxy("tcp", node.tcp())], &["--answer", "--ring", "50ms"]);
    ua.flow(1, "registered");
    let caller = Client::tcp(&node);
    // Registered, so that the node tells the UA the caller's flow in Record-Route and the BYE finds it.
    caller.registers("caller");
    let _dialog = call(&caller, &mut ua);
    assert_eq!(ua.stop(), Some(0));
    let bye = caller.receive().expect_method("BYE");
    caller.send(bye.answer(200, "OK"));
}

#[test]
fn a_call_that_rings_can_be_cancelled() {
    let node = Node::start("");
    let mut ua = UaProcess::start("alice", &[proxy("tcp", node.tcp())], &["--answer", "--ring", "1h"]);
    ua.flow(1, "registered");
    let caller = Client::tcp(&node);
    let invite = caller.invite("alice");
    caller.ask(&invite).expect_status(100);
    caller.receive().expect_status(180);
    let cancel = invite.cancel();
    caller.ask(&cancel).expect_status(200);
    caller.receive().expect_status(487);
    ua.until("the end", |it| it["event"] == "call" && it["state"] == "cancelled");
}

#[test]
fn a_ua_that_takes_no_calls_is_busy() {
    let node = Node::start("");
    let mut ua = UaProcess::start("alice", &[proxy("tcp", node.tcp())], &[]);
    ua.flow(1, "registered");
    let caller = Client::tcp(&node);
    caller.send(caller.invite("alice").to_bytes());
    caller.receive_final().expect_status(486);
    let call = ua.until("the refusal", |it| it["event"] == "call");
    assert_eq!((&call["state"], &call["status"]), (&"refused".into(), &486.into()));
}
