//! The flows to the provider: registered, kept alive, formed anew, given back. RFC 5626 §4.

use std::time::{Duration, Instant};

use crate::support::Node;
use crate::support::message::param;
use crate::support::wait_until;
use crate::trunk::{Trunk, bindings_of_number, failures, flows, free_address, provider_at, table};

/// Whether flow `reg_id` of that instance is all that the provider has.
#[track_caller]
fn assert_bound(provider: &Node, reg_id: usize, instance: &str) {
    let bindings = bindings_of_number(provider);
    let is_it = |binding: &String| {
        binding.contains(instance) && param(binding, "reg-id") == Some(&reg_id.to_string())
    };
    assert!(bindings.len() == 1 && is_it(&bindings[0]), "{bindings:?}");
}

fn instance(provider: &Node) -> String {
    let bindings = bindings_of_number(provider);
    bindings[0].split('"').find(|value| value.starts_with("<urn:uuid:")).unwrap().to_owned()
}

#[test]
fn each_edge_proxy_has_a_flow_of_one_instance_and_is_pinged() {
    let trunk = Trunk::up();
    let instance = instance(&trunk.providers[0]);
    for (at, provider) in trunk.providers.iter().enumerate() {
        assert_bound(provider, at + 1, &instance);
        assert!(
            !bindings_of_number(provider)[0].contains("4930123@"),
            "the Contact's user part is no number"
        );
    }
    for counted in ["pings", "pongs"] {
        let name = format!("upstream_{counted}_total{{upstream=\"trunk\"}}");
        wait_until("pings and pongs are counted", || trunk.node.metric(&name) >= 4);
    }
    wait_until("both are pinged", || {
        trunk.providers.iter().all(|provider| provider.metric("pings_total{transport=\"tcp\"}") >= 2)
    });
    assert!(trunk.node.log().contains("upstream flow registered upstream=\"trunk\" reg_id=1"));
    assert_eq!(flows(&trunk.node, "waiting"), 0);
}

#[test]
fn s4_1_a_node_that_starts_again_has_the_same_instance_id() {
    let mut trunk = Trunk::up();
    let before = instance(&trunk.providers[0]);
    trunk.starts_again();
    wait_until("the flows of before are gone", || {
        trunk.providers.iter().all(|provider| bindings_of_number(provider).len() == 1)
    });
    assert_bound(&trunk.providers[0], 1, &before);
    assert_bound(&trunk.providers[1], 2, &before);
}

#[test]
fn s4_5_when_either_edge_proxy_ends_the_other_is_used_and_its_flow_is_formed_anew() {
    either_edge_proxy_may_end("tcp", "unreachable");
}

/// Over UDP a socket is opened to anybody, and the first REGISTER shows that nobody is there.
#[test]
fn s4_5_the_same_over_udp() {
    either_edge_proxy_may_end("udp", "broken");
}

fn either_edge_proxy_may_end(transport: &'static str, in_vain: &str) {
    let mut trunk = Trunk::over(transport);
    let instance = instance(&trunk.providers[0]);
    for (ended, left) in [(0, 1), (1, 0)] {
        // So that it is a success before the other one fails.
        let pongs = || trunk.node.metric("upstream_pongs_total{upstream=\"trunk\"}");
        let before = pongs();
        wait_until("both are answered", || pongs() >= before + 3);
        let refused = failures(&trunk.node, in_vain);
        trunk.providers[ended].kill();
        wait_until("it is tried in vain", || failures(&trunk.node, in_vain) >= refused + 2);
        assert_eq!(flows(&trunk.node, "registered"), 1);
        trunk.is_reached_through(left);
        trunk.providers[ended] = provider_at(trunk.addresses[ended]);
        let started = Instant::now();
        trunk.becomes_registered(2);
        assert!(started.elapsed() < Duration::from_secs(4), "no longer than retry_max and a moment");
        assert_bound(&trunk.providers[ended], ended + 1, &instance);
        assert_bound(&trunk.providers[left], left + 1, &instance);
        trunk.is_reached_through(ended);
    }
    let log = trunk.node.log();
    // Formed anew at once, then after waits from base-some-up, which is 400 ms here.
    assert!(log.contains("failures=0 retry_in=\"0s\""), "{log}");
    let waits: Vec<f64> = log
        .lines()
        .filter(|line| line.contains("upstream flow failed") && line.contains("failures=1 "))
        .map(|line| line.split("retry_in=\"").nth(1).unwrap().split("ms").next().unwrap().parse().unwrap())
        .collect();
    assert!(!waits.is_empty() && waits.iter().all(|wait| (400.0..=800.0).contains(wait)), "{waits:?}");
}

#[test]
fn a_node_that_is_told_to_end_takes_its_bindings_back() {
    for (signal, transport) in [("-TERM", "tcp"), ("-INT", "udp")] {
        let mut trunk = Trunk::over(transport);
        trunk.node.signal(signal);
        assert_eq!(trunk.node.ended(), Some(0));
        assert!(trunk.node.log().contains("binding removed, closed"));
        for provider in &trunk.providers {
            assert_eq!(provider.metric("bindings"), 0);
        }
    }
}

#[test]
fn a_provider_that_is_away_keeps_no_node_from_serving_or_ending() {
    let mut node = Node::start(&table(&[free_address(), free_address()], ""));
    wait_until("it tries again and again", || failures(&node, "unreachable") >= 8);
    assert_eq!(flows(&node, "registered"), 0);
    node.signal("-INT");
    assert_eq!(node.ended(), Some(0));
}

#[test]
fn draft03_a_flow_is_registered_as_such_a_provider_shows_it() {
    let address = free_address();
    let provider = Node::start(&format!(
        "[node]\ndomains = [\"provider.example\"]\n[listen]\nudp = []\ntcp = [\"{address};profile=draft03\"]\n"
    ));
    let proxies = table(&[address], "profile = \"draft03\"");
    let node = Node::start(&proxies.replace("transport=tcp", "transport=tcp;keepalive=stun"));
    wait_until("the flow is registered", || flows(&node, "registered") == 1);
    let registered = node.log();
    assert!(registered.contains("outbound=true flow_timer=\"\""), "{registered}");
    assert_eq!(provider.metric("bindings"), 1);
}
