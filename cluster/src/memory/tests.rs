//! What the suite that all stores pass (`tests/location`) cannot see.

use std::net::SocketAddr;

use crate::binding::{Binding, BindingKey};
use crate::flow::{FlowId, Transport};
use crate::location::Change;

use super::*;

fn flow(slot: u32) -> Flow {
    Flow { id: FlowId { worker: 0, slot, generation: 0 }, remote: SocketAddr::from(([192, 0, 2, 1], 5060)) }
}

fn put(aor: &str, reg_id: u32, slot: u32, expires_at: u64) -> Update {
    let binding = Binding {
        key: BindingKey::Instance { instance_id: b"urn:a"[..].into(), reg_id },
        contact: Box::default(),
        params: Box::default(),
        path: Box::default(),
        call_id: Box::default(),
        cseq: 1,
        q: 1000,
        expires_at: Timestamp(expires_at),
        updated_at: Timestamp(0),
        holder: NodeRun { node: "a".into(), epoch: 1 },
        flow: flow(slot),
        transport: Transport::Tcp,
        direct: true,
        outbound: true,
        user_agent: Box::default(),
    };
    Update {
        aor: aor.into(),
        call_id: slot.to_string().into_bytes().into(),
        cseq: 1,
        changes: Changes::Each(vec![Change::Put(binding)]),
        max_bindings: 16,
        now: Timestamp(0),
    }
}

#[test]
fn the_index_keeps_nothing_of_flows_that_have_no_bindings() {
    let store = Memory::new(Settings::default());
    for slot in 0..100 {
        store.update_now(put("a@h", 1, slot, 1000)).expect("in order");
        assert_eq!(store.index.len(), 1, "it moves from flow to flow");
    }
    for n in 0..100 {
        store.update_now(put(&format!("{n}@h"), 1, 7, 1000 + n)).expect("in order");
    }
    assert_eq!((store.index.len(), store.index.aors(&flow(7)).len()), (2, 100));
    for _ in 0..Memory::PURGES {
        store.purge_now(Timestamp(1050));
    }
    assert_eq!((store.index.len(), store.index.aors(&flow(7)).len()), (1, 49));
    store.flow_failed_now(&NodeRun { node: "a".into(), epoch: 1 }, &flow(7), Timestamp(1060));
    assert_eq!(store.index.len(), 0);
    assert_eq!(store.counts().bindings, 0);
}

#[test]
fn an_aor_without_bindings_makes_room_for_one_that_has_some() {
    let store = Memory::new(Settings { remember: Duration::from_secs(3600), max_aors: 1000 });
    for n in 0..1000 {
        store.update_now(put(&format!("old {n}@h"), 1, 7, 1000)).expect("there is room");
    }
    let is_put = |n: &i32| {
        let mut update = put(&format!("new {n}@h"), 1, 8, 9000);
        update.now = Timestamp(2000);
        store.update_now(update).is_ok()
    };
    // A shard without an old AOR is possible and refuses, so not quite all.
    let new = (0..500).filter(is_put).count();
    assert!(new > 400, "{new}");
    assert!(store.counts().aors <= 1000);
}
