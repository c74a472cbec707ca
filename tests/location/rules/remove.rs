//! Removing bindings, and asking for them.

use flowhold_cluster::location::Known;

use crate::make::{Open, Register, contact, instance};

const ALICE: &str = "alice@example.com";

pub(crate) fn s10_3_a_star_removes_all(open: Open) {
    let store = open();
    store.update(Register::new(ALICE, "c", 1, 0).put(instance("urn:a", 1)).put(contact("1", &[]))).unwrap();
    store.update(Register::new("bob@example.com", "c", 1, 0).put(instance("urn:b", 1))).unwrap();
    assert_eq!(store.names_after(Register::new(ALICE, "d", 1, 1).remove_all()), [""; 0]);
    assert_eq!(store.names(ALICE, 1), [""; 0]);
    assert_eq!(store.names("bob@example.com", 1).len(), 1);
}

pub(crate) fn s10_3_a_removal_removes_all_that_it_matches_and_nothing_else(open: Open) {
    let store = open();
    let tcp = contact("sip:a@h", &[("transport", "tcp")]);
    let udp = contact("sip:a@h", &[("transport", "udp")]);
    let other = contact("sip:b@h", &[]);
    let outbound = instance("sip:a@h", 1);
    store.update(Register::new(ALICE, "c", 1, 0).put(tcp).put(udp).put(other).put(outbound)).unwrap();
    let after = store.names_after(Register::new(ALICE, "c", 2, 1).remove(contact("sip:a@h", &[])));
    assert_eq!(after, ["sip:b@h", "sip:a@h;reg-id=1"]);
}

pub(crate) fn s10_3_removing_what_is_not_there_succeeds(open: Open) {
    let store = open();
    assert_eq!(store.names_after(Register::new(ALICE, "c", 1, 0).remove(instance("urn:a", 1))), [""; 0]);
    assert_eq!(store.names_after(Register::new(ALICE, "c", 2, 0).remove_all()), [""; 0]);
    assert_eq!(store.lookup(ALICE, 0), Known::No);
}

pub(crate) fn a_query_changes_nothing_and_makes_no_aor_known(open: Open) {
    let store = open();
    assert_eq!(store.names_after(Register::new(ALICE, "c", 1, 0)), [""; 0]);
    assert_eq!(store.lookup(ALICE, 0), Known::No);
    store.update(Register::new(ALICE, "c", 5, 0).put(contact("1", &[]))).unwrap();
    // Nothing is updated, so nothing is out of order either.
    assert_eq!(store.names_after(Register::new(ALICE, "c", 5, 1)), ["1"]);
    assert_eq!(store.names_after(Register::new(ALICE, "c", 6, 1).put(contact("1", &[]))), ["1"]);
}
