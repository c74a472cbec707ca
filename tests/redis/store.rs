//! What the suite of all stores (`tests/location`) cannot see of the one in Redis: what it writes, how that goes away, and
//! what only a cluster asks of it.

use std::sync::Arc;
use std::time::Duration;

use flowhold_cluster::binding::{Aor, Binding, BindingKey, Timestamp};
use flowhold_cluster::flow::{Flow, FlowId, NodeRun, Transport};
use flowhold_cluster::location::{Change, Changes, Known, Unavailable, Update, UpdateError};
use flowhold_cluster::redis::Restored::{self, Outdated, Present, Put};
use flowhold_cluster::redis::{Redis, Settings, Settled, Store};

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
        let update = Settled::from(update);
        let after = self.worker.runtime.block_on(self.store.update(&update, "a", None));
        after
            .map(|updated| [names(&update.put), names(&updated.kept)].concat())
            .map_err(|failed| failed.error)
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

    fn restore(&self, bindings: impl IntoIterator<Item = Binding>) -> Vec<Restored> {
        let bindings: Vec<Arc<Binding>> = bindings.into_iter().map(Arc::new).collect();
        self.worker.runtime.block_on(self.store.restore(&ALICE.into(), &bindings, NOW, None)).unwrap()
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
    let all = [binding(1, "1"), binding(2, "2"), older];
    assert_eq!(test.restore(all.clone()), [Put; 3]);
    assert_eq!(test.restore(all), [Present; 3]);
    assert_eq!(test.names(), ["1", "2", "older"]);
    let over = Binding { expires_at: NOW, ..binding(4, "over") };
    assert_eq!(test.restore([over]), [Outdated]);
    assert_eq!(test.names(), ["1", "2", "older"]);
}

#[test]
fn what_is_put_back_takes_the_place_of_nothing_newer() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    let now = |name| binding(1, name);
    test.put(now("there")).unwrap();
    let restores = |expected: Restored, binding: Binding| {
        let name = String::from_utf8(binding.contact.to_vec()).unwrap();
        assert_eq!(test.restore([binding]), [expected], "{name}");
        let is_there = test.names() == [name.as_str()];
        assert_eq!(is_there, expected == Put, "{name}");
    };
    // By CSeq within a Call-ID, whatever the clocks of two nodes say.
    let later = Timestamp(NOW.0 + 5);
    restores(Outdated, Binding { cseq: 6, updated_at: later, ..now("lower CSeq, later") });
    restores(Put, Binding { cseq: 8, updated_at: Timestamp(NOW.0 - 5), ..now("higher CSeq, earlier") });
    restores(
        Outdated,
        Binding { call_id: b"d"[..].into(), updated_at: Timestamp(NOW.0 - 6), ..now("earlier") },
    );
    restores(
        Outdated,
        Binding { call_id: b"d"[..].into(), updated_at: Timestamp(NOW.0 - 5), ..now("as late") },
    );
    restores(Put, Binding { call_id: b"d"[..].into(), updated_at: later, ..now("later") });
    // The same registration under a new lease.
    let again = Binding {
        call_id: b"d"[..].into(),
        updated_at: later,
        holder: node("a", 2),
        ..now("under a new lease")
    };
    restores(Put, again);
    // What is equal by RFC 3261 §19.1.4 is the same binding here too.
    let contact = |params: &[(&str, &str)], name: &str, cseq| Binding {
        key: BindingKey::contact(&b"sip:a@h"[..], params.iter().copied()),
        cseq,
        ..binding(9, name)
    };
    test.restore([contact(&[("x", "1")], "x", 7)]);
    assert_eq!(test.restore([contact(&[], "old", 6)]), [Outdated]);
    assert_eq!(test.restore([contact(&[], "new", 8)]), [Put]);
    assert_eq!(test.names(), ["under a new lease", "new"]);
}

#[test]
fn what_a_node_displaces_of_others_is_named_and_its_own_is_not() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    let of_b = |reg_id, name| Binding { holder: node("b", 1), direct: reg_id == 1, ..binding(reg_id, name) };
    test.restore([of_b(1, "replaced"), of_b(2, "stays"), of_b(3, "removed"), binding(4, "own")]);
    let displaced = |call_id: &[u8], changes: Vec<Change>| {
        let changes = Changes::Each(changes);
        let update = Update {
            aor: ALICE.into(),
            call_id: call_id.into(),
            cseq: 9,
            changes,
            max_bindings: 16,
            now: NOW,
        };
        let updated = test.worker.runtime.block_on(test.store.update(&update.into(), "a", None)).unwrap();
        names(&updated.displaced)
    };
    let put = |reg_id| Change::Put(Binding { cseq: 9, ..binding(reg_id, "new") });
    let changes = vec![put(1), put(4), Change::Remove(binding(3, "").key)];
    let mut named = displaced(b"c", changes);
    named.sort();
    assert_eq!(named, ["removed", "replaced"]);
    assert_eq!(displaced(b"d", vec![put(1)]), [""; 0]);
}

#[test]
fn what_comes_later_is_stored_as_later_whatever_the_clocks_of_two_nodes_say() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    let ahead = Binding { updated_at: Timestamp(NOW.0 + 900), holder: node("b", 1), ..binding(1, "first") };
    test.restore([ahead.clone()]);
    let second = Binding { call_id: b"d"[..].into(), ..binding(1, "second") };
    let update = Update {
        aor: ALICE.into(),
        call_id: b"d"[..].into(),
        cseq: 7,
        changes: Changes::Each(vec![Change::Put(second)]),
        max_bindings: 16,
        now: NOW,
    };
    let updated = test.worker.runtime.block_on(test.store.update(&update.into(), "a", None)).unwrap();
    assert_eq!(updated.updated_at, Some(Timestamp(NOW.0 + 901)));
    let Known::Yes(stored) = test.lookup().unwrap() else { panic!("not known") };
    assert_eq!(Some(stored[0].updated_at), updated.updated_at);
    assert_eq!(test.restore([ahead]), [Outdated]);
    assert_eq!(test.names(), ["second"]);
}

#[test]
fn what_puts_bindings_does_so_until_the_time_that_it_was_given_and_no_later() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    let time = server.command(&["TIME"]);
    let seconds: u64 = time.lines().next().unwrap().parse().unwrap();
    let (past, future) = (Timestamp(seconds * 1000 - 1), Timestamp((seconds + 60) * 1000));
    let bindings = [Arc::new(binding(1, "1"))];
    let restore = |not_after| {
        test.worker.runtime.block_on(test.store.restore(&ALICE.into(), &bindings, NOW, Some(not_after)))
    };
    let update = |not_after, cseq| {
        let changes = Changes::Each(vec![Change::Put(Binding { cseq, ..binding(1, "2") })]);
        let call_id = b"c"[..].into();
        let update = Update { aor: ALICE.into(), call_id, cseq, changes, max_bindings: 16, now: NOW };
        test.worker.runtime.block_on(test.store.update(&update.into(), "a", Some(not_after)))
    };
    let failed = restore(past).unwrap_err();
    assert!(!failed.is_doubtful);
    let failed = update(past, 8).unwrap_err();
    assert!(matches!(failed.error, UpdateError::Unavailable { .. }) && !failed.is_doubtful);
    assert_eq!(test.lookup(), Ok(Known::No));
    assert_eq!(restore(future).unwrap(), [Put]);
    assert!(update(future, 8).is_ok());
    assert!(test.redis.is_available());
}

#[test]
fn what_one_register_put_is_removed_only_while_it_is_there() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    let there = binding(1, "there");
    test.restore([there.clone(), binding(2, "other")]);
    let remove = |binding: &Binding| {
        test.worker.runtime.block_on(test.store.remove_one(&ALICE.into(), binding, NOW)).unwrap()
    };
    for other in [
        Binding { cseq: 70, ..there.clone() },
        Binding { call_id: b"cc"[..].into(), ..there.clone() },
        Binding { holder: node("a", 2), ..there.clone() },
        Binding { direct: false, ..there.clone() },
        binding(3, "another flow"),
    ] {
        assert_eq!(remove(&other), 0, "{other:?}");
    }
    assert_eq!(remove(&there), 1);
    assert_eq!(test.names(), ["other"]);
}

#[test]
fn a_failed_flow_takes_nothing_that_was_put_on_it_later() {
    let server = RedisServer::start();
    let test = Test::new(&server, REMEMBER);
    let later = Binding { updated_at: Timestamp(NOW.0 + 1), ..binding(1, "later") };
    test.restore([later.clone()]);
    let remove = |now| {
        let aor = ALICE.into();
        let removed = test.store.remove_on(&aor, &later.holder, &later.flow, now);
        test.worker.runtime.block_on(removed).unwrap()
    };
    assert_eq!((remove(NOW), remove(Timestamp(NOW.0 + 1))), (0, 1));
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
