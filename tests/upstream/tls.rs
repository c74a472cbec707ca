//! The flows to the provider over TLS: the edge proxies have to prove the name that stands in `proxies`.

use std::net::SocketAddr;

use crate::support::message::param;
use crate::support::tls::Ca;
use crate::support::{Client, Node, wait_until};
use crate::trunk::{NUMBER, bindings_of_number, failures, flows, registers_at_provider, table};

/// One of the provider's edge proxies, whose certificate names `shown`.
fn provider(ca: &Ca, shown: &str) -> Node {
    ca.issue("provider", &[shown]);
    let at = |file| ca.path(file).display().to_string();
    Node::start(&format!(
        "[node]\nid = \"provider\"\ndomains = [\"provider.example\"]\n[outbound]\nflow_timer = \"1s\"\n\
         [listen]\ntls = [\"127.0.0.1:0\"]\n[tls]\ncertificate = \"{}\"\nprivate_key = \"{}\"\n",
        at("provider.pem"),
        at("provider.key")
    ))
}

/// A node that is to register there; `scheme` and `transport` of the proxies, and what it has of its own.
fn node(trusted: &Ca, providers: &[SocketAddr], (scheme, transport): (&str, &str), own: &str) -> Node {
    let table = table(providers, "").replace("\"sip:127.0.0.1:", &format!("\"{scheme}:localhost:"));
    let ca = trusted.path("ca.pem").display().to_string();
    Node::start(&format!("{}[tls]\nca = \"{ca}\"\n{own}", table.replace(";transport=tcp", transport)))
}

#[test]
fn a_node_registers_over_tls_and_requests_go_both_ways() {
    let ca = Ca::new();
    let providers = [provider(&ca, "localhost"), provider(&ca, "localhost")];
    let addresses = [providers[0].tls(), providers[1].tls()];
    let listener = format!("{}[listen]\ntcp = []\ntls = [\"127.0.0.1:0\"]\n", ca.node());
    for (written, own) in [
        // Nothing of its own to show, and nothing that listens for TLS.
        (("sip", ";transport=tls"), String::new()),
        (("sips", ""), listener),
    ] {
        let node = node(&ca, &addresses, written, &own);
        let pbx = Client::udp(&node);
        pbx.ask(&pbx.register_contact("pbx")).expect_status(200);
        wait_until("both flows are registered", || flows(&node, "registered") == 2);
        assert_eq!(node.metric("connections{transport=\"tls\"}"), 2);
        for provider in &providers {
            let binding = bindings_of_number(provider).remove(0);
            assert!(binding.starts_with("<sip:") && binding.contains(";transport=tls>"), "{binding}");
            let caller = Client::tls(provider, &ca.client());
            caller.send(caller.request("MESSAGE", NUMBER).to_bytes());
            let arrived = pbx.receive().expect_method("MESSAGE");
            pbx.send(arrived.answer(200, "OK"));
            caller.receive().expect_status(200);
        }
        let carol = Client::tcp(&providers[0]);
        registers_at_provider(&carol, "carol");
        let out = pbx.request("MESSAGE", "sip:carol@provider.example");
        pbx.send(out.set("From", "<sip:pbx@example.com>;tag=p").to_bytes());
        let arrived = carol.receive().expect_method("MESSAGE");
        let via = arrived.values("Via")[1].to_owned();
        assert!(via.starts_with("SIP/2.0/TLS 127.0.0.1:"), "{via}");
        assert_eq!(param(&via, "received"), None, "it is where it says");
        carol.send(arrived.answer(200, "OK"));
        pbx.receive().expect_status(200);
        let pongs = || node.metric("upstream_pongs_total{upstream=\"trunk\"}");
        wait_until("pings are answered", || pongs() >= 2);
    }
}

#[test]
fn a_call_over_tls_stays_on_its_flow() {
    use crate::support::Dialog;
    use crate::support::dialog::call_with;

    let ca = Ca::new();
    let provider = provider(&ca, "localhost");
    let node = node(&ca, &[provider.tls()], ("sip", ";transport=tls"), "");
    let pbx = Client::tcp(&node);
    pbx.registers_outbound("pbx", 1);
    wait_until("the flow is registered", || flows(&node, "registered") == 1);
    let caller = Client::tcp(&provider);
    let invite = caller.request("INVITE", NUMBER).with("Contact", "<sip:caller@192.0.2.77:5062>");
    let (arrived, mut at_caller) = call_with(&caller, &invite, &pbx);
    let mut at_pbx = Dialog::of_callee(&pbx, &arrived);
    at_caller.asks("INFO", &mut at_pbx);
    at_pbx.asks("INFO", &mut at_caller);
    at_caller.asks("BYE", &mut at_pbx);
}

#[test]
fn rfc5922_s7_3_a_proxy_with_another_name_or_of_another_ca_is_not_registered_with() {
    let (ca, stranger) = (Ca::new(), Ca::new());
    for (shown, trusted, why) in [
        ("elsewhere.example", &ca, "certificate not valid for name"),
        ("*.example", &ca, "certificate not valid for name"),
        ("localhost", &stranger, ""),
    ] {
        let provider = provider(&ca, shown);
        let node = node(trusted, &[provider.tls()], ("sips", ""), "");
        wait_until("it is tried", || failures(&node, "unreachable") >= 1);
        let log = node.log();
        let line = log.lines().find(|line| line.contains("upstream flow failed")).unwrap();
        assert!(line.contains("invalid peer certificate") && line.contains(why), "{line}");
        assert_eq!(provider.metric("connections_accepted_total{transport=\"tls\"}"), 0);
        assert_eq!(flows(&node, "registered"), 0);
    }
}
