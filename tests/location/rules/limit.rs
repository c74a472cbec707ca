//! Limits: bindings of an AOR, AORs of the store.

use flowhold_cluster::location::Known;
use flowhold_cluster::location::UpdateError::{TooManyAors, TooManyBindings};

use crate::make::{Open, Register, contact};
use crate::{MAX_AORS, REMEMBER};

const ALICE: &str = "alice@example.com";

pub(crate) fn a_binding_over_the_limit_undoes_the_whole_update(open: Open) {
    let store = open();
    let key = |name| contact(name, &[]);
    store.update(Register::new(ALICE, "c", 1, 0).at_most(2).named("old").put(key("1"))).unwrap();
    let three = Register::new(ALICE, "c", 2, 1).at_most(2).put(key("1")).put(key("2")).put(key("3"));
    assert_eq!(store.update(three), Err(TooManyBindings));
    assert_eq!(store.names(ALICE, 1), ["old"]);
    assert_eq!(store.names_after(Register::new(ALICE, "c", 2, 1).at_most(2).put(key("2"))), ["2", "old"]);
    assert_eq!(
        store.update(Register::new("bob@h", "c", 1, 0).at_most(0).put(key("1"))),
        Err(TooManyBindings)
    );
    assert_eq!(store.lookup("bob@h", 0), Known::No);
}

pub(crate) fn the_limit_counts_neither_replaced_nor_removed_nor_expired_bindings(open: Open) {
    let store = open();
    let key = |name| contact(name, &[]);
    store
        .update(Register::new(ALICE, "c", 1, 0).lasting(60).put(key("1")).lasting(90).put(key("2")))
        .unwrap();
    let register = |cseq, second| Register::new(ALICE, "c", cseq, second).at_most(2);
    assert_eq!(store.names_after(register(2, 1).put(key("2"))), ["2", "1"]);
    assert_eq!(store.names_after(register(3, 60).put(key("3"))), ["3", "2"]);
    assert_eq!(store.names_after(register(4, 61).put(key("4")).remove(key("2"))), ["4", "3"]);
}

pub(crate) fn an_aor_over_a_lowered_limit_may_refresh_and_remove(open: Open) {
    let store = open();
    let key = |name| contact(name, &[]);
    store.update(Register::new(ALICE, "c", 1, 0).put(key("1")).put(key("2")).put(key("3"))).unwrap();
    let register = |cseq| Register::new(ALICE, "c", cseq, 1).at_most(1);
    assert_eq!(store.names_after(register(2).put(key("3"))), ["3", "1", "2"]);
    assert_eq!(store.update(register(3).put(key("4"))), Err(TooManyBindings));
    assert_eq!(store.names_after(register(3).remove(key("1"))), ["3", "2"]);
}

pub(crate) fn an_aor_over_the_limit_of_aors_is_refused_until_one_is_forgotten(open: Open) {
    let store = open();
    let key = || contact("1", &[]);
    for n in 0..MAX_AORS {
        let lasts = if n == 0 { 60 } else { 100_000 };
        store.update(Register::new(&format!("{n}@h"), "c", 1, 0).lasting(lasts).put(key())).unwrap();
    }
    let one_more = |second| Register::new("more@h", "c", 1, second).lasting(100_000).put(key());
    assert_eq!(store.update(one_more(1)), Err(TooManyAors));
    assert_eq!(store.lookup("more@h", 1), Known::No);
    assert_eq!(store.counts().aors, MAX_AORS);
    // Those that are there are not in the way of their own refreshes, and questions need no room.
    assert_eq!(store.names_after(Register::new("1@h", "c", 2, 1).put(key())), ["1"]);
    assert_eq!(store.names_after(Register::new("more@h", "c", 1, 1)), [""; 0]);

    let forgotten = 60 + REMEMBER.as_secs();
    store.purge(forgotten);
    assert_eq!(store.names_after(one_more(forgotten)), ["1"]);
    assert_eq!(store.counts().aors, MAX_AORS);
}
