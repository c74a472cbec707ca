//! The keys of a cluster, and the Redis behind it.

use std::time::Duration;

use flowhold::actor::key_ring;
use flowhold::config::{RedisMode, Store, WhenDown};

use crate::command_line::{err, flowhold, out};
use crate::{Files, faults_of, load_text, warnings_of};

const REDIS: &str = "[location]\nstore = \"redis\"\n";
const PLAIN: &str = "listen = \"127.0.0.1:5070\"\nsecret = \"0123456789abcdef\"\n";
const TLS: &str =
    "listen = \"192.0.2.1:5070\"\ncertificate = \"a.pem\"\nprivate_key = \"a.key\"\nca = \"ca.pem\"\n";

/// A node with this `[cluster]`, and its bindings in Redis.
fn cluster(keys: &str) -> String {
    format!("{REDIS}[cluster]\n{keys}")
}

#[test]
fn a_cluster_takes_a_listener_redis_and_a_secret() {
    let loaded = load_text(&cluster(PLAIN), &[]).unwrap();
    assert_eq!(loaded.warnings, []);
    let (location, cluster) = (loaded.config.location, loaded.config.cluster);
    assert_eq!(location.store, Store::Redis);
    assert_eq!(location.redis_mode, RedisMode::Single);
    assert_eq!(location.when_down, WhenDown::Reject);
    assert_eq!(cluster.lease, Duration::from_secs(5));
    assert!(!cluster.is_tls());
    assert_eq!(format!("{:?}", cluster.secret), "Some((hidden))");
    assert_eq!(format!("{:?}", location.redis_url), "(hidden)", "it may hold a password");
}

#[test]
fn a_listener_for_nodes_and_redis_need_each_other() {
    let text = format!("[cluster]\n{PLAIN}");
    assert_eq!(
        faults_of(&text),
        [
            "cluster.listen: a node of a cluster needs location.store = \"redis\": what it keeps to itself no other node finds"
        ]
    );
    assert_eq!(
        faults_of(REDIS),
        [
            "location.store: with Redis cluster.listen is needed: it is how other nodes reach the flows of this one"
        ]
    );
}

#[test]
fn nodes_prove_who_they_are() {
    let listen = "listen = \"127.0.0.1:5070\"\n";
    assert_eq!(
        faults_of(&cluster(listen)),
        [
            "cluster.listen: nodes have to know each other by a secret, or by certificates: without either anybody could be one"
        ]
    );
    assert_eq!(
        faults_of(&cluster(&format!("{listen}secret = \"0123456789abcde\"\n"))),
        ["cluster.secret: shorter than 16 octets: take 32 random ones"]
    );
    assert_eq!(
        faults_of(&cluster(&format!("{PLAIN}ca = \"ca.pem\"\n"))),
        ["cluster.ca: TLS between nodes takes all three of certificate, private_key and ca"]
    );
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let files = Files::new();
    let path = files.write("secret", "0123456789abcdef\n");
    let in_file = format!("secret_file = \"{}\"\n", path.display());
    let text = cluster(&format!("listen = \"127.0.0.1:5070\"\n{in_file}"));
    let config = load_text(&text, &[]).unwrap().config;
    assert_eq!(config.cluster.secret.unwrap().as_bytes(), b"0123456789abcdef");
    assert_eq!(
        faults_of(&cluster(&format!("{PLAIN}{in_file}"))),
        ["cluster.secret_file: the secret stands in cluster.secret as well: one of the two is enough"]
    );
    let missing = cluster("listen = \"127.0.0.1:5070\"\nsecret_file = \"/no/such/file\"\n");
    let faults = faults_of(&missing);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with("cluster.secret_file: /no/such/file cannot be read: "), "{faults:?}");
}

#[test]
fn a_cluster_with_certificates_and_without_a_secret_has_token_keys() {
    assert_eq!(
        faults_of(&cluster(TLS)),
        [
            "tokens.keys: the nodes of a cluster read each other's flow tokens: set tokens.keys, or a secret to make a key from"
        ]
    );
    let keys = "[tokens]\nkeys = [\"1:0123456789abcdef\"]\n";
    let loaded = load_text(&format!("{}{keys}", cluster(TLS)), &[]).unwrap();
    assert_eq!(loaded.warnings, []);
    assert!(loaded.config.cluster.is_tls());
    let id = format!("[node]\nid = \"a-.b\"\n{}{keys}", cluster(TLS));
    assert!(load_text(&id, &[]).is_ok());
    let id = format!("[node]\nid = \"a..b\"\n{}{keys}", cluster(TLS));
    assert_eq!(
        faults_of(&id),
        ["node.id: `a..b` is no DNS name, as which it has to stand in the node's certificate"]
    );
}

#[test]
fn the_keys_of_flow_tokens_come_from_the_secret_where_none_are_set() {
    let ring = |text: &str| key_ring::configured(&load_text(text, &[]).unwrap().config);
    assert!(ring("").is_none(), "each run has its own");
    let derived = ring(&cluster(PLAIN)).unwrap();
    let same = ring("[cluster]\nsecret = \"0123456789abcdef\"\n").unwrap();
    let set = ring(&format!("{}[tokens]\nkeys = [\"0:another secret of it\"]\n", cluster(PLAIN))).unwrap();
    let token = flowhold_cluster::token::FlowToken {
        run: flowhold_cluster::flow::NodeRun { node: "a".into(), epoch: 1 },
        flow: flowhold_cluster::flow::FlowId { worker: 0, slot: 1, generation: 2 },
        over: flowhold_cluster::token::Over::Tcp,
    };
    let text = derived.seal(&token);
    assert_eq!(same.open(text.as_bytes()), Ok(token));
    assert!(set.open(text.as_bytes()).is_err(), "the keys that are set are all there are");
}

#[test]
fn plain_links_beyond_loopback_are_a_warning() {
    let text = cluster("listen = \"192.0.2.1:5070\"\nsecret = \"0123456789abcdef\"\n");
    assert_eq!(
        warnings_of(&text),
        [
            "cluster.listen: links over 192.0.2.1:5070 are not encrypted: keep it on a private network, or set cluster.certificate"
        ]
    );
    let text = cluster("listen = \"0.0.0.0:5070\"\nsecret = \"0123456789abcdef\"\n");
    let warnings = warnings_of(&text);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("cluster.listen: other nodes will be told to reach this one at "));
}

#[test]
fn the_listener_for_nodes_is_no_other() {
    let text = format!("[listen]\ntcp = [\"127.0.0.1:5070\"]\n{}", cluster(PLAIN));
    assert_eq!(
        faults_of(&text),
        ["cluster.listen: 127.0.0.1:5070 is a TCP listener for UAs as well: nodes have one of their own"]
    );
    let text = format!("[admin]\nlisten = \"127.0.0.1:5070\"\n{}", cluster(PLAIN));
    assert_eq!(faults_of(&text), ["cluster.listen: 127.0.0.1:5070 is the admin listener as well"]);
}

#[test]
fn a_silent_link_ends_before_the_lease() {
    let faults = faults_of(&cluster(&format!("{PLAIN}lease = \"100ms\"\nlink_ping = \"0s\"\n")));
    assert_eq!(
        faults,
        [
            "cluster.lease: below 500ms: the least hiccup of the network would be the death of a node",
            "cluster.link_ping: 0s: no link would last",
        ]
    );
    let warnings = warnings_of(&cluster(&format!("{PLAIN}lease = \"3s\"\n")));
    assert_eq!(
        warnings,
        ["cluster.lease: link_ping and link_pong together are longer than the lease: \
             a link to a node that says nothing lasts longer than the node counts as alive"]
    );
}

#[test]
fn redis_is_one_server_several_or_behind_sentinels() {
    let with = |keys: &str| format!("[location]\nstore = \"redis\"\n{keys}[cluster]\n{PLAIN}");
    for good in [
        "redis_url = \"rediss://u:p@r.example.com:6380/1\"\n",
        "redis_url = \"redis://a:1, redis://b:2\"\nredis_mode = \"cluster\"\n",
        "redis_url = \"redis://a:1,redis://b:2\"\nredis_mode = \"sentinel\"\nredis_master = \"m\"\n",
        "redis_mode = \"sentinel\"\nredis_master = \"m\"\nredis_sentinel_user = \"u\"\nredis_sentinel_password = \"p\"\n",
        "redis_url = \"rediss://a\"\nredis_ca = \"ca.pem\"\nredis_certificate = \"a.pem\"\nredis_private_key = \"a.key\"\n",
    ] {
        assert!(load_text(&with(good), &[]).is_ok(), "{good}");
    }
    let scheme = "location.redis_url: is not \"redis://HOST:PORT\" or \"rediss://HOST:PORT\", or several of them with commas between";
    let master = "the name of the master belongs to redis_mode = \"sentinel\", and to no other";
    for (keys, fault) in [
        ("redis_url = \"127.0.0.1:6379\"\n", scheme.to_owned()),
        ("redis_url = \"\"\n", scheme.to_owned()),
        (
            "redis_url = \"redis://a:1,redis://b:2\"\n",
            "location.redis_url: several URLs are for redis_mode = \"cluster\" or \"sentinel\": one server has one"
                .to_owned(),
        ),
        ("redis_mode = \"sentinel\"\n", format!("location.redis_mode: {master}")),
        ("redis_master = \"m\"\n", format!("location.redis_master: {master}")),
        (
            "redis_sentinel_password = \"secret\"\n",
            "location.redis_sentinel_password: the sentinels' own login belongs to redis_mode = \"sentinel\", and to no other"
                .to_owned(),
        ),
        (
            "redis_url = \"redis://a:1,rediss://b:2\"\nredis_mode = \"cluster\"\n",
            "location.redis_url: is with TLS here and without it there: it is one or the other".to_owned(),
        ),
        (
            "redis_ca = \"ca.pem\"\n",
            "location.redis_ca: certificates are for \"rediss://\": without it nothing is encrypted and nobody is known"
                .to_owned(),
        ),
        (
            "redis_url = \"rediss://a\"\nredis_certificate = \"a.pem\"\n",
            "location.redis_certificate: a certificate and its private key are of use together only".to_owned(),
        ),
        ("redis_deadline = \"0s\"\n", "location.redis_deadline: 0s: every command would be too late".to_owned()),
        (
            "prefix = \"a b\"\n",
            "location.prefix: `a b` is not a name of letters, digits, \"-\", \"_\", \".\" and \":\"".to_owned(),
        ),
    ] {
        assert_eq!(faults_of(&with(keys)), [fault], "{keys}");
    }
}

#[test]
fn check_says_that_a_certificate_is_of_no_use() {
    let files = Files::new();
    let empty = files.write("empty.pem", "").display().to_string();
    let tls = format!("certificate = \"{empty}\"\nprivate_key = \"{empty}\"\nca = \"{empty}\"\n");
    let text = cluster(&format!("{PLAIN}{tls}"));
    let file = files.write("a.toml", &text).display().to_string();
    for arguments in [&["check", "--config", &file][..], &["node", "--config", &file][..]] {
        let output = flowhold(arguments, &[("FLOWHOLD__CLUSTER__LISTEN", "127.0.0.1:0")]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = format!("{}{}", out(&output), err(&output));
        assert!(said.contains(&format!("cluster: {empty}: there is no certificate in it\n")), "{said}");
    }
    let good = files.write("good.toml", &cluster(PLAIN)).display().to_string();
    let output = flowhold(&["check", "--config", &good], &[("FLOWHOLD__NODE__ID", "a")]);
    assert_eq!(
        out(&output),
        "good: node a for localhost, on udp 127.0.0.1:5060, tcp 127.0.0.1:5060, cluster 127.0.0.1:5070\n"
    );
}
