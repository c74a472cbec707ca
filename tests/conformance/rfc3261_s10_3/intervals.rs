//! Step 7's expiration intervals, and that a binding ends with its own.

use crate::support::ua::{expires_of, uri_of};
use crate::support::{Client, Node, wait_until};

/// The interval that a REGISTER with this Contact parameter and this Expires is given.
#[track_caller]
fn given(client: &Client, param: &str, expires: Option<&str>) -> u32 {
    let mut request = client.register("alice").contact(format!("<sip:alice@192.0.2.1>{param}"));
    if let Some(expires) = expires {
        request = request.with("Expires", expires);
    }
    let response = client.ask(&request).expect_status(200);
    assert_eq!(response.contacts().len(), 1, "{response}");
    expires_of(response.contacts()[0])
}

/// A second may pass while the answer is made.
#[track_caller]
fn assert_interval(given: u32, expected: u32) {
    assert!((expected - 1..=expected).contains(&given), "{given} instead of {expected}");
}

#[test]
fn s10_3_step_7_the_expires_parameter_is_the_requested_expiration() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    assert_interval(given(&client, ";expires=600", None), 600);
    assert_interval(given(&client, ";expires=600", Some("1200")), 600);
}

#[test]
fn s10_3_step_7_without_it_the_expires_field_is() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    assert_interval(given(&client, "", Some("1200")), 1200);
}

#[test]
fn s10_3_step_7_without_both_the_configured_default_is() {
    let node = Node::start("[registrar]\ndefault_expires = \"1234s\"\n");
    let client = Client::tcp(&node);
    assert_interval(given(&client, "", None), 1234);
}

#[test]
fn s10_3_step_7_each_contact_has_its_own() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let contacts =
        "<sip:alice@192.0.2.1>;expires=600, <sip:alice@192.0.2.2>, <sip:alice@192.0.2.3>;expires=0";
    let response =
        client.ask(&client.register("alice").contact(contacts).with("Expires", "900")).expect_status(200);
    let mut given: Vec<_> =
        response.contacts().into_iter().map(|one| (uri_of(one), expires_of(one))).collect();
    given.sort_unstable();
    let [("sip:alice@192.0.2.1", first), ("sip:alice@192.0.2.2", second)] = given[..] else {
        panic!("{response}")
    };
    assert_interval(first, 600);
    assert_interval(second, 900);
}

#[test]
fn s10_3_step_7_more_than_the_configured_maximum_gets_the_maximum() {
    let node = Node::start("[registrar]\nmax_expires = \"30m\"\ndefault_expires = \"30m\"\n");
    let client = Client::tcp(&node);
    assert_interval(given(&client, ";expires=7200", None), 1800);
    assert_interval(given(&client, ";expires=4294967295", None), 1800);
}

#[test]
fn s10_3_step_7_less_than_the_configured_minimum_is_423_with_min_expires() {
    let node = Node::start("[registrar]\nmin_expires = \"90s\"\n");
    let client = Client::tcp(&node);
    for request in [
        client.register("alice").contact("<sip:alice@192.0.2.1>;expires=89"),
        client.register("alice").contact("<sip:alice@192.0.2.1>").with("Expires", "1"),
        client
            .register("alice")
            .contact("<sip:alice@192.0.2.2>;expires=600, <sip:alice@192.0.2.1>;expires=89"),
    ] {
        let response = client.ask(&request).expect_status(423);
        assert_eq!(response.header("Min-Expires"), "90", "{response}");
    }
    assert_eq!(client.bindings("alice"), [""; 0], "the remaining steps are skipped");
    assert_interval(given(&client, ";expires=90", None), 90);
}

#[test]
fn s10_3_step_7_an_interval_of_zero_is_never_423() {
    let node = Node::start("[registrar]\nmin_expires = \"90s\"\n");
    let client = Client::tcp(&node);
    given(&client, "", Some("600"));
    let removal = client.register("alice").contact("<sip:alice@192.0.2.1>;expires=0");
    assert_eq!(client.ask(&removal).expect_status(200).contacts(), [""; 0]);
}

#[test]
fn s10_3_step_7_an_hour_is_never_423() {
    let node =
        Node::start("[registrar]\nmin_expires = \"2h\"\nmax_expires = \"3h\"\ndefault_expires = \"3h\"\n");
    let client = Client::tcp(&node);
    given(&client, ";expires=3600", None);
    let response = client.ask(&client.register("alice").contact("<sip:alice@192.0.2.1>;expires=3599"));
    assert_eq!(response.expect_status(423).header("Min-Expires"), "7200");
}

#[test]
fn s20_10_a_malformed_expires_parameter_is_an_hour() {
    let node = Node::start("[registrar]\nmax_expires = \"2h\"\ndefault_expires = \"10m\"\n");
    let client = Client::tcp(&node);
    // SHOULD.
    assert_interval(given(&client, ";expires=soon", None), 3600);
}

#[test]
fn s10_3_step_8_the_200_tells_what_is_left_of_each_interval() {
    let node = Node::start("[registrar]\nmin_expires = \"1s\"\n");
    let client = Client::tcp(&node);
    given(&client, ";expires=600", None);
    wait_until("a second of it is over", || expires_of(&client.bindings("alice")[0]) == 598);
}

#[test]
fn s10_3_a_binding_ends_with_its_interval() {
    let node = Node::start("[registrar]\nmin_expires = \"1s\"\n");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    let short = ua.register_contact("alice").with("Expires", "1");
    let response = ua.ask(&short).expect_status(200);
    assert_eq!(expires_of(response.contacts()[0]), 1);
    caller.reaches("alice", &ua);
    wait_until("the binding is over", || caller.bindings("alice").is_empty());
    assert_eq!(caller.message_status("alice"), 480);
    ua.expect_nothing();
}
