//! Which binding takes the place of which.

use flowhold_cluster::location::{Change, Changes};

use crate::make::{Open, Register, contact, flow, instance, node};

const ALICE: &str = "alice@example.com";

pub(crate) fn s6_the_same_instance_and_reg_id_replace_whatever_contact_and_call_id(open: Open) {
    let store = open();
    store.update(Register::new(ALICE, "first", 9, 0).named("old").put(instance("urn:a", 1))).unwrap();
    let after = store.names_after(Register::new(ALICE, "other", 1, 1).named("new").put(instance("urn:a", 1)));
    assert_eq!(after, ["new"]);
    assert_eq!(store.names(ALICE, 1), ["new"]);
}

pub(crate) fn s6_another_reg_id_or_instance_is_another_binding(open: Open) {
    let store = open();
    store.update(Register::new(ALICE, "c", 1, 0).named("a1").put(instance("urn:a", 1))).unwrap();
    store.update(Register::new(ALICE, "c", 2, 1).named("a2").put(instance("urn:a", 2))).unwrap();
    store.update(Register::new(ALICE, "d", 1, 2).named("b1").put(instance("urn:b", 1))).unwrap();
    store.update(Register::new(ALICE, "e", 1, 3).named("plain").put(contact("urn:a", &[]))).unwrap();
    assert_eq!(store.names(ALICE, 3), ["plain", "b1", "a2", "a1"]);
}

pub(crate) fn s10_3_a_contact_replaces_all_that_it_is_equivalent_to(open: Open) {
    let store = open();
    let both = Register::new(ALICE, "c", 1, 0)
        .named("tcp")
        .put(contact("sip:a@h", &[("transport", "tcp")]))
        .named("udp")
        .put(contact("sip:a@h", &[("transport", "udp")]));
    assert_eq!(store.names_after(both), ["tcp", "udp"]);
    let one = Register::new(ALICE, "c", 2, 1).named("x").put(contact("sip:a@h", &[("x", "1")]));
    assert_eq!(store.names_after(one), ["x"]);
}

pub(crate) fn s10_3_another_contact_is_another_binding(open: Open) {
    let store = open();
    store.update(Register::new(ALICE, "c", 1, 0).put(contact("sip:a@h", &[("x", "1")]))).unwrap();
    store.update(Register::new(ALICE, "c", 2, 1).put(contact("sip:a@h", &[("x", "2")]))).unwrap();
    store.update(Register::new(ALICE, "c", 3, 2).put(contact("sip:a@i", &[("x", "1")]))).unwrap();
    assert_eq!(store.names(ALICE, 2), ["sip:a@i;x=1", "sip:a@h;x=2", "sip:a@h;x=1"]);
}

pub(crate) fn an_update_lists_the_newest_first_and_its_own_in_their_order(open: Open) {
    let store = open();
    let key = |name| contact(name, &[]);
    store.update(Register::new(ALICE, "c", 1, 0).put(key("1")).put(key("2")).put(key("3"))).unwrap();
    // In the same millisecond: the order is that of the updates, not of a clock.
    let after = store.names_after(Register::new(ALICE, "c", 2, 0).put(key("2")).put(key("4")));
    assert_eq!(after, ["2", "4", "1", "3"]);
    assert_eq!(store.names(ALICE, 0), after);
}

pub(crate) fn what_was_put_comes_back_as_it_was(open: Open) {
    let store = open();
    let mut update = Register::new(ALICE, "c", 1, 0)
        .over(flow(7))
        .held_by(store.holder_or(node("n", 3)))
        .put(instance("urn:a", 1))
        .put(contact("sip:a@h", &[("x", "1;2=%")]))
        .into_update();
    let Changes::Each(changes) = &mut update.changes else { unreachable!() };
    let mut put = Vec::new();
    for change in changes {
        let Change::Put(binding) = change else { unreachable!() };
        // Nothing says that what a UA sends is UTF-8.
        binding.contact = Box::from(&b"sip:\xff\0\r\n@h"[..]);
        binding.path = Box::default();
        put.push(binding.clone());
    }
    let after = store.update_with(update).unwrap();
    assert!(after.iter().map(|binding| &**binding).eq(&put));
}
