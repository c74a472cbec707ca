//! What is not the provider is not taken for it, and the provider may not do everything.

use std::net::{Ipv4Addr, TcpListener};

use crate::provider::{accept, next_register, played};
use crate::support::message::param;
use crate::support::{Client, Node, wait_until};
use crate::trunk::{flows, table};

#[test]
fn whoever_comes_from_the_providers_address_over_another_connection_is_a_stranger() {
    let (listener, node) = played("");
    let pbx = Client::tcp(&node);
    pbx.registers_outbound("pbx", 1);
    let flow = accept(&listener);
    let register = next_register(&flow);
    flow.send(register.answer_with(200, "OK", "Require: outbound\r\nExpires: 600\r\n"));
    wait_until("it is registered", || flows(&node, "registered") == 1);
    let contact = register.contacts()[0].split(['<', '>']).nth(1).unwrap().to_owned();
    let stranger = Client::tcp_from(&node, listener.local_addr().unwrap().ip());
    let over_udp = Client::udp(&node);
    for stranger in [&stranger, &over_udp] {
        stranger.ask(&stranger.request("MESSAGE", &contact)).expect_status(403);
        stranger.ask(&stranger.request("MESSAGE", "sip:+4930123@provider.example")).expect_status(403);
    }
    // Nor is the PBX reached by who only writes what the provider would.
    pbx.expect_nothing();
}

#[test]
fn a_provider_registers_nothing_here_and_goes_nowhere_else() {
    let (listener, node) = played("");
    let flow = accept(&listener);
    let register = next_register(&flow);
    flow.send(register.answer_with(200, "OK", "Require: outbound\r\nExpires: 600\r\n"));
    flow.ask(&flow.register_contact("pbx")).expect_status(403);
    flow.ask(&flow.register_contact("mallory")).expect_status(403);
    assert_eq!(node.metric("bindings"), 0);
    let onwards = flow.request("MESSAGE", "sip:+1555@example.com").with("Route", "<sip:192.0.2.9;lr>");
    flow.ask(&onwards).expect_status(403);
    // A number of ours, and a call back to the provider: both are for the PBX, which is not there.
    flow.ask(&flow.request("MESSAGE", "sip:+1555@example.com")).expect_status(480);
    assert!(param(register.contacts()[0], "reg-id").is_some());
}

#[test]
fn a_provider_is_not_asked_for_a_password_and_everybody_else_is() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let users = tempfile::NamedTempFile::new().unwrap();
    let auth = format!("[auth]\nmode = \"digest\"\nusers = \"{}\"\n", users.path().display());
    let node = Node::start(&format!("{auth}{}", table(&[address], "")));
    let flow = accept(&listener);
    let register = next_register(&flow);
    flow.send(register.answer_with(200, "OK", "Require: outbound\r\nExpires: 600\r\n"));
    let number = "sip:+4930123@provider.example";
    // The PBX is not there.
    flow.ask(&flow.request("MESSAGE", number).set("From", "<sip:+4989777@provider.example>;tag=f"))
        .expect_status(480);
    let stranger = Client::tcp_from(&node, address.ip());
    stranger.ask(&stranger.request("MESSAGE", number)).expect_status(407);
    stranger
        .ask(&stranger.request("MESSAGE", number).set("From", format!("<{number}>;tag=f")))
        .expect_status(407);
}
