//! One Redis: scripts, deadlines, and what happens when it goes and comes back.

use std::time::{Duration, Instant};

use flowhold_cluster::redis::{Arg, BreakerSettings, Redis, Script, Settings, SettingsError, Value};

use crate::support::{RedisServer, wait_until};
use crate::{DEADLINE, Worker, impatient, octets, settings};

#[test]
fn a_script_gets_its_key_and_arguments_and_returns_a_value() {
    static ECHO: Script = Script::new(
        "return {KEYS[1], ARGV[1], ARGV[2], 7, {'nested'}, redis.call('GET', KEYS[1]), redis.status_reply('fine')}",
    );
    let server = RedisServer::start();
    let (worker, redis) = (Worker::start(), Redis::new(settings(server.url())).unwrap());
    let args = [Arg::Octets(b"\0\r\n\xff"), Arg::Number(u64::MAX)];
    let value = worker.runtime.block_on(redis.eval(&ECHO, b"k", &args)).unwrap();
    let nested = Value::List(vec![octets("nested")]);
    let expected = [
        octets("k"),
        Value::Octets(b"\0\r\n\xff".to_vec()),
        octets(&u64::MAX.to_string()),
        Value::Number(7),
        nested,
        Value::Nil,
        octets("fine"),
    ];
    assert_eq!(value, Value::List(expected.to_vec()));
}

#[test]
fn a_redis_that_forgot_the_scripts_is_told_them_again() {
    let server = RedisServer::start();
    let (worker, redis) = (Worker::start(), Redis::new(settings(server.url())).unwrap());
    assert_eq!(worker.note(&redis, "k"), Ok(1));
    server.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(worker.note(&redis, "k"), Ok(2));
    assert_eq!(redis.reconnects(), 0);
}

#[test]
fn commands_of_one_turn_leave_together_and_each_gets_its_own_answer() {
    static ADD: Script = Script::new("return ARGV[1] + 1");
    let server = RedisServer::start();
    let (worker, redis) = (Worker::start(), Redis::new(settings(server.url())).unwrap());
    let answers = worker.runtime.block_on(async {
        let args: Vec<[Arg<'_>; 1]> = (0..1000).map(|n| [Arg::Number(n)]).collect();
        futures_util::future::join_all(args.iter().map(|args| redis.eval(&ADD, b"k", args))).await
    });
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().number(), Some(i64::try_from(n).unwrap() + 1));
    }
}

#[test]
fn a_redis_that_is_killed_is_unavailable_at_once_and_found_again_when_it_is_back() {
    let mut server = RedisServer::start();
    let (worker, redis) = (Worker::start(), Redis::new(settings(server.url())).unwrap());
    assert!(worker.note(&redis, "k").is_ok() && redis.is_available());

    server.kill();
    wait_until("the loss is noticed", || !redis.is_available());
    let asked = Instant::now();
    let retry_after = worker.note(&redis, "k").unwrap_err().retry_after;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!((retry_after, redis.reconnects()), (Settings::default().retry_after, 0));

    server.start_again();
    wait_until("Redis is back", || redis.is_available());
    assert_eq!((worker.note(&redis, "k"), redis.reconnects()), (Ok(1), 1));
    assert!(redis.failures().not_connected > 0);
}

#[test]
fn a_redis_that_was_never_there_is_found_when_it_comes() {
    let mut server = RedisServer::start();
    server.kill();
    let (worker, redis) = (Worker::start(), Redis::new(settings(server.url())).unwrap());
    assert!(redis.is_available(), "nobody has asked yet");
    assert!(worker.note(&redis, "k").is_err());
    server.start_again();
    wait_until("Redis is there", || worker.note(&redis, "k").is_ok());
    assert_eq!(redis.reconnects(), 1, "what happened meanwhile was not written");
}

#[test]
fn a_frozen_redis_costs_a_deadline_a_few_times_and_then_nothing() {
    let server = RedisServer::start();
    let (worker, redis) = (Worker::start(), Redis::new(impatient(server.url())).unwrap());
    wait_until("there is a connection", || worker.note(&redis, "k").is_ok());
    let late = redis.failures().late;

    server.freeze();
    for _ in 0..BreakerSettings::default().failures {
        let asked = Instant::now();
        assert!(worker.note(&redis, "k").is_err());
        assert!(asked.elapsed() >= DEADLINE && asked.elapsed() < 10 * DEADLINE, "{:?}", asked.elapsed());
    }
    assert_eq!(redis.failures().late - late, u64::from(BreakerSettings::default().failures));
    assert!(!redis.is_available());
    let (asked, not_connected) = (Instant::now(), redis.failures().not_connected);
    for _ in 0..100 {
        assert!(worker.note(&redis, "k").is_err());
    }
    assert_eq!(redis.failures().not_connected - not_connected, 100);
    assert!(asked.elapsed() < 10 * DEADLINE, "{:?} for 100", asked.elapsed());

    let reconnects = redis.reconnects();
    server.thaw();
    wait_until("Redis is back", || redis.is_available());
    wait_until("it answers", || worker.note(&redis, "k").is_ok());
    assert_eq!(redis.reconnects(), reconnects + 1);
}

#[test]
fn a_redis_without_memory_refuses_writes_and_stays_available() {
    static READ: Script = Script::new("#!lua flags=no-writes\nreturn redis.call('LLEN', KEYS[1])");
    let server = RedisServer::start_with(&["--maxmemory-policy", "noeviction"]);
    let (worker, redis) = (Worker::start(), Redis::new(settings(server.url())).unwrap());
    assert!(worker.note(&redis, "k").is_ok());
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..10 {
        assert!(worker.note(&redis, "k").is_err());
    }
    assert_eq!(redis.failures().refused, 10);
    let length = worker.runtime.block_on(redis.eval(&READ, b"k", &[])).unwrap();
    assert_eq!(length, Value::Number(1));
    assert!(redis.is_available());
}

#[test]
fn a_redis_that_became_a_replica_is_away_until_it_is_a_master_again() {
    let server = RedisServer::start();
    let (worker, redis) = (Worker::start(), Redis::new(settings(server.url())).unwrap());
    assert!(worker.note(&redis, "k").is_ok());
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    assert!(worker.note(&redis, "k").is_err());
    // It is connected to again and again, which is no return.
    wait_until("it is tried for a while", || {
        assert!(worker.note(&redis, "k").is_err() && !redis.is_available());
        redis.failures().not_connected > 1000
    });
    assert_eq!(redis.reconnects(), 0);
    server.command(&["REPLICAOF", "NO", "ONE"]);
    wait_until("it is back", || redis.is_available());
    assert_eq!((worker.note(&redis, "k"), redis.reconnects()), (Ok(2), 1));
}

#[test]
fn a_redis_that_is_busy_with_a_script_is_away_until_it_has_ended() {
    let server = RedisServer::start_with(&["--busy-reply-threshold", "50"]);
    let (worker, redis) = (Worker::start(), Redis::new(settings(server.url())).unwrap());
    assert!(worker.note(&redis, "k").is_ok());
    std::thread::scope(|scope| {
        let script = scope.spawn(|| server.command(&["EVAL", "while true do end", "0"]));
        wait_until("it is busy", || worker.note(&redis, "k").is_err() && redis.failures().refused > 0);
        assert!(!redis.is_available());
        wait_until("the script has ended", || server.command(&["SCRIPT", "KILL"]) == "OK");
        assert!(script.join().unwrap().contains("Script killed"));
    });
    wait_until("it is back", || worker.note(&redis, "k").is_ok());
    assert!(redis.is_available());
    assert_eq!(redis.reconnects(), 1);
}

#[test]
fn each_runtime_has_a_connection_of_its_own() {
    let server = RedisServer::start();
    let (a, b, redis) = (Worker::start(), Worker::start(), Redis::new(settings(server.url())).unwrap());
    let connections = || server.command(&["CLIENT", "LIST", "TYPE", "normal"]).lines().count() - 1;
    for round in 1..10 {
        assert_eq!(a.note(&redis, "k"), Ok(2 * round - 1));
        assert_eq!(b.note(&redis, "k"), Ok(2 * round));
    }
    assert_eq!(connections(), 2);
    drop(b);
    wait_until("its connection ends with a runtime", || connections() == 1);
    assert!(redis.is_available());
    drop(redis);
    wait_until("the last connection ends with the last handle", || connections() == 0);
}

#[test]
fn all_connections_lost_at_once_are_one_loss() {
    let mut server = RedisServer::start();
    let (a, b, redis) = (Worker::start(), Worker::start(), Redis::new(settings(server.url())).unwrap());
    assert!(a.note(&redis, "k").is_ok() && b.note(&redis, "k").is_ok());
    server.kill();
    wait_until("both noticed", || a.note(&redis, "k").is_err() && b.note(&redis, "k").is_err());
    server.start_again();
    wait_until("both are back", || a.note(&redis, "k").is_ok() && b.note(&redis, "k").is_ok());
    assert_eq!(redis.reconnects(), 1);
}

#[test]
fn a_user_a_password_and_a_database_are_in_the_url() {
    let user = ["--user", "node", "on", ">se:cret", "+@all", "~flowhold:*"];
    let server = RedisServer::start_with(&[&user[..], &["--user", "default", "off"]].concat());
    let worker = Worker::start();
    let url = |login: &str| format!("redis://{login}127.0.0.1:{}/3", server.port());
    let redis = Redis::new(settings(url("node:se%3Acret@"))).unwrap();
    assert_eq!(worker.note(&redis, "flowhold:k"), Ok(1));
    assert!(worker.note(&redis, "other:k").is_err(), "it may not");
    assert!(redis.is_available());
    for refused in ["", "node:wrong@"] {
        let redis = Redis::new(settings(url(refused))).unwrap();
        assert!(worker.note(&redis, "flowhold:k").is_err());
        assert!(!redis.is_available());
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refused = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        Redis::new(settings).err()
    };
    assert_eq!(refused(|_| ()), None);
    assert_eq!(refused(|settings| settings.urls.clear()), Some(SettingsError::UrlCount(0)));
    assert_eq!(
        refused(|settings| settings.urls.push("redis://b".to_owned())),
        Some(SettingsError::UrlCount(2))
    );
    assert_eq!(refused(|settings| "a{b".clone_into(&mut settings.prefix)), Some(SettingsError::Prefix));
    let wrong = [
        "",
        "127.0.0.1:6379",
        "http://127.0.0.1",
        "redis://user:secret@:99999",
        "rediss://user:secret@h/#insecure",
    ];
    for url in wrong {
        let error = Redis::new(Settings { urls: vec![url.to_owned()], ..Settings::default() }).err().unwrap();
        assert!(matches!(error, SettingsError::Url { number: 1, .. }), "{url}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let with_ca = Settings {
        urls: vec!["rediss://h".to_owned()],
        ca: Some(b"-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n".to_vec()),
        ..Settings::default()
    };
    assert!(matches!(Redis::new(with_ca).err(), Some(SettingsError::Certificate(_))));
    assert!(!format!("{:?}", settings("redis://u:secret@h".to_owned())).contains("secret"));
}
