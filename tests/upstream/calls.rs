//! Messages and calls in both directions, each over a flow to the provider.

use crate::support::dialog::call_with;
use crate::support::{Client, Dialog, wait_until};
use crate::trunk::{NUMBER, Trunk, flows, registers_at_provider};

#[test]
fn a_message_through_either_edge_proxy_reaches_the_pbx() {
    for trunk in ["tcp", "udp"].map(Trunk::over) {
        for at in [0, 1] {
            trunk.is_reached_through(at);
        }
    }
}

#[test]
fn a_call_from_the_provider_stays_on_its_flows_until_it_ends() {
    let trunks = ["tcp", "udp"].map(Trunk::over);
    for (trunk, at) in trunks.iter().flat_map(|trunk| [(trunk, 0), (trunk, 1)]) {
        let caller = trunk.caller(at);
        let invite = caller.request("INVITE", NUMBER).with("Contact", "<sip:caller@192.0.2.77:5062>");
        let (arrived, mut at_caller) = call_with(&caller, &invite, &trunk.pbx);
        let mut at_pbx = Dialog::of_callee(&trunk.pbx, &arrived);
        at_caller.asks("INVITE", &mut at_pbx);
        at_pbx.asks("INVITE", &mut at_caller);
        at_caller.asks("INFO", &mut at_pbx);
        at_pbx.asks("BYE", &mut at_caller);
        caller.expect_nothing();
        trunk.pbx.expect_nothing();
    }
}

#[test]
fn a_call_from_the_provider_can_be_given_up() {
    let trunk = Trunk::up();
    let caller = trunk.caller(0);
    let invite = caller.request("INVITE", NUMBER).with("Contact", "<sip:caller@192.0.2.77:5062>");
    caller.ask(&invite).expect_status(100);
    let arrived = trunk.pbx.receive().expect_method("INVITE");
    trunk.pbx.send(arrived.answer(180, "Ringing"));
    caller.receive().expect_status(180);
    caller.ask(&invite.cancel()).expect_status(200);
    let cancel = trunk.pbx.receive().expect_method("CANCEL");
    trunk.pbx.send(cancel.answer(200, "OK"));
    trunk.pbx.send(arrived.answer(487, "Request Terminated"));
    caller.receive().expect_status(487);
    trunk.pbx.receive().expect_method("ACK");
}

#[test]
fn what_comes_from_the_provider_may_hold_no_more_than_what_comes_from_anybody() {
    let trunk = Trunk::with("tcp", "[limits]\nmax_headers = 25\n");
    let caller = trunk.caller(0);
    let request = (0..25).fold(caller.request("MESSAGE", NUMBER), |request, _| request.with("X", "x"));
    caller.ask(&request).expect_status(513);
    assert_eq!(trunk.node.metric("refused_total{reason=\"max_headers\"}"), 1);
    trunk.is_reached_through(0);
}

#[test]
fn the_provider_may_ask_what_is_there() {
    let trunk = Trunk::up();
    let caller = trunk.caller(0);
    caller.send(caller.request("OPTIONS", NUMBER).to_bytes());
    let arrived = trunk.pbx.receive().expect_method("OPTIONS");
    trunk.pbx.send(arrived.answer(200, "OK"));
    caller.receive().expect_status(200);
}

#[test]
fn a_pbx_that_is_away_is_unavailable() {
    let trunk = Trunk::up();
    trunk.pbx.ask(&trunk.pbx.register("pbx").contact("*").with("Expires", "0")).expect_status(200);
    let caller = trunk.caller(0);
    caller.ask(&caller.request("MESSAGE", NUMBER)).expect_status(480);
}

/// The PBX writes the number, or its own AOR, into From.
#[test]
fn a_call_of_the_pbx_goes_out_over_a_flow_and_stays_there() {
    ["tcp", "udp"].map(Trunk::over).iter().for_each(calls_of_the_pbx_go_out);
}

fn calls_of_the_pbx_go_out(trunk: &Trunk) {
    let carol = trunk.caller(0);
    registers_at_provider(&carol, "+4989777");
    for (from, uri) in [
        (NUMBER, "sip:+4989777@provider.example"),
        (NUMBER, "sip:+4989777@example.com"),
        ("sip:pbx@example.com", "tel:+4989777"),
    ] {
        let invite = trunk
            .pbx
            .request("INVITE", uri)
            .set("From", format!("<{from}>;tag=pbx"))
            .with("Contact", "<sip:pbx@192.0.2.77:5062>");
        let (arrived, mut at_pbx) = call_with(&trunk.pbx, &invite, &carol);
        assert_eq!(arrived.header("From"), format!("<{from}>;tag=pbx"));
        let mut at_carol = Dialog::of_callee(&carol, &arrived);
        at_carol.asks("INVITE", &mut at_pbx);
        at_pbx.asks("INFO", &mut at_carol);
        at_carol.asks("BYE", &mut at_pbx);
    }
}

#[test]
fn s7_when_the_first_edge_proxy_ends_a_request_of_the_pbx_goes_over_the_second() {
    let mut trunk = Trunk::up();
    let carols = [trunk.caller(0), trunk.caller(1)];
    let message = |pbx: &Client| {
        pbx.request("MESSAGE", "sip:carol@provider.example").set("From", "<sip:pbx@example.com>;tag=p")
    };
    for carol in &carols {
        registers_at_provider(carol, "carol");
    }
    trunk.pbx.send(message(&trunk.pbx).to_bytes());
    let arrived = carols[0].receive().expect_method("MESSAGE");
    carols[0].send(arrived.answer(200, "OK"));
    trunk.pbx.receive().expect_status(200);
    // It ends with a request on its way there.
    trunk.pbx.send(message(&trunk.pbx).to_bytes());
    carols[0].receive().expect_method("MESSAGE");
    trunk.providers[0].kill();
    let arrived = carols[1].receive().expect_method("MESSAGE");
    carols[1].send(arrived.answer(200, "OK"));
    trunk.pbx.receive().expect_status(200);
    trunk.providers[1].kill();
    wait_until("the node knows", || flows(&trunk.node, "registered") == 0);
    trunk.pbx.ask(&message(&trunk.pbx)).expect_status(503);
    assert_eq!(trunk.node.metric("refused_total{reason=\"upstream_down\"}"), 1);
}
