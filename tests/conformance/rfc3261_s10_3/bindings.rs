//! Steps 6 to 8: what a REGISTER adds, changes and removes, all of it or nothing, and what the 200 tells.

use crate::support::ua::{expires_of, uri_of};
use crate::support::{Client, Message, Node};

/// Three contacts of one AOR, registered with one Call-ID.
fn three_contacts(client: &Client) -> Message {
    let mut request = client.register("alice");
    for number in 1..=3 {
        request = request.contact(format!("<sip:alice@192.0.2.{number}>"));
    }
    client.ask(&request).expect_status(200)
}

fn uris(response: &Message) -> Vec<&str> {
    let mut uris: Vec<&str> = response.contacts().into_iter().map(uri_of).collect();
    uris.sort_unstable();
    uris
}

#[test]
fn s10_3_step_6_without_contact_it_is_a_query_that_changes_nothing() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    assert_eq!(client.bindings("alice"), [""; 0]);
    three_contacts(&client);
    let query = client.register("alice").with("Expires", "0");
    assert_eq!(client.ask(&query).expect_status(200).contacts().len(), 3);
    assert_eq!(client.bindings("alice").len(), 3);
}

#[test]
fn s10_3_step_6_a_star_with_other_contacts_is_400() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    three_contacts(&client);
    for request in [
        client.register("alice").contact("*").contact("<sip:alice@192.0.2.1>"),
        client.register("alice").contact("<sip:alice@192.0.2.1>, *"),
        client.register("alice").contact("*, *"),
    ] {
        client.ask(&request.with("Expires", "0")).expect_status(400);
    }
    assert_eq!(client.bindings("alice").len(), 3);
}

#[test]
fn s10_3_step_6_a_star_with_an_expiration_other_than_zero_is_400() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    three_contacts(&client);
    client.ask(&client.register("alice").contact("*").with("Expires", "60")).expect_status(400);
    client.ask(&client.register("alice").contact("*")).expect_status(400);
    assert_eq!(client.bindings("alice").len(), 3);
}

#[test]
fn s10_3_step_6_a_star_removes_all_bindings() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    three_contacts(&client);
    client.ask(&client.register("bob").contact("<sip:bob@192.0.2.1>")).expect_status(200);
    let response = client.ask(&client.register("alice").contact("*").with("Expires", "0")).expect_status(200);
    assert_eq!(response.contacts(), [""; 0]);
    assert_eq!(client.bindings("alice"), [""; 0]);
    assert_eq!(client.bindings("bob").len(), 1, "of this AOR only");
}

#[test]
fn s10_3_step_6_a_star_of_another_call_id_removes_whatever_its_cseq() {
    let node = Node::start("");
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    client.ask(&client.register("alice").contact("<sip:alice@192.0.2.1>").cseq(1000)).expect_status(200);
    let star = other.register("alice").contact("*").with("Expires", "0").cseq(1);
    assert_eq!(other.ask(&star).expect_status(200).contacts(), [""; 0]);
}

#[test]
fn s10_3_step_6_a_star_of_the_same_call_id_with_a_cseq_that_is_not_higher_removes_nothing() {
    let node = Node::start("");
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    // One binding of another Call-ID, which the star alone could remove.
    other.ask(&other.register("alice").contact("<sip:alice@192.0.2.9>")).expect_status(200);
    client.ask(&client.register("alice").contact("<sip:alice@192.0.2.1>").cseq(1000)).expect_status(200);
    for cseq in [999, 1000] {
        let star = client.register("alice").contact("*").with("Expires", "0").cseq(cseq);
        let status = client.ask(&star).status();
        assert!((400..600).contains(&status), "CSeq {cseq}: {status}");
    }
    assert_eq!(other.bindings("alice").len(), 2);
    let star = client.register("alice").contact("*").with("Expires", "0").cseq(1001);
    client.ask(&star).expect_status(200);
    assert_eq!(other.bindings("alice"), [""; 0]);
}

#[test]
fn s10_3_step_7_a_contact_that_does_not_exist_is_added() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let response = three_contacts(&client);
    assert_eq!(uris(&response), ["sip:alice@192.0.2.1", "sip:alice@192.0.2.2", "sip:alice@192.0.2.3"]);
}

#[test]
fn s10_3_step_7_contacts_are_searched_by_uri_comparison() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    // RFC 3261 §19.1.4: those of a line are equivalent, so that each replaces the one before.
    let lines = [
        &["<sip:%61lice@atlanta.example;transport=TCP>", "<sip:alice@AtLanTa.eXample;Transport=tcp>"][..],
        &[
            "<sip:carol@chicago.example>",
            "<sip:carol@chicago.example;newparam=5>",
            "<SIP:carol@chicago.example>",
        ],
        &["<sip:b@x.example;a=1;b=2>", "<sip:b@x.example;b=2;a=1>"],
        &["<sip:b@y.example?subject=1&priority=urgent>", "<sip:b@y.example?priority=urgent&subject=1>"],
    ];
    for (index, line) in lines.iter().enumerate() {
        for contact in *line {
            let response = client.ask(&client.register("alice").contact(*contact)).expect_status(200);
            assert_eq!(response.contacts().len(), index + 1, "{contact}{response}");
        }
    }
}

#[test]
fn s10_3_step_7_contacts_that_are_not_equivalent_are_bindings_of_their_own() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let contacts = [
        "<sip:bob@biloxi.example>",
        "<sip:Bob@biloxi.example>",
        "<sip:bob@biloxi.example:5060>",
        "<sip:bob@biloxi.example:6000;transport=tcp>",
        "<sip:bob@biloxi.example;transport=udp>",
        "<sip:bob@192.0.2.4>",
        "<im:bob@biloxi.example>",
        "<sip:biloxi.example>",
        "<sip:bob@biloxi.example?subject=next>",
    ];
    for (index, contact) in contacts.iter().enumerate() {
        let response = client.ask(&client.register("alice").contact(*contact)).expect_status(200);
        assert_eq!(response.contacts().len(), index + 1, "{contact}{response}");
    }
}

#[test]
fn s10_3_step_7_another_call_id_updates_whatever_its_cseq() {
    let node = Node::start("");
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    client
        .ask(&client.register("alice").contact("<sip:alice@192.0.2.1>;expires=600").cseq(1000))
        .expect_status(200);
    let update = other.register("alice").contact("<sip:alice@192.0.2.1>;expires=3000").cseq(1);
    let response = other.ask(&update).expect_status(200);
    let [contact] = response.contacts()[..] else { panic!("updated, not added{response}") };
    assert!(expires_of(contact) > 2900, "{response}");
}

#[test]
fn s10_3_step_7_another_call_id_removes_whatever_its_cseq() {
    let node = Node::start("");
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    client.ask(&client.register("alice").contact("<sip:alice@192.0.2.1>").cseq(1000)).expect_status(200);
    let removal = other.register("alice").contact("<sip:alice@192.0.2.1>;expires=0").cseq(1);
    assert_eq!(other.ask(&removal).expect_status(200).contacts(), [""; 0]);
}

#[test]
fn s10_3_step_7_the_same_call_id_with_a_higher_cseq_updates_and_removes() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    three_contacts(&client);
    let update = client.register("alice").contact("<sip:alice@192.0.2.2>;expires=77");
    let response = client.ask(&update).expect_status(200);
    assert_eq!(response.contacts().len(), 3);
    let updated = response.contacts().into_iter().find(|contact| uri_of(contact) == "sip:alice@192.0.2.2");
    assert!((70..=77).contains(&expires_of(updated.unwrap())), "{response}");
    let removal = client.register("alice").contact("<sip:alice@192.0.2.2>;expires=0");
    assert_eq!(uris(&client.ask(&removal)), ["sip:alice@192.0.2.1", "sip:alice@192.0.2.3"]);
}

#[test]
fn s10_3_step_7_the_same_call_id_with_a_cseq_that_is_not_higher_fails_and_changes_nothing() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client
        .ask(&client.register("alice").contact("<sip:alice@192.0.2.1>;expires=600").cseq(1000))
        .expect_status(200);
    for (cseq, expires) in [(999, 3000), (1000, 3000), (999, 0), (1000, 0)] {
        let late =
            client.register("alice").contact(format!("<sip:alice@192.0.2.1>;expires={expires}")).cseq(cseq);
        let status = client.ask(&late).status();
        assert!((400..600).contains(&status), "CSeq {cseq}, expires {expires}: {status}");
    }
    let left = client.bindings("alice");
    assert_eq!(left.len(), 1);
    assert!(expires_of(&left[0]) <= 600, "{left:?}");
}

#[test]
fn s10_3_step_7_a_binding_records_call_id_and_cseq_of_its_last_update() {
    let node = Node::start("");
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    let contact = "<sip:alice@192.0.2.1>";
    client.ask(&client.register("alice").contact(contact).cseq(1000)).expect_status(200);
    other.ask(&other.register("alice").contact(contact).cseq(5)).expect_status(200);
    // The binding is now of the other Call-ID, so that the first one's lower CSeq is in order again.
    client.ask(&client.register("alice").contact(contact).cseq(7)).expect_status(200);
    let status = client.ask(&client.register("alice").contact(contact).cseq(7)).status();
    assert!((400..600).contains(&status), "{status}");
}

#[test]
fn s10_3_step_7_one_failing_update_undoes_those_before_it() {
    let node = Node::start("");
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    client
        .ask(&client.register("alice").contact("<sip:alice@192.0.2.1>;expires=600").cseq(1000))
        .expect_status(200);
    other.ask(&other.register("alice").contact("<sip:alice@192.0.2.2>;expires=600")).expect_status(200);
    let partly_late = client
        .register("alice")
        .contact("<sip:alice@192.0.2.2>;expires=0")
        .contact("<sip:alice@192.0.2.3>")
        .contact("<sip:alice@192.0.2.1>;expires=3000")
        .cseq(999);
    let status = client.ask(&partly_late).status();
    assert!((400..600).contains(&status), "{status}");
    assert_eq!(client.bound_uris("alice"), ["sip:alice@192.0.2.1", "sip:alice@192.0.2.2"]);
    assert!(client.bindings("alice").iter().all(|contact| expires_of(contact) <= 600));
}

#[test]
fn s10_3_step_7_a_malformed_contact_undoes_the_whole_request() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let request = client.register("alice").contact("<sip:alice@192.0.2.1>").contact("<sip:alice@192.0.2.2");
    client.ask(&request).expect_status(400);
    assert_eq!(client.bindings("alice"), [""; 0]);
}

#[test]
fn s10_3_step_7_more_bindings_than_the_limit_are_refused_as_a_whole() {
    let node = Node::start("[registrar]\nmax_bindings = 2\n");
    let client = Client::tcp(&node);
    let request = client.register("alice").contact("<sip:alice@192.0.2.1>");
    client.ask(&request).expect_status(200);
    let too_many = client.register("alice").contact("<sip:alice@192.0.2.2>, <sip:alice@192.0.2.3>");
    let status = client.ask(&too_many).status();
    assert!((400..600).contains(&status), "{status}");
    assert_eq!(client.bound_uris("alice"), ["sip:alice@192.0.2.1"]);
    assert_eq!(node.metric("refused_total{reason=\"max_bindings\"}"), 1);
    // One that replaces is none more.
    let swap = client.register("alice").contact("<sip:alice@192.0.2.1>;expires=0, <sip:alice@192.0.2.2>");
    client.ask(&swap).expect_status(200);
    client.ask(&client.register("alice").contact("<sip:alice@192.0.2.3>")).expect_status(200);
    assert_eq!(client.bound_uris("alice"), ["sip:alice@192.0.2.2", "sip:alice@192.0.2.3"]);
}

#[test]
fn s10_3_step_7_removing_what_is_not_there_succeeds() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let removal = client.register("alice").contact("<sip:alice@192.0.2.1>;expires=0");
    assert_eq!(client.ask(&removal).expect_status(200).contacts(), [""; 0]);
}

#[test]
fn s10_3_step_8_the_200_lists_all_bindings_of_all_who_registered() {
    let node = Node::start("");
    let (client, other) = (Client::tcp(&node), Client::udp(&node));
    three_contacts(&client);
    let response = other.registers("alice");
    assert_eq!(response.contacts().len(), 4);
    assert!(uris(&response).contains(&&*other.contact_uri("alice")), "{response}");
}

#[test]
fn s10_3_step_8_each_contact_keeps_its_parameters() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let request = client
        .register("alice")
        .contact("<sip:alice@192.0.2.1;x=1>;q=0.3;audio")
        .contact("sip:alice@192.0.2.2;q=1.0");
    client.ask(&request).expect_status(200);
    let bindings = client.bindings("alice");
    let of = |host: &str| bindings.iter().find(|contact| contact.contains(host)).unwrap();
    assert!(of("192.0.2.1;x=1>").contains(";q=0.3") && of("192.0.2.1").contains(";audio"), "{bindings:?}");
    assert!(of("192.0.2.2").contains(";q=1"), "{bindings:?}");
}

#[test]
fn s10_3_step_8_the_200_has_a_date() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let response = client.registers("alice");
    // SHOULD. §20.17: the time is of GMT.
    assert!(response.header("Date").ends_with(" GMT"), "{response}");
}
