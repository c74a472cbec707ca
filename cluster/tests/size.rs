//! What a binding costs in memory, all in: itself, its AOR, its place in the maps.
#![allow(clippy::unwrap_used)]

use std::alloc::System;
use std::net::SocketAddr;

use flowhold_cluster::binding::{Binding, BindingKey, Timestamp};
use flowhold_cluster::flow::{Flow, FlowId, NodeRun, Transport};
use flowhold_cluster::location::{Change, Changes, Location, Update};
use flowhold_cluster::memory::{Memory, Settings};
use futures_util::FutureExt;
use stats_alloc::{Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: StatsAlloc<System> = StatsAlloc::system();

const BINDINGS: usize = 10_000;
/// What an allocator may take on top of what it was asked for: a header, and rounding up to 16.
const OVERHEAD: usize = 12;

#[test]
fn a_binding_takes_less_than_700_bytes() {
    let store = Memory::new(Settings::default());
    let node = NodeRun { node: "a".into(), epoch: 1_700_000_000_000 };
    let region = Region::new(&ALLOCATOR);
    for n in 0..BINDINGS {
        store.update(register(n, &node)).now_or_never().unwrap().unwrap();
    }
    let change = region.change();
    assert_eq!(store.counts().bindings, BINDINGS);

    let bytes = change.bytes_allocated - change.bytes_deallocated;
    let pieces = change.allocations - change.deallocations;
    let all_in = (bytes + pieces * OVERHEAD) / BINDINGS;
    println!(
        "per binding: {} bytes asked for in {} allocations, about {all_in} with the allocator's own",
        bytes / BINDINGS,
        pieces / BINDINGS
    );
    assert!(all_in < 700, "{all_in} bytes");
}

/// Of the length that UAs send.
fn register(n: usize, node: &NodeRun) -> Update {
    let slot = u32::try_from(n).unwrap();
    let instance_id = format!("urn:uuid:f81d4fae-7dec-11d0-a765-00a0{n:08x}");
    let call_id: Box<[u8]> = format!("4f9a3c5e7b1d2086-{n:08x}").into_bytes().into();
    let binding = Binding {
        contact: format!("sip:user{n}@192.168.1.{}:49152;transport=tcp;ob", n % 250).into_bytes().into(),
        params: format!(";+sip.instance=\"<{instance_id}>\";reg-id=1").into_bytes().into(),
        key: BindingKey::Instance { instance_id: instance_id.into_bytes().into(), reg_id: 1 },
        path: Box::default(),
        call_id: call_id.clone(),
        cseq: 4711,
        q: 1000,
        expires_at: Timestamp(1_700_003_600_000),
        updated_at: Timestamp(1_700_000_000_000),
        holder: node.clone(),
        flow: Flow {
            id: FlowId { worker: 0, slot, generation: 1 },
            remote: SocketAddr::from(([203, 0, 113, 7], 40_000)),
        },
        transport: Transport::Tcp,
        direct: true,
        outbound: true,
        user_agent: b"baresip v3.10.1 (x86_64/Linux)"[..].into(),
    };
    Update {
        aor: format!("user{n}@example.com").as_str().into(),
        call_id,
        cseq: 4711,
        changes: Changes::Each(vec![Change::Put(binding)]),
        max_bindings: 16,
        now: Timestamp(1_700_000_000_000),
    }
}
