//! What the suite of all stores (`tests/location`) cannot see of the one in Redis: what it writes, how that goes away, and
//! what only a cluster asks of it.

use std::sync::Arc;
use std::time::Duration;

use flowhold_cluster::binding::{Aor, Binding, BindingKey, Timestamp};
use flowhold_cluster::flow::{Flow, FlowId, NodeRun, Transport};
use flowhold_cluster::location::{Change, Changes, Known, Unavailable, Update, UpdateError};
use flowhold_cluster::redis::{Redis, Settings, Store};

use crate::support::{RedisServer, wait_until};
use crate::{Worker, settings};

const NOW: Timestamp = Timestamp(1_760_000_000_000);
const REMEMBER: Duration = Duration::from_secs(600);
const ALICE: &str = "alice@example.com";

struct Test {
    worker: Worker,
    redis: Redis,
    store: Store,
}

impl Test {
    fn new(server: &RedisServer, remember: Duration) -> Self {
        let redis = Redis::new(Settings { prefix: "p".to_owned(), ..settings(server.url()) }).unwrap();
        Self { worker: Worker::start(), store: Store::new(redis.clone(), remember), redis }
    }

    fn put(&self, binding: Binding) -> Result<Vec<String>, UpdateError> {
        self.change(binding.call_id.clone(), binding.cseq, Change::Put(binding))
    }

    fn change(&self, call_id: Box<[u8]>, cseq: u32, change: Change) -> Result<Vec<String>, UpdateError> {
        let update = Update {
            aor: ALICE.into(),
            call_id,
            cseq,
            changes: Changes::Each(vec![change]),
            max_bindings: 16,
            now: NOW,
        };
        let after = self.worker.runtime.block_on(self.store.update(update));
        after.map(|bindings| names(&bindings))
    }

    fn lookup(&self) -> Result<Known, Unavailable> {
        self.worker.runtime.block_on(self.store.lookup(&ALICE.into(), NOW))
    }

    fn names(&self) -> Vec<String> {
        match self.lookup().unwrap() {
            Known::Yes(bindings) => names(&bindings),
            Known::No => panic!("not known"),
        }
    }

    fn restore(&self, bindings: impl IntoIterator<Item = Binding>) -> usize {
        let bindings: Vec<Arc<Binding>> = bindings.into_iter().map(Arc::new).collect();
        self.worker.runtime.block_on(self.store.restore(&ALICE.into(), &bindings, NOW)).unwrap()
    }
}

/// Over a flow of its own on node `a`, named by its contact.
fn binding(reg_id: u32, name: &str) -> Binding {
    Binding {
        key: BindingKey::Instance { instance_id: b"urn:uuid:1"[..].into(), reg_id },
        contact: name.as_bytes().into(),
        params: Box::default(),
        path: b"<sip:edge;lr>"[..].into(),
        call_id: b"c"[..].into(),
        cseq: 7,
        q: 1000,
        expires_at: NOW + Duration::from_secs(60),
        updated_at: NOW,
        holder: node("a", 1),
        flow: flow(reg_id),
        transport: Transport::Tcp,
        direct: true,
        outbound: true,
        user_agent: Box::default(),
    }
}

fn node(name: &str, epoch: u64) -> NodeRun {
    NodeRun { node: name.into(), epoch }
}

fn flow(slot: u32) -> Flow {
    Flow { id: FlowId { worker: 0, slot, generation: 1 }, remote: "192.0.2.1:40000".parse().unwrap() }
}

fn names(bindings: &[Arc<Binding>]) -> Vec<String> {
    bindings.iter().map(|binding| String::from_utf8(binding.contact.to_vec()).unwrap()).collect()
}

#[test]
fn an_aor_is_one_hash_that_a_person_can_read() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    test.put(binding(1, "sip:alice@192.0.2.1")).unwrap();
    let key = "p:aor:{alice@example.com}";
    assert_eq!(server.command(&["KEYS", "*"]), key);
    assert_eq!(
        server.command(&["HGETALL", key]),
        "instance=urn:uuid:1 reg-id=1\n\
         seq=1 expires=1760000060000 updated=1760000000000 cseq=7 call-id=c node=a epoch=1 direct=yes flow=0.1.1 \
         remote=192.0.2.1:40000 transport=tcp outbound=yes q=1000 contact=sip:alice@192.0.2.1 params= \
         path=<sip:edge;lr> user-agent="
    );
    test.change(b"d"[..].into(), 1, Change::Remove(binding(1, "").key)).unwrap();
    assert_eq!(server.command(&["HGETALL", key]), "ended\n1760000000000");
    test.put(binding(2, "sip:alice@192.0.2.1")).unwrap();
    assert!(!server.command(&["HGETALL", key]).contains("ended"));
}

#[test]
fn a_key_lives_as_long_as_its_last_binding_and_the_time_that_an_aor_is_remembered() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    let time_to_live = || server.command(&["PTTL", "p:aor:{alice@example.com}"]).parse::<u64>().unwrap();
    let is_about = |seconds: u64| {
        let left = time_to_live();
        assert!(left <= seconds * 1000 && left > (seconds - 10) * 1000, "{left} of {seconds} s");
    };
    let lasting =
        |reg_id, seconds| Binding { expires_at: NOW + Duration::from_secs(seconds), ..binding(reg_id, "") };
    test.put(lasting(1, 60)).unwrap();
    is_about(660);
    test.put(lasting(2, 3600)).unwrap();
    is_about(4200);
    test.put(lasting(3, 120)).unwrap();
    is_about(4200);
    let remove = |reg_id| test.change(b"d"[..].into(), 1, Change::Remove(binding(reg_id, "").key)).unwrap();
    remove(2);
    is_about(720);
    remove(1);
    remove(3);
    is_about(600);
    // For ever is not a time that Redis takes.
    test.put(Binding { expires_at: Timestamp(u64::MAX), ..binding(1, "") }).unwrap();
    assert!(time_to_live() > 1_000_000_000);
}

#[test]
fn a_redis_whose_nodes_are_gone_empties_itself() {
    let server = RedisServer::start();
    let test = Test::new(&server, Duration::from_millis(100));
    test.put(Binding { expires_at: NOW + Duration::from_millis(100), ..binding(1, "") }).unwrap();
    wait_until("nothing is left", || server.command(&["DBSIZE"]) == "0");
    assert_eq!(test.lookup(), Ok(Known::No));
}

#[test]
fn what_is_lost_is_put_back_in_its_order() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    let older = Binding { updated_at: Timestamp(NOW.0 - 5), ..binding(3, "older") };
    assert_eq!(test.restore([binding(1, "1"), binding(2, "2"), older]), 3);
    assert_eq!(test.names(), ["1", "2", "older"]);
    let over = Binding { expires_at: NOW, ..binding(4, "over") };
    assert_eq!(test.restore([over]), 0);
    assert_eq!(test.names(), ["1", "2", "older"]);
}

#[test]
fn what_is_put_back_takes_the_place_of_nothing_newer() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    let now = |name| binding(1, name);
    test.put(now("there")).unwrap();
    let restores = |expected: usize, binding: Binding| {
        let name = String::from_utf8(binding.contact.to_vec()).unwrap();
        assert_eq!(test.restore([binding]), expected, "{name}");
        let is_there = test.names() == [name.as_str()];
        assert_eq!(is_there, expected == 1, "{name}");
    };
    // By CSeq within a Call-ID, whatever the clocks of two nodes say.
    let later = Timestamp(NOW.0 + 5);
    restores(0, Binding { cseq: 6, updated_at: later, ..now("lower CSeq, later") });
    restores(1, Binding { cseq: 8, updated_at: Timestamp(NOW.0 - 5), ..now("higher CSeq, earlier") });
    restores(0, Binding { call_id: b"d"[..].into(), updated_at: Timestamp(NOW.0 - 6), ..now("earlier") });
    restores(1, Binding { call_id: b"d"[..].into(), updated_at: later, ..now("later") });
    // The same registration under a new lease.
    let again = Binding {
        call_id: b"d"[..].into(),
        updated_at: later,
        holder: node("a", 2),
        ..now("under a new lease")
    };
    restores(1, again);
    // What is equal by RFC 3261 §19.1.4 is the same binding here too.
    let contact = |params: &[(&str, &str)], name: &str, cseq| Binding {
        key: BindingKey::contact(&b"sip:a@h"[..], params.iter().copied()),
        cseq,
        ..binding(9, name)
    };
    test.restore([contact(&[("x", "1")], "x", 7)]);
    assert_eq!(test.restore([contact(&[], "old", 6)]), 0);
    assert_eq!(test.restore([contact(&[], "new", 8)]), 1);
    assert_eq!(test.names(), ["under a new lease", "new"]);
}

#[test]
fn the_bindings_of_a_dead_run_are_removed_and_no_others() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    let by_proxy = Binding { direct: false, ..binding(2, "by a proxy") };
    let newer = Binding { holder: node("a", 12), ..binding(3, "of the next run") };
    let other = Binding { holder: node("b", 1), ..binding(4, "of another node") };
    test.restore([binding(1, "dead"), by_proxy, newer, other, binding(5, "dead too")]);
    let remove_of = |holder: &NodeRun| {
        test.worker.runtime.block_on(test.store.remove_of(&Aor::from(ALICE), holder, NOW)).unwrap()
    };
    assert_eq!(remove_of(&node("a", 2)), 0);
    assert_eq!(remove_of(&node("a", 1)), 2);
    assert_eq!(remove_of(&node("a", 1)), 0);
    assert_eq!(test.names(), ["by a proxy", "of the next run", "of another node"]);
}

#[test]
fn what_others_wrote_is_not_taken_for_a_binding() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    let key = "p:aor:{alice@example.com}";
    server.command(&["HSET", key, "note", "hands off", "ended", "some day"]);
    assert_eq!(test.lookup(), Ok(Known::No));
    assert_eq!(test.put(binding(1, "1")).unwrap(), ["1"]);
    assert_eq!(test.names(), ["1"]);
    server.command(&["SET", key, "text"]);
    assert!(matches!(test.put(binding(1, "1")), Err(UpdateError::Unavailable { .. })));
    assert!(test.lookup().is_err() && test.redis.is_available());
    assert_eq!(test.redis.failures().refused, 2);
}

#[test]
fn a_full_redis_takes_no_binding_but_finds_and_removes_those_that_it_has() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    test.put(binding(1, "1")).unwrap();
    test.put(binding(2, "2")).unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(matches!(test.put(binding(3, "3")), Err(UpdateError::Unavailable { .. })));
    assert_eq!(test.names(), ["2", "1"]);
    let remove = |reg_id| test.change(b"d"[..].into(), 1, Change::Remove(binding(reg_id, "").key)).unwrap();
    assert_eq!(remove(1), ["2"]);
    assert_eq!(remove(2), [""; 0]);
    assert_eq!(test.redis.failures().refused, 1);
}
