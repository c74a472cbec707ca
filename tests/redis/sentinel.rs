//! Redis behind a Sentinel, which makes a replica the master when the master dies.

use std::fs;
use std::time::Duration;

use flowhold_cluster::redis::{Mode, Redis, Settings};

use crate::support::{RedisServer, wait_until_within};
use crate::{Worker, settings};

/// By then the Sentinel has made the replica the master. It waits half a minute when it finds that it was kept waiting.
const FAILOVER: Duration = Duration::from_secs(60);

const LOGIN: [&str; 4] = ["--requirepass", "secret", "--masterauth", "secret"];

#[test]
fn the_master_that_the_sentinel_names_is_used_and_the_next_one_after_it() {
    let mut master = RedisServer::start_with(&LOGIN);
    let port = master.port().to_string();
    let replica = RedisServer::start_with(
        &[&LOGIN[..], &["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]].concat(),
    );
    // The Sentinel looks for replicas when it starts, and then not for a while.
    wait_until_within(FAILOVER, "the replica follows", || {
        let info = master.command(&["INFO", "replication"]);
        info.contains("connected_slaves:1") && info.contains("state=online")
    });
    let directory = tempfile::tempdir().unwrap();
    let configuration = directory.path().join("sentinel.conf");
    let text = format!(
        "sentinel monitor m 127.0.0.1 {port} 1\n\
         sentinel auth-pass m secret\n\
         sentinel down-after-milliseconds m 1000\n\
         sentinel failover-timeout m 5000\n"
    );
    fs::write(&configuration, text).unwrap();
    let configuration = configuration.to_str().unwrap();
    let sentinel = RedisServer::start_with(&[configuration, "--sentinel", "--requirepass", "watch"]);
    wait_until_within(FAILOVER, "the Sentinel knows the replica", || {
        sentinel.command(&["SENTINEL", "REPLICAS", "m"]).contains(&replica.port().to_string())
    });

    let redis = |name: &str, password: Option<&str>| {
        let mode =
            Mode::Sentinel { master: name.to_owned(), user: None, password: password.map(str::to_owned) };
        // The first that answers is enough.
        let urls = [1, sentinel.port()].map(|port| format!("redis://:secret@127.0.0.1:{port}")).to_vec();
        Redis::new(Settings { mode, urls, ..settings(String::new()) }).unwrap()
    };
    let worker = Worker::start();
    assert!(worker.note(&redis("other", Some("watch")), "k").is_err(), "it knows no such master");
    assert!(worker.note(&redis("m", None), "k").is_err(), "it wants a password of its own");
    let redis = redis("m", Some("watch"));
    assert_eq!(worker.note(&redis, "k"), Ok(1));
    assert_eq!(master.command(&["LLEN", "k"]), "1");
    wait_until_within(FAILOVER, "the replica has it too", || replica.command(&["LLEN", "k"]) == "1");

    master.kill();
    wait_until_within(FAILOVER, "the replica is the master", || worker.note(&redis, "k").is_ok());
    assert!(replica.command(&["ROLE"]).starts_with("master"));
    assert_eq!(redis.reconnects(), 1);
    assert!(redis.is_available());
}
