//! RFC 5626 §7: a flow that has failed takes its bindings with it, and only these.

use std::net::SocketAddr;

use flowhold_cluster::flow::{Flow, FlowId};

use crate::make::{Open, Register, contact, flow, instance, node};

const ALICE: &str = "alice@example.com";

pub(crate) fn s7_a_failed_flow_takes_its_bindings_of_every_aor(open: Open) {
    let store = open();
    for n in 0..10 {
        let register = Register::new(&format!("{n}@h"), "c", 1, 0).over(flow(1)).put(instance("urn:a", 1));
        store.update(register.put(contact("2", &[])).over(flow(2)).put(instance("urn:a", 2))).unwrap();
    }
    store.update(Register::new(ALICE, "c", 1, 0).over(flow(2)).put(instance("urn:b", 1))).unwrap();

    assert_eq!(store.flow_failed(&node("a", 1), &flow(1), 1), 20);
    for n in 0..10 {
        assert_eq!(store.names(&format!("{n}@h"), 1), ["urn:a;reg-id=2"]);
    }
    assert_eq!(store.names(ALICE, 1).len(), 1);
    assert_eq!(store.flow_failed(&node("a", 1), &flow(1), 1), 0);
    assert_eq!(store.flow_failed(&node("a", 1), &flow(2), 1), 11);
    assert_eq!(store.flow_failed(&node("a", 1), &flow(9), 1), 0);
    assert_eq!(store.names(ALICE, 1), [""; 0]);
}

pub(crate) fn s7_a_binding_that_moved_to_another_flow_stays(open: Open) {
    let store = open();
    let key = || instance("urn:a", 1);
    store.update(Register::new(ALICE, "c", 1, 0).over(flow(1)).put(key())).unwrap();
    store.update(Register::new(ALICE, "d", 1, 1).over(flow(2)).named("moved").put(key())).unwrap();
    assert_eq!(store.flow_failed(&node("a", 1), &flow(1), 2), 0);
    assert_eq!(store.names(ALICE, 2), ["moved"]);
    // And back again.
    store.update(Register::new(ALICE, "e", 1, 3).over(flow(1)).named("back").put(key())).unwrap();
    assert_eq!(store.flow_failed(&node("a", 1), &flow(2), 4), 0);
    assert_eq!(store.names(ALICE, 4), ["back"]);
    assert_eq!(store.flow_failed(&node("a", 1), &flow(1), 5), 1);
}

pub(crate) fn s7_a_flow_of_another_node_run_or_remote_is_another_flow(open: Open) {
    let store = open();
    let (here, run) = (flow(1), store.holder_or(node("a", 2)));
    store
        .update(Register::new(ALICE, "c", 1, 0).over(here).held_by(run.clone()).put(contact("1", &[])))
        .unwrap();
    let port = SocketAddr::new(here.remote.ip(), here.remote.port() + 1);
    let newer = FlowId { generation: here.id.generation + 1, ..here.id };
    assert_eq!(store.flow_failed(&node("a", run.epoch + 1), &here, 1), 0);
    assert_eq!(store.flow_failed(&node("b", run.epoch), &here, 1), 0);
    assert_eq!(store.flow_failed(&run, &Flow { remote: port, ..here }, 1), 0);
    assert_eq!(store.flow_failed(&run, &Flow { id: newer, ..here }, 1), 0);
    assert_eq!(store.names(ALICE, 1), ["1"]);
    assert_eq!(store.flow_failed(&run, &here, 1), 1);
}

/// UDP: the flow is only a pair of addresses, and an ICMP error does not forbid them for ever.
pub(crate) fn s7_a_flow_that_failed_may_be_used_again(open: Open) {
    let store = open();
    let put = |cseq| Register::new(ALICE, "c", cseq, 0).over(flow(1)).put(contact("1", &[]));
    store.update(put(1)).unwrap();
    assert_eq!(store.flow_failed(&node("a", 1), &flow(1), 0), 1);
    assert_eq!(store.names_after(put(2)), ["1"]);
    assert_eq!(store.flow_failed(&node("a", 1), &flow(1), 0), 1);
    assert_eq!(store.names(ALICE, 0), [""; 0]);
}

/// A proxy's connection may come and go, and it carries bindings by the thousand.
pub(crate) fn s7_a_binding_that_came_by_a_proxy_outlives_the_proxys_connection(open: Open) {
    let store = open();
    let key = || instance("urn:a", 1);
    store.update(Register::new(ALICE, "c", 1, 0).over(flow(1)).by_proxy().put(key())).unwrap();
    assert_eq!(store.flow_failed(&node("a", 1), &flow(1), 1), 0);
    assert_eq!(store.names(ALICE, 1).len(), 1);
    // The same binding may become direct, and the other way round.
    store.update(Register::new(ALICE, "c", 2, 2).over(flow(1)).put(key())).unwrap();
    assert_eq!(store.flow_failed(&node("a", 1), &flow(1), 3), 1);
    store.update(Register::new(ALICE, "c", 3, 4).over(flow(1)).put(key())).unwrap();
    store.update(Register::new(ALICE, "c", 4, 5).over(flow(1)).by_proxy().put(key())).unwrap();
    assert_eq!(store.flow_failed(&node("a", 1), &flow(1), 6), 0);
    assert_eq!(store.names(ALICE, 6).len(), 1);
}
