//! Races that can be had at will only from within: something happens between two steps of another thing. All others are in
//! `tests/clustered`.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use tokio::runtime::Runtime;

use crate::binding::{Binding, BindingKey};
use crate::directory;
use crate::flow::{FlowId, Transport};
use crate::location::{Change, Changes};
use crate::redis::{self, Settled, UpdateFailed};
use support::RedisServer;
use support::wait::wait_until;

use super::*;

const ALICE: &str = "alice@example.com";
const NOW: Timestamp = Timestamp(1_760_000_000_000);

struct Test {
    server: RedisServer,
    runtime: Runtime,
    a: Clustered,
}

impl Test {
    fn start() -> Self {
        let (server, runtime) = (RedisServer::start(), Runtime::new().unwrap());
        let a = node(&server, "a");
        let test = Self { server, runtime, a };
        test.catches_up();
        test
    }

    /// Beats until nothing is left to do.
    fn catches_up(&self) {
        wait_until("the node is in step", || {
            self.runtime.block_on(self.a.tend(Load::default(), NOW)).is_ok() && !self.a.is_behind()
        });
    }

    fn loses_its_lease(&self) {
        self.server.command(&["HDEL", "flowhold:{nodes}", "a"]);
        let beat = self.runtime.block_on(self.a.tend(Load::default(), NOW));
        assert!(beat.unwrap().lost.is_some());
    }

    /// An update as Redis gets it.
    fn settled(&self, cseq: u32) -> Settled {
        let mut update = Settled::from(update(self.a.directory().run(), cseq));
        self.a.shared.hold(&mut update.put, self.a.directory().epoch().unwrap());
        update
    }

    fn stored(&self) -> String {
        self.server.command(&["HGETALL", &format!("flowhold:aor:{{{ALICE}}}")])
    }

    fn cseqs(&self) -> Vec<u32> {
        let known = self.runtime.block_on(self.a.lookup(&ALICE.into(), NOW)).unwrap();
        let Known::Yes(bindings) = known else { return Vec::new() };
        bindings.iter().map(|binding| binding.cseq).collect()
    }
}

fn node(server: &RedisServer, node: &str) -> Clustered {
    let settings = redis::Settings {
        urls: vec![server.url()],
        deadline: Duration::from_millis(200),
        ..redis::Settings::default()
    };
    let redis = Redis::new(settings).unwrap();
    let settings = directory::Settings {
        run: NodeRun { node: node.into(), epoch: 1 },
        at: format!("{node}:5070").into(),
        sip: Arc::new([]),
        lease: Duration::from_secs(600),
    };
    let directory = Arc::new(Directory::new(redis.clone(), settings));
    let settings = Settings { memory: memory::Settings::default(), when_down: WhenDown::Reject };
    Clustered::new(redis, directory, settings)
}

fn flow(slot: u32) -> Flow {
    Flow { id: FlowId { worker: 0, slot, generation: 0 }, remote: "192.0.2.1:40000".parse().unwrap() }
}

/// One REGISTER of the UA, over a flow that has its CSeq for a number.
fn update(holder: &NodeRun, cseq: u32) -> Update {
    let binding = Binding {
        key: BindingKey::Instance { instance_id: b"urn:a"[..].into(), reg_id: 1 },
        contact: Box::default(),
        params: Box::default(),
        path: Box::default(),
        call_id: b"c"[..].into(),
        cseq,
        q: 1000,
        expires_at: NOW + Duration::from_secs(3600),
        updated_at: NOW,
        holder: holder.clone(),
        flow: flow(cseq),
        transport: Transport::Tcp,
        direct: true,
        outbound: true,
        user_agent: Box::default(),
    };
    Update {
        aor: ALICE.into(),
        call_id: b"c"[..].into(),
        cseq,
        changes: Changes::Each(vec![Change::Put(binding)]),
        max_bindings: 16,
        now: NOW,
    }
}

#[test]
fn an_update_answered_after_the_epoch_changed_is_written_again_before_it_succeeds() {
    let test = Test::start();
    let (shared, old) = (&test.a.shared, test.a.directory().epoch().unwrap());
    let update = test.settled(1);
    let updated = test.runtime.block_on(shared.write(&update)).unwrap();
    test.loses_its_lease();
    test.catches_up();
    assert!(test.stored().contains(&format!("epoch={old} ")), "the mirror did not have it yet");
    test.runtime.block_on(shared.made(update, updated, old));
    assert!(test.stored().contains(&format!("epoch={} ", test.a.directory().epoch().unwrap())));
    assert_eq!(test.cseqs(), [1]);
}

/// The answer to this update is lost, after Redis has made it.
fn gives_up(test: &Test, cseq: u32) {
    let (shared, given_up) = (&test.a.shared, test.settled(cseq));
    test.runtime.block_on(shared.write(&given_up)).unwrap();
    let failed = UpdateFailed { error: shared.redis.unavailable().into(), is_doubtful: true };
    assert!(shared.away(given_up, failed).is_err());
}

#[test]
fn what_an_update_put_that_was_given_up_is_known_to_end_with_its_flow() {
    let test = Test::start();
    let run = test.a.directory().run().clone();
    test.runtime.block_on(test.a.update(update(&run, 1))).unwrap();
    gives_up(&test, 2);
    assert_eq!(test.cseqs(), [2]);
    test.catches_up();
    assert_eq!(test.cseqs(), [2]);
    assert_eq!(test.runtime.block_on(test.a.flow_failed(&run, &flow(2), NOW)), Ok(1));
    assert_eq!(test.cseqs(), [0; 0]);
}

#[test]
fn if_its_flow_fails_before_that_is_known_what_it_replaced_is_back() {
    let test = Test::start();
    let run = test.a.directory().run().clone();
    test.runtime.block_on(test.a.update(update(&run, 1))).unwrap();
    gives_up(&test, 2);
    assert_eq!(test.runtime.block_on(test.a.flow_failed(&run, &flow(2), NOW)), Ok(0));
    // Also when all is written back before it can be told.
    test.server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    test.catches_up();
    assert_eq!((test.cseqs(), test.stored().contains("cseq=2")), (vec![1], false));
}

#[test]
fn what_the_ua_put_after_an_update_that_was_given_up_stays() {
    let test = Test::start();
    gives_up(&test, 1);
    test.runtime.block_on(test.a.update(update(test.a.directory().run(), 2))).unwrap();
    test.catches_up();
    assert_eq!((test.cseqs(), test.a.counts().bindings), (vec![2], 1));
}

#[test]
fn what_an_update_displaced_that_was_given_up_leaves_its_nodes_mirror() {
    let test = Test::start();
    let b = node(&test.server, "b");
    test.runtime.block_on(b.tend(Load::default(), NOW)).unwrap();
    test.runtime.block_on(b.update(update(b.directory().run(), 1))).unwrap();
    gives_up(&test, 2);
    test.catches_up();
    test.runtime.block_on(b.tend(Load::default(), NOW)).unwrap();
    assert_eq!((test.cseqs(), b.counts().bindings), (vec![2], 0));
}

#[test]
fn a_flow_that_fails_before_a_lease_is_there_again_takes_its_binding_all_the_same() {
    let test = Test::start();
    let run = test.a.directory().run().clone();
    test.runtime.block_on(test.a.update(update(&run, 1))).unwrap();
    test.server.freeze();
    assert_eq!(test.runtime.block_on(test.a.flow_failed(&run, &flow(1), NOW)), Ok(1));
    test.server.thaw();
    // Redis has it under the old epoch, which is dead, and the mirror has it no more.
    wait_until("Redis is back", || test.runtime.block_on(test.a.lookup(&ALICE.into(), NOW)).is_ok());
    test.loses_its_lease();
    test.catches_up();
    assert_eq!(test.cseqs(), [0; 0]);
}

#[test]
fn what_others_displaced_is_heard_after_the_update_that_it_was_put_by() {
    let test = Test::start();
    let (shared, epoch) = (&test.a.shared, test.a.directory().epoch().unwrap());
    let b = node(&test.server, "b");
    test.runtime.block_on(b.tend(Load::default(), NOW)).unwrap();
    test.runtime.block_on(async {
        let turn = shared.turns.take(&ALICE.into()).await;
        let first = test.settled(1);
        let updated = shared.write(&first).await.unwrap();
        b.update(update(b.directory().run(), 2)).await.unwrap();
        let clustered = test.a.clone();
        let beat = tokio::spawn(async move { clustered.tend(Load::default(), NOW).await });
        tokio::task::yield_now().await;
        shared.made(first, updated, epoch).await;
        drop(turn);
        beat.await.unwrap().unwrap();
    });
    test.catches_up();
    assert_eq!(test.a.counts().bindings, 0);
    assert_eq!(test.cseqs(), [2]);
}
