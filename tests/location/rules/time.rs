//! Expiry, and for how long an AOR is known.

use flowhold_cluster::location::{Counts, Known};

use crate::REMEMBER;
use crate::make::{Open, Register, contact, flow, instance, node};

const ALICE: &str = "alice@example.com";

pub(crate) fn an_expired_binding_is_never_returned(open: Open) {
    let store = open();
    let register = Register::new(ALICE, "c", 1, 0);
    store.update(register.lasting(60).put(contact("1", &[])).lasting(61).put(contact("2", &[]))).unwrap();
    assert_eq!(store.names(ALICE, 59), ["1", "2"]);
    assert_eq!(store.names(ALICE, 60), ["2"]);
    assert_eq!(store.names_after(Register::new(ALICE, "d", 1, 60)), ["2"]);
    assert_eq!(store.names_after(Register::new(ALICE, "d", 1, 61).put(contact("3", &[]))), ["3"]);
    assert_eq!(store.names(ALICE, 3661), [""; 0]);
}

/// 480 while it is known, 404 afterwards.
pub(crate) fn an_aor_is_known_for_a_time_after_its_last_binding_ended(open: Open) {
    let key = || instance("urn:a", 1);
    let remember = REMEMBER.as_secs();
    let is_known_from_to = |store: &crate::make::Store, from: u64| {
        assert_eq!(store.names(ALICE, from), [""; 0]);
        store.purge(from + remember - 1);
        assert_eq!(store.names(ALICE, from + remember - 1), [""; 0]);
        assert_eq!(store.lookup(ALICE, from + remember), Known::No, "purged or not");
        store.purge(from + remember);
        assert_eq!(store.lookup(ALICE, from + remember), Known::No);
        assert_eq!(store.counts(), Counts::default());
    };

    let expired = open();
    expired.update(Register::new(ALICE, "c", 1, 0).lasting(60).put(key())).unwrap();
    is_known_from_to(&expired, 60);

    let removed = open();
    removed.update(Register::new(ALICE, "c", 1, 0).put(key())).unwrap();
    removed.update(Register::new(ALICE, "c", 2, 7).remove(key())).unwrap();
    // Removing it once more does not prolong it.
    removed.update(Register::new(ALICE, "c", 3, 9).remove_all()).unwrap();
    is_known_from_to(&removed, 7);

    let failed = open();
    failed.update(Register::new(ALICE, "c", 1, 0).over(flow(3)).put(key())).unwrap();
    failed.flow_failed(&node("a", 1), &flow(3), 8);
    is_known_from_to(&failed, 8);
}

pub(crate) fn purging_forgets_what_is_over_and_nothing_else(open: Open) {
    let store = open();
    for n in 0..20_u64 {
        let aor = format!("{n}@h");
        let register = Register::new(&aor, "c", 1, 0).lasting(60 + n).put(instance("urn:a", 1));
        store.update(register.lasting(3600).put(contact("2", &[]))).unwrap();
    }
    assert_eq!(store.counts(), Counts { aors: 20, bindings: 40 });
    store.purge(69);
    assert_eq!(store.counts(), Counts { aors: 20, bindings: 30 });
    for n in 0..20_u64 {
        assert_eq!(store.names(&format!("{n}@h"), 69).len(), if n < 10 { 1 } else { 2 });
    }
    store.purge(3600 + REMEMBER.as_secs() - 1);
    assert_eq!(store.counts(), Counts { aors: 20, bindings: 0 });
    store.purge(3600 + REMEMBER.as_secs());
    assert_eq!(store.counts(), Counts::default());
}
