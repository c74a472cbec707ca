//! Redis as it is met: a real `redis-server` that is killed, frozen, emptied, and put behind TLS, a Redis Cluster or
//! Sentinels. What the store in it does is in `tests/location`.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod cluster;
mod connection;
mod sentinel;
mod store;
mod tls;
mod users;

use std::time::Duration;

use flowhold_cluster::location::Unavailable;
use flowhold_cluster::redis::{Arg, Redis, Script, Settings, Value};

/// Notes a word, and returns how many were noted.
static NOTE: Script = Script::new("return redis.call('RPUSH', KEYS[1], ARGV[1])");

/// Runs on a thread of its own like a worker: one runtime, which goes on while the test does other things.
struct Worker {
    runtime: tokio::runtime::Runtime,
}

impl Worker {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime }
    }

    fn note(&self, redis: &Redis, key: &str) -> Result<i64, Unavailable> {
        let noted = self.runtime.block_on(redis.eval(&NOTE, key.as_bytes(), &[Arg::from("word")]));
        noted.map(|value| value.number().unwrap())
    }
}

/// Patient, since tests share the machine.
fn settings(url: String) -> Settings {
    Settings { urls: vec![url], deadline: Duration::from_secs(5), ..Settings::default() }
}

/// For tests that wait until the deadline is over, again and again.
fn impatient(url: String) -> Settings {
    Settings { deadline: DEADLINE, ..settings(url) }
}

const DEADLINE: Duration = Duration::from_millis(300);

fn octets(text: &str) -> Value {
    Value::Octets(text.as_bytes().to_vec())
}
