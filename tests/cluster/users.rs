//! Users in Redis: one `flowhold passwd` for all nodes, what changes when, and what goes on while Redis is away.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::support::digest::Login;
use crate::support::{Client, Message, Node, RedisServer, Request, wait_until};

/// How much more memory a node may have after a flood of names than before, in KiB.
const ROOM: u64 = 16 << 10;

/// What a node is told that has its users in Redis, with more keys of `[auth]`.
fn keys(more: &str) -> String {
    format!("[auth]\nmode = \"digest\"\nstore = \"redis\"\nmax_failures = 0\n{more}\n")
}

/// A node that stands alone, and has its users in this Redis. It is patient, since tests share the machine.
fn alone(redis: &RedisServer, more: &str) -> Node {
    let redis = format!("redis_url = \"{}\"\nredis_deadline = \"10s\"", redis.url());
    Node::start(&format!("[node]\nworkers = 1\n[location]\n{redis}\n{}", keys(more)))
}

/// `flowhold passwd` with the configuration of the nodes, and this on standard input.
fn run_passwd(redis: &RedisServer, password: &str, arguments: &[&str]) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_flowhold"))
        .arg("passwd")
        .args(arguments)
        .envs([("FLOWHOLD__AUTH__STORE", "redis"), ("FLOWHOLD__LOCATION__REDIS_URL", &redis.url())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = process.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes());
    process.wait_with_output().unwrap()
}

#[track_caller]
fn passwd(redis: &RedisServer, user: &str, password: &str) {
    let output = run_passwd(redis, password, &[&format!("{user}@example.com")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), format!("{user}@example.com: stored in Redis"));
}

/// Waits until the node has heard of all changes until now, so that what it reads afterwards it keeps.
#[track_caller]
fn hears_of_changes(redis: &RedisServer, node: &Node) {
    let (marker, mut told) = (format!("marker{}", node.log().len()), None::<Instant>);
    wait_until("the node hears of changes", || {
        // It hears of those that come after it has begun to listen.
        if told.is_none_or(|told| told.elapsed() > Duration::from_secs(2)) {
            told = Some(Instant::now());
            redis.command(&["XADD", "flowhold:users:changed", "*", "user", &format!("{marker}@example.com")]);
        }
        node.log().contains(&format!("user={marker}@example.com"))
    });
}

/// How a REGISTER over a new connection ends that is challenged and has this password.
#[track_caller]
fn login(node: &Node, user: &str, password: &str) -> Message {
    register(&Client::tcp(node), user, password)
}

#[track_caller]
fn register(client: &Client, user: &str, password: &str) -> Message {
    let challenge = client.ask(&client.register_contact(user)).expect_status(401);
    client.ask(&Login::new(&challenge, user, password).prove(client.register_contact(user)))
}

/// A REGISTER without credentials: 200 over a flow that is trusted.
fn refresh(client: &Client, user: &str) -> u16 {
    client.ask(&client.register_contact(user)).status()
}

#[test]
fn a_password_is_good_at_every_node_and_stands_in_redis_for_a_person_to_read() {
    let cluster = Cluster::start(2, &keys(""));
    passwd(&cluster.redis, "alice", "secret");
    let stored = cluster.redis.command(&["HGETALL", "flowhold:user:{alice@example.com}"]);
    // As md5sum has it of alice:example.com:secret.
    assert!(stored.contains("ha1_md5\nb1726872c344b6dc8365b774f8fd6412"), "{stored}");
    for place in 0..2 {
        login(cluster.node(place), "alice", "secret").expect_status(200);
        login(cluster.node(place), "alice", "wrong").expect_status(401);
        login(cluster.node(place), "nobody", "secret").expect_status(401);
        // The name with its domain, as some UAs have it.
        let whole = Client::tcp(cluster.node(place));
        let challenge = whole.ask(&whole.register_contact("alice")).expect_status(401);
        let mut login = Login::new(&challenge, "alice@example.com", "secret");
        whole.ask(&login.prove(whole.register_contact("alice"))).expect_status(200);
    }
}

#[test]
fn a_change_ends_the_trust_in_its_user_and_in_no_other_long_before_what_was_read_has_aged() {
    let cluster = Cluster::start(2, &keys("users_cache = \"1h\""));
    passwd(&cluster.redis, "alice", "secret");
    passwd(&cluster.redis, "bob", "secret");
    for place in 0..2 {
        hears_of_changes(&cluster.redis, cluster.node(place));
    }
    let (alice, bob) = (Client::tcp(cluster.node(0)), Client::tcp(cluster.node(1)));
    register(&alice, "alice", "secret").expect_status(200);
    register(&bob, "bob", "secret").expect_status(200);
    login(cluster.node(1), "alice", "secret").expect_status(200);
    login(cluster.node(1), "carol", "secret").expect_status(401);
    assert_eq!(refresh(&alice, "alice"), 200);

    passwd(&cluster.redis, "alice", "other");
    passwd(&cluster.redis, "carol", "secret");
    wait_until("the trust in alice ends", || refresh(&alice, "alice") == 401);
    for place in 0..2 {
        wait_until("the old password is none", || {
            login(cluster.node(place), "alice", "secret").status() == 401
        });
        login(cluster.node(place), "alice", "other").expect_status(200);
        login(cluster.node(place), "carol", "secret").expect_status(200);
    }
    register(&alice, "alice", "other").expect_status(200);

    let removed = run_passwd(&cluster.redis, "", &["--remove", "alice@example.com"]);
    assert_eq!(removed.status.code(), Some(0), "{removed:?}");
    wait_until("alice is nobody", || refresh(&alice, "alice") == 401);
    login(cluster.node(0), "alice", "other").expect_status(401);
    assert_eq!(refresh(&bob, "bob"), 200, "another user");
    let again = run_passwd(&cluster.redis, "", &["--remove", "alice@example.com"]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("there is no user alice@example.com"));
}

#[test]
fn a_user_who_is_changed_by_other_means_is_read_again_after_a_while() {
    let redis = RedisServer::start();
    let node = alone(&redis, "users_cache = \"300ms\"");
    passwd(&redis, "alice", "secret");
    hears_of_changes(&redis, &node);
    let trusted = Client::tcp(&node);
    register(&trusted, "alice", "secret").expect_status(200);
    redis.command(&["DEL", "flowhold:user:{alice@example.com}"]);
    wait_until("alice is nobody", || login(&node, "alice", "secret").status() == 401);
    assert_eq!(refresh(&trusted, "alice"), 401, "what was read ends the trust as well");
    redis.command(&["HSET", "flowhold:user:{alice@example.com}", "ha1_md5", "no hash"]);
    wait_until("the operator is told", || {
        let _ = login(&node, "alice", "secret").expect_status(401);
        node.log().contains("what Redis holds is no hash of that kind")
    });
}

#[test]
fn while_redis_is_away_who_is_known_is_let_in_and_who_is_not_is_told_to_come_back() {
    let mut redis = RedisServer::start();
    let node = alone(&redis, "users_cache = \"0s\"");
    passwd(&redis, "alice", "secret");
    passwd(&redis, "bob", "secret");
    hears_of_changes(&redis, &node);
    let trusted = Client::tcp(&node);
    register(&trusted, "alice", "secret").expect_status(200);
    redis.kill();
    assert_eq!(refresh(&trusted, "alice"), 200);
    login(&node, "alice", "secret").expect_status(200);
    login(&node, "alice", "wrong").expect_status(401);
    for name in ["bob", "nobody"] {
        let refused = login(&node, name, "secret").expect_status(503);
        assert!(refused.header("Retry-After").parse::<u32>().unwrap() > 0, "{refused}");
    }
    assert!(node.metric("authentications_total{outcome=\"unavailable\"}") >= 2);
    assert_eq!(node.log().matches("Redis is away").count(), 1, "it is said once");
    let refused = run_passwd(&redis, "other", &["bob@example.com"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("Redis is away") && said.contains("try again when it is there"), "{said}");

    redis.start_again();
    passwd(&redis, "bob", "secret");
    wait_until("bob is let in", || login(&node, "bob", "secret").status() == 200);
    // It has forgotten her.
    login(&node, "alice", "secret").expect_status(401);
}

/// A REGISTER of each of these names with credentials, which are wrong.
fn attempts(client: &Client, names: impl Iterator<Item = String>) -> Vec<Request> {
    let register = client.register_contact("NAME");
    let challenge = client.ask(&register).expect_status(401);
    let guess = Login::new(&challenge, "NAME", "guess").value(&register, 1);
    let attempt =
        |name: String| client.register_contact(&name).with("Authorization", guess.replace("NAME", &name));
    names.map(attempt).collect()
}

#[test]
fn a_flood_of_invented_names_is_as_many_questions_at_most_and_pushes_no_user_out() {
    let redis = RedisServer::start();
    let node = alone(
        &redis,
        "remembered = 1000\nusers_cache = \"1h\"\n\
         [limits]\nmessages_per_flow = 0\nregisters_per_second = 0\nregisters_per_address = 0",
    );
    passwd(&redis, "alice", "secret");
    hears_of_changes(&redis, &node);
    login(&node, "alice", "secret").expect_status(200);
    let flood = Client::tcp(&node);
    let send = |range: std::ops::Range<u32>| {
        let names = range.map(|number| format!("invented{number}{}", "x".repeat(200)));
        for batch in attempts(&flood, names).chunks(100) {
            flood.send(batch.iter().flat_map(Request::to_bytes).collect::<Vec<u8>>());
            for _ in batch {
                flood.receive().expect_status(401);
            }
        }
    };
    send(0..2000);
    let before = node.resident();
    send(2000..10_000);
    assert!(node.resident() < before + ROOM, "{} KiB after {before} KiB", node.resident());
    let asked = || {
        let stats = redis.command(&["INFO", "commandstats"]);
        let line =
            stats.lines().find_map(|line| line.strip_prefix("cmdstat_hgetall:calls=")).unwrap().to_owned();
        line.split(',').next().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(asked(), 10_001, "each name once");
    // The last are still known, and so is alice.
    send(9500..10_000);
    login(&node, "alice", "secret").expect_status(200);
    assert_eq!(asked(), 10_001);
    assert_eq!(node.metric("authentications_total{outcome=\"unknown_user\"}"), 10_500);
}

#[test]
fn a_redis_that_hangs_holds_up_so_many_requests_and_nothing_else() {
    let redis = RedisServer::start();
    let node = alone(&redis, "user_lookups = 10\nusers_cache = \"1h\"");
    for user in ["alice", "bob"] {
        passwd(&redis, user, "secret");
        hears_of_changes(&redis, &node);
    }
    login(&node, "alice", "secret").expect_status(200);
    redis.freeze();
    let waits = Client::tcp(&node);
    let names = std::iter::once("bob".to_owned()).chain((0..29).map(|number| format!("name{number}")));
    for attempt in attempts(&waits, names) {
        waits.send(attempt.to_bytes());
    }
    for _ in 0..20 {
        waits.receive().expect_status(503);
    }
    assert_eq!(node.metric("refused_total{reason=\"user_lookups\"}"), 20);
    // Whoever is known, and over the same flow too.
    login(&node, "alice", "secret").expect_status(200);
    waits.ping();
    redis.thaw();
    for _ in 0..10 {
        waits.receive().expect_status(401);
    }
    register(&waits, "bob", "secret").expect_status(200);
    assert!(waits.receive_within(Duration::from_millis(100)).is_none());
}

#[test]
fn a_cancel_does_not_overtake_its_invite_that_waits_for_redis() {
    let redis = RedisServer::start();
    let node = alone(&redis, "users_cache = \"1h\"\nflow_trust = \"0s\"");
    for user in ["alice", "bob"] {
        passwd(&redis, user, "secret");
    }
    hears_of_changes(&redis, &node);
    let (alice, bob) = (Client::tcp(&node), Client::tcp(&node));
    register(&alice, "alice", "secret").expect_status(200);
    let draft = || bob.invite("alice").set("From", "<sip:bob@example.com>;tag=f");
    let challenged = draft();
    let challenge = bob.ask(&challenged).expect_status(407);
    bob.send(challenged.ack(challenge.header("To")).to_bytes());
    redis.freeze();
    let invite = Login::new(&challenge, "bob", "secret").prove(draft());
    bob.send(invite.to_bytes());
    bob.send(invite.cancel().to_bytes());
    bob.ping();
    redis.thaw();
    let mut statuses = vec![bob.receive_final().status()];
    let arrived = alice.receive().expect_method("INVITE");
    alice.send(arrived.answer(180, "Ringing"));
    alice.send(alice.receive().expect_method("CANCEL").answer(200, "OK"));
    alice.send(arrived.answer(487, "Request Terminated"));
    statuses.push(bob.receive_final().status());
    assert_eq!(statuses, [200, 487]);
}
