//! RFC 3261 §10.3 steps 6 and 7: what comes out of order changes nothing.

use flowhold_cluster::location::UpdateError::OutOfOrder;

use crate::make::{Open, Register, contact, instance};

const ALICE: &str = "alice@example.com";

pub(crate) fn s10_3_a_cseq_that_is_not_higher_aborts_the_update(open: Open) {
    for key in [instance("urn:a", 1), contact("sip:a@h", &[])] {
        let store = open();
        let put = |cseq, name| Register::new(ALICE, "c", cseq, 0).named(name).put(key.clone());
        store.update(put(5, "five")).unwrap();
        assert_eq!(store.update(put(5, "again")), Err(OutOfOrder));
        assert_eq!(store.update(put(4, "late")), Err(OutOfOrder));
        assert_eq!(store.names(ALICE, 0), ["five"]);
        assert_eq!(store.names_after(put(6, "six")), ["six"]);
        // CSeq is 31 bits unsigned: no half of it is negative.
        assert_eq!(store.names_after(put(u32::MAX >> 1, "high")), ["high"]);
    }
}

pub(crate) fn s10_3_another_call_id_is_in_order(open: Open) {
    let store = open();
    store.update(Register::new(ALICE, "c", 5, 0).put(contact("sip:a@h", &[]))).unwrap();
    let after = store.names_after(Register::new(ALICE, "d", 1, 0).named("new").put(contact("sip:a@h", &[])));
    assert_eq!(after, ["new"]);
    assert_eq!(store.names_after(Register::new(ALICE, "e", 1, 0).remove(contact("sip:a@h", &[]))), [""; 0]);
}

pub(crate) fn s10_3_one_binding_out_of_order_undoes_the_whole_update(open: Open) {
    let store = open();
    let key = |name| contact(name, &[]);
    store.update(Register::new(ALICE, "c", 5, 0).put(key("1"))).unwrap();
    store.update(Register::new(ALICE, "d", 1, 0).put(key("2"))).unwrap();
    let mixed = Register::new(ALICE, "c", 5, 1).put(key("3")).remove(key("2")).put(key("1"));
    assert_eq!(store.update(mixed), Err(OutOfOrder));
    assert_eq!(store.names(ALICE, 1), ["2", "1"]);
}

pub(crate) fn s10_3_a_removal_out_of_order_fails(open: Open) {
    let store = open();
    store.update(Register::new(ALICE, "c", 5, 0).put(instance("urn:a", 1))).unwrap();
    let remove = |cseq| Register::new(ALICE, "c", cseq, 1).remove(instance("urn:a", 1));
    assert_eq!(store.update(remove(5)), Err(OutOfOrder));
    assert_eq!(store.names(ALICE, 1).len(), 1);
    assert_eq!(store.names_after(remove(6)), [""; 0]);
}

pub(crate) fn s10_3_a_star_out_of_order_removes_nothing(open: Open) {
    let store = open();
    store.update(Register::new(ALICE, "d", 9, 0).put(contact("1", &[]))).unwrap();
    store.update(Register::new(ALICE, "c", 5, 0).put(contact("2", &[]))).unwrap();
    assert_eq!(store.update(Register::new(ALICE, "c", 5, 1).remove_all()), Err(OutOfOrder));
    assert_eq!(store.names(ALICE, 1), ["2", "1"]);
    assert_eq!(store.names_after(Register::new(ALICE, "c", 6, 1).remove_all()), [""; 0]);
}

pub(crate) fn s10_3_an_expired_binding_orders_nothing(open: Open) {
    let store = open();
    let put = |second| Register::new(ALICE, "c", 5, second).lasting(60).put(contact("1", &[]));
    store.update(put(0)).unwrap();
    assert_eq!(store.update(put(59)), Err(OutOfOrder));
    assert_eq!(store.names_after(put(60)), ["1"]);
}

pub(crate) fn s10_3_two_changes_of_one_binding_in_one_update_do_not_order_each_other(open: Open) {
    let store = open();
    let twice = |cseq| {
        let register = Register::new(ALICE, "c", cseq, 0);
        register.named("first").put(instance("urn:a", 1)).named("last").put(instance("urn:a", 1))
    };
    assert_eq!(store.names_after(twice(1)), ["last"]);
    assert_eq!(store.names_after(twice(2)), ["last"]);
    assert_eq!(store.names_after(twice(3).remove(instance("urn:a", 1))), [""; 0]);
}
