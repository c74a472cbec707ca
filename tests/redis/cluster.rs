//! A Redis Cluster: masters that share the slots, one of which dies, freezes, or gives slots away.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use flowhold_cluster::redis::{Mode, Redis, Settings, Users};

use crate::support::{RedisServer, wait_until, wait_until_within};
use crate::{Worker, settings};

/// How long a master may say nothing before the others call it dead. Less than it takes on a busy machine would do that
/// to a healthy one.
const NODE_TIMEOUT: Duration = Duration::from_secs(2);
/// By then a replica stands in for it, with some delays of the election.
const FAILOVER: Duration = Duration::from_secs(30);

/// Less than a failover takes, and enough for a master that is well.
const DEADLINE: Duration = Duration::from_secs(1);

/// Three masters, the first with a replica.
struct Cluster {
    servers: Vec<RedisServer>,
}

impl Cluster {
    const MASTERS: usize = 3;

    #[track_caller]
    fn start() -> Self {
        let servers: Vec<RedisServer> = (0..=Self::MASTERS).map(|_| start_one()).collect();
        let cluster = Self { servers };
        for (n, server) in cluster.servers.iter().enumerate() {
            // Else two of them come with the same, which takes them time to settle.
            assert_eq!(server.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]), "OK");
        }
        for (n, server) in cluster.masters().iter().enumerate() {
            let slot = |n: usize| (n * 16384 / Self::MASTERS).to_string();
            let last = (slot(n + 1).parse::<u16>().unwrap() - 1).to_string();
            assert_eq!(server.command(&["CLUSTER", "ADDSLOTSRANGE", &slot(n), &last]), "OK");
        }
        let first = &cluster.servers[0];
        for server in &cluster.servers[1..] {
            let (port, bus) = (server.port().to_string(), bus_port(server));
            assert_eq!(first.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]), "OK");
        }
        let all_agree = || {
            cluster.servers.iter().all(|server| {
                let info = server.command(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:4")
            })
        };
        wait_until_within(FAILOVER, "the servers are a cluster", all_agree);
        let replica = &cluster.servers[Self::MASTERS];
        assert_eq!(replica.command(&["CLUSTER", "REPLICATE", &id(first)]), "OK");
        wait_until_within(FAILOVER, "the replica follows", || {
            replica.command(&["INFO", "replication"]).contains("master_link_status:up")
        });
        cluster
    }

    fn masters(&self) -> &[RedisServer] {
        &self.servers[..Self::MASTERS]
    }

    /// One URL is enough; the last master's, so that it is not the one that dies.
    fn redis(&self) -> Redis {
        let url = self.servers[Self::MASTERS - 1].url();
        Redis::new(Settings { mode: Mode::Cluster, deadline: DEADLINE, ..settings(url) }).unwrap()
    }
}

/// A key that this server holds.
fn key_of(server: &RedisServer) -> String {
    let holds = |key: &String| !server.command(&["EXISTS", key]).starts_with("MOVED");
    (0..1000).map(|n| format!("{{key {n}}}")).find(holds).unwrap()
}

fn start_one() -> RedisServer {
    let bus = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let node_timeout = NODE_TIMEOUT.as_millis().to_string();
    RedisServer::start_with(&[
        &["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", &node_timeout][..],
        // Else a replica waits for more than its share of silence, and a master without replicas gets none of another's.
        &["--cluster-replica-validity-factor", "0", "--cluster-allow-replica-migration", "no"],
        // The keys of the living are served while those of the dead are not.
        &["--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0"],
    ]
    .concat())
}

fn bus_port(server: &RedisServer) -> String {
    let answer = server.command(&["CONFIG", "GET", "cluster-port"]);
    answer.lines().last().unwrap().to_owned()
}

fn id(server: &RedisServer) -> String {
    server.command(&["CLUSTER", "MYID"])
}

#[test]
fn a_key_is_found_on_its_master_wherever_it_moves() {
    let cluster = Cluster::start();
    let (worker, redis) = (Worker::start(), cluster.redis());
    for n in 0..100 {
        assert_eq!(worker.note(&redis, &format!("prefix:aor:{{{n}}}")), Ok(1));
    }
    for server in cluster.masters() {
        assert!(server.command(&["DBSIZE"]).parse::<u32>().unwrap() > 10);
    }
    assert_eq!(redis.reconnects(), 0);
    // So is a user, and the news of it are on a key of their own.
    let users = Users::new(redis.clone());
    worker.runtime.block_on(async {
        let start = users.news(None).await.unwrap();
        for n in 0..20_u8 {
            let name = [b'a' + n, b'@', b'b'];
            users.put(&name, &[], &[("one", "1")]).await.unwrap();
            users.tell(&name).await.unwrap();
            assert!(users.get(&name).await.unwrap().is_some());
        }
        assert_eq!(users.news(Some(&start.place)).await.unwrap().changed.unwrap().len(), 20);
        assert_eq!(users.remove(b"a@b").await, Ok(true));
    });

    // A slot moves from the first master to the second: on its way, and then for good.
    let [from, to, _] = cluster.masters() else { unreachable!() };
    let key = key_of(from);
    let slot = from.command(&["CLUSTER", "KEYSLOT", &key]);
    assert_eq!(worker.note(&redis, &key), Ok(1));
    assert_eq!(to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]), "OK");
    assert_eq!(from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]), "OK");
    assert_eq!(worker.note(&redis, &key), Ok(2), "it has not left yet");
    let port = to.port().to_string();
    assert_eq!(from.command(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]), "OK");
    to.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(worker.note(&redis, &key), Ok(3), "it has left, its slot has not");
    for server in [to, from] {
        assert_eq!(server.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]), "OK");
    }
    for expected in 4..10 {
        assert_eq!(worker.note(&redis, &key), Ok(expected));
    }
    assert_eq!((redis.reconnects(), redis.is_available()), (0, true), "nothing was lost");
}

#[test]
fn the_keys_of_a_dead_master_come_back_with_its_replica() {
    let mut cluster = Cluster::start();
    let (worker, redis) = (Worker::start(), cluster.redis());
    let [of_first, of_second] = [0, 1].map(|n| key_of(&cluster.servers[n]));
    assert!(worker.note(&redis, &of_first).is_ok() && worker.note(&redis, &of_second).is_ok());

    cluster.servers[0].kill();
    wait_until("the loss is noticed", || worker.note(&redis, &of_first).is_err());
    wait_until_within(FAILOVER, "the replica is found", || {
        assert!(worker.note(&redis, &of_second).is_ok(), "another master's keys are not concerned");
        worker.note(&redis, &of_first).is_ok()
    });
    wait_until("the loss is over", || redis.is_available());
    assert_eq!(redis.reconnects(), 1);
}

#[test]
fn the_keys_of_a_frozen_master_come_back_with_its_replica() {
    let cluster = Cluster::start();
    let (worker, redis) = (Worker::start(), cluster.redis());
    let [of_first, of_second] = [0, 1].map(|n| key_of(&cluster.servers[n]));
    assert!(worker.note(&redis, &of_first).is_ok() && worker.note(&redis, &of_second).is_ok());

    // Its connections stay up, so that nothing but the missing answers tells.
    cluster.servers[0].freeze();
    wait_until_within(FAILOVER, "the replica is found", || {
        assert!(worker.note(&redis, &of_second).is_ok(), "another master's keys are not concerned");
        let asked = Instant::now();
        let is_there = worker.note(&redis, &of_first).is_ok();
        assert!(asked.elapsed() < 5 * DEADLINE, "{:?}", asked.elapsed());
        is_there
    });
    wait_until("the loss is over", || redis.is_available());
    assert_eq!(redis.reconnects(), 1);
    cluster.servers[0].thaw();
}

#[test]
fn a_cluster_that_nobody_tells_of_is_unavailable() {
    let server = RedisServer::start();
    let settings = Settings { mode: Mode::Cluster, ..settings(server.url()) };
    let (worker, redis) = (Worker::start(), Redis::new(settings).unwrap());
    assert!(worker.note(&redis, "k").is_err(), "it is no cluster");
    wait_until("it is down", || !redis.is_available());
    let asked = Instant::now();
    assert!(worker.note(&redis, "k").is_err());
    assert!(asked.elapsed() < DEADLINE, "{:?}", asked.elapsed());
}
