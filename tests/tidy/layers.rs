//! Who may import whom.
//!
//! ```text
//! main, cli -> actor -> { proto, net, config, metrics, flowhold-cluster }
//! net -> { sip, metrics, config }      proto -> { sip, value types of flowhold-cluster }      sip -> nothing of ours
//! cli -> ua -> { proto, sip, net }      cli -> flowhold-heap
//! ```

use crate::Complaint;
use crate::source::Source;

/// A directory, and what its files may not name.
struct Layer {
    directory: &'static str,
    /// The modules of its own crate that it may name; all of them where this is empty.
    ours: &'static [&'static str],
    /// Paths that it may not name, nor anything below them.
    never: &'static [&'static [&'static str]],
}

/// Input, output, clock and randomness: a protocol that has none of them can be stepped through virtual time.
const OUTSIDE_WORLD: &[&[&str]] = &[
    &["actix"],
    &["actix_rt"],
    &["tokio"],
    &["tokio_util"],
    &["hyper"],
    &["socket2"],
    &["nix"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "thread"],
    &["std", "net", "TcpListener"],
    &["std", "net", "TcpStream"],
    &["std", "net", "UdpSocket"],
    &["rand", "rng"],
    &["rand", "random"],
    &["rand", "random_range"],
    &["rand", "rngs", "ThreadRng"],
    &["rand", "rngs", "SysRng"],
    &["getrandom"],
    &["std", "time", "Instant", "now"],
    &["std", "time", "SystemTime"],
    &["Instant", "now"],
    &["SystemTime", "now"],
];

const LAYERS: &[Layer] = &[
    Layer { directory: "src/sip/", ours: &["sip"], never: &[&["flowhold_cluster"]] },
    Layer {
        directory: "src/proto/",
        ours: &["proto", "sip"],
        // Value types only: no store, and not the trait that stores implement.
        never: &[&["flowhold_cluster", "memory"], &["flowhold_cluster", "location", "Location"]],
    },
    Layer {
        directory: "src/net/",
        ours: &["net", "sip", "metrics", "config"],
        never: &[&["flowhold_cluster", "memory"]],
    },
    // A program beside the node, which shares the protocol with it, and TLS.
    Layer {
        directory: "src/ua/",
        ours: &["ua", "proto", "sip", "net"],
        never: &[&["actix"], &["flowhold_cluster"]],
    },
    Layer { directory: "src/config/", ours: &["config", "sip"], never: &[&["flowhold_cluster"]] },
    Layer { directory: "src/metrics/", ours: &["metrics", "sip"], never: &[&["flowhold_cluster"]] },
    Layer { directory: "src/actor/", ours: &[], never: &[] },
    // Part of the binary, so all of the library is `flowhold::` there.
    Layer { directory: "src/cli/", ours: &["cli"], never: &[] },
    Layer { directory: "cluster/", ours: &[], never: &[&["flowhold"]] },
    Layer { directory: "heap/", ours: &[], never: &[&["flowhold"], &["flowhold_cluster"]] },
];

/// Files that stand above the layers.
const ABOVE: &[&str] = &["src/main.rs", "src/lib.rs"];

/// A file names only what its layer may.
pub fn imports(source: &Source) -> Vec<Complaint> {
    let Some(layer) = LAYERS.iter().find(|layer| source.path.starts_with(layer.directory)) else {
        if source.path.starts_with("src/") && !ABOVE.contains(&source.path.as_str()) {
            return vec![Complaint::new(
                source,
                1,
                "stands in no layer: say in tests/tidy/layers.rs whom it may import",
            )];
        }
        return Vec::new();
    };
    let pure = ["src/sip/", "src/proto/"].contains(&layer.directory);
    let may_redis = source.path.starts_with("cluster/src/redis/");
    let mut complaints = Vec::new();
    for named in source.paths(&source.library) {
        let path: Vec<&str> = named.segments.iter().map(String::as_str).collect();
        let outside = OUTSIDE_WORLD.iter().filter(|_| pure);
        let banned = layer.never.iter().chain(outside).any(|never| path.starts_with(never));
        let foreign = path.first() == Some(&"crate")
            && path.get(1).is_some_and(|module| !layer.ours.is_empty() && !layer.ours.contains(module));
        let redis = path.first() == Some(&"redis") && path.len() > 1 && !may_redis;
        if banned || foreign || redis {
            let rule = format!("{} may not name {}", layer.directory, path.join("::"));
            complaints.push(Complaint::new(source, named.line, rule));
        }
    }
    complaints
}

/// Actors know each other's messages, not each other: no file with an actor names the struct of another.
pub fn actors_apart(sources: &[Source]) -> Vec<Complaint> {
    let actors: Vec<(&Source, String)> = sources
        .iter()
        .flat_map(|source| actors_of(source).into_iter().map(move |actor| (source, actor)))
        .collect();
    let mut complaints = Vec::new();
    for (file, _) in &actors {
        for named in file.paths(&file.library) {
            let others = actors.iter().filter(|(other, _)| other.path != file.path);
            for (_, actor) in others.filter(|(_, actor)| named.segments.last() == Some(actor)) {
                // `config::Registrar` is a section of the configuration, whatever the actor is called.
                if named.segments.iter().any(|segment| segment == "config") {
                    continue;
                }
                let rule = format!("an actor's file may not name the actor {actor}: send to a Recipient");
                complaints.push(Complaint::new(file, named.line, rule));
            }
        }
    }
    complaints.dedup();
    complaints
}

/// `impl Actor for NAME`
fn actors_of(source: &Source) -> Vec<String> {
    let words: Vec<&str> = source.library.split_whitespace().collect();
    let implementations = words.windows(4).filter(|window| matches!(window, ["impl", "Actor", "for", _]));
    let name = |window: &[&str]| {
        window[3].split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    };
    implementations.map(name).collect()
}

mod tests {
    use super::*;

    #[track_caller]
    fn assert_refused(path: &str, text: &str) {
        assert_ne!(imports(&Source::new(path, text)), [], "{path}: {text}");
    }

    #[track_caller]
    fn assert_allowed(path: &str, text: &str) {
        assert_eq!(imports(&Source::new(path, text)), [], "{path}: {text}");
    }

    #[test]
    fn sip_imports_nothing_of_ours() {
        assert_refused("src/sip/message.rs", "use crate::proto::Source;");
        assert_refused("src/sip/message.rs", "use super::super::actor::Node;");
        assert_refused("src/sip/message.rs", "use flowhold_cluster::flow::Flow;");
        assert_allowed("src/sip/message.rs", "use crate::sip::Via; use super::uri::Uri; use bytes::Bytes;");
    }

    #[test]
    fn proto_imports_sip_and_value_types() {
        assert_refused("src/proto/edge.rs", "use crate::net::writer::Writer;");
        assert_refused("src/proto/edge.rs", "fn f() { crate::metrics::g(); }");
        assert_refused("src/proto/edge.rs", "use flowhold_cluster::{flow::Flow, memory::Memory};");
        assert_refused("src/proto/edge.rs", "use flowhold_cluster::location::{Known, Location};");
        assert_allowed("src/proto/edge.rs", "use crate::{proto::Source, sip::Message};");
        assert_allowed("src/proto/edge.rs", "use flowhold_cluster::location::{Known, Update};");
    }

    #[test]
    fn the_protocol_has_no_outside_world() {
        for text in [
            "use tokio::time::sleep;",
            "use actix::Actor;",
            "fn f() { let now = Instant::now(); }",
            "fn f() { let now = std::time::Instant::now(); }",
            "use std::time::{Duration, SystemTime};",
            "fn f() { rand::rng(); }",
            "use rand::{Rng, random};",
            "use std::net::{IpAddr, UdpSocket};",
            "fn f() { std::thread::sleep(D); }",
        ] {
            assert_refused("src/proto/keepalive.rs", text);
            assert_refused("src/sip/framing.rs", text);
        }
        assert_allowed("src/proto/keepalive.rs", "use std::time::{Duration, Instant}; use rand::Rng;");
        assert_allowed("src/proto/keepalive.rs", "// tokio::time\nconst A: &str = \"Instant::now\";");
        assert_allowed("src/proto/keepalive.rs", "#[cfg(test)]\nmod tests { fn f() { Instant::now(); } }");
    }

    #[test]
    fn cluster_knows_nothing_of_the_root() {
        assert_refused("cluster/src/binding.rs", "use flowhold::sip::Uri;");
        assert_allowed("cluster/src/binding.rs", "use crate::flow::Flow;");
    }

    #[test]
    fn redis_is_in_its_own_directory() {
        assert_refused("cluster/src/location.rs", "use redis::Client;");
        assert_refused("src/actor/registrar.rs", "fn f() { redis::cmd(); }");
        assert_refused("cluster/src/redis_keys.rs", "use redis::Client;");
        assert_allowed("cluster/src/redis/target.rs", "use redis::Client;");
        assert_allowed("cluster/src/clustered.rs", "use crate::redis::Redis;");
    }

    #[test]
    fn net_and_config_do_not_look_up() {
        assert_refused("src/net/writer.rs", "use crate::actor::Connection;");
        assert_refused("src/net/writer.rs", "use crate::proto::keepalive::KeepAlive;");
        assert_refused("src/config/model.rs", "use crate::proto::Source;");
        assert_refused("src/metrics/label.rs", "use crate::actor::Connection;");
    }

    #[test]
    fn a_ua_is_no_part_of_a_node() {
        assert_refused("src/ua/drive.rs", "use crate::actor::node::run;");
        assert_refused("src/ua/drive.rs", "use actix::Actor;");
        assert_allowed("src/ua/drive.rs", "use crate::proto::ua::Ua; use tokio::net::TcpStream;");
    }

    #[test]
    fn a_new_directory_is_a_new_layer() {
        assert_refused("src/helpers.rs", "");
        assert_allowed("src/main.rs", "use flowhold::actor::node;");
    }

    #[test]
    fn actors_know_each_others_messages_only() {
        let registrar = "impl Actor for Registrar { }";
        let apart = |text: &str| {
            let sources = [
                Source::new("src/actor/registrar.rs", registrar),
                Source::new("src/actor/connection.rs", &format!("{text} impl Actor for Connection {{ }}")),
            ];
            actors_apart(&sources).len()
        };
        assert_eq!(apart("use super::registrar::Registrar;"), 1);
        assert_eq!(apart("fn f(registrar: Addr<Registrar>) {}"), 1);
        assert_eq!(apart("use super::message::Register; // Registrar"), 0);
        assert_eq!(apart("use crate::config::Registrar as Keys;"), 0);
    }
}
