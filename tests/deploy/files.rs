//! What stands in `config/deploy`: each file is taken by the program that it is for, and they agree with each other.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use flowhold::config::Config;
use flowhold::metrics::Metrics;
use yaml_rust2::{Yaml, YamlLoader};

/// The files below `config/deploy` with this extension.
fn files(extension: &str) -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/deploy");
    let below = |directory: &Path| -> Vec<PathBuf> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut found: Vec<PathBuf> = below(&top)
        .into_iter()
        .flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no {extension} in {}", top.display());
    found
}

#[track_caller]
fn text(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/deploy").join(name)).unwrap()
}

#[track_caller]
fn yaml(name: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// `flowhold check` takes this configuration with these variables, and files for the secret and the users.
#[track_caller]
fn assert_good(configuration: &Path, variables: &[(String, String)]) {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "0123456789abcdef0123456789abcdef\n").unwrap();
    let users = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_flowhold"))
        .args(["check", "--config"])
        .arg(configuration)
        .env("FLOWHOLD__CLUSTER__SECRET_FILE", secret.path())
        .env("FLOWHOLD__AUTH__USERS", users.path())
        .envs(variables.iter().cloned())
        .output()
        .unwrap();
    let Output { status, stdout, .. } = &output;
    assert!(status.success(), "{}: {}", configuration.display(), String::from_utf8_lossy(stdout));
}

fn seconds(text: &str) -> Duration {
    humantime::parse_duration(text).unwrap()
}

#[test]
fn every_configuration_is_good() {
    for file in files("toml") {
        assert_good(&file, &[]);
    }
}

#[test]
fn every_yaml_parses() {
    for file in files("yaml") {
        let parsed = YamlLoader::load_from_str(&fs::read_to_string(&file).unwrap());
        assert!(parsed.is_ok_and(|documents| !documents.is_empty()), "{}", file.display());
    }
}

#[test]
fn haproxy_takes_its_configuration() {
    for file in files("cfg") {
        let output = Command::new("haproxy").args(["-c", "-f"]).arg(&file).output();
        let output = output.expect("`tests/run` installs the Debian package haproxy");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains("[WARNING]"), "{}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn every_node_of_the_compose_file_starts_with_its_variables_and_may_drain() {
    let compose = yaml("compose.yaml");
    let (node, services) = (&compose[0]["x-node"], &compose[0]["services"]);
    assert!(seconds(node["stop_grace_period"].as_str().unwrap()) > Config::default().node.drain);
    let mounted = node["volumes"][0].as_str().unwrap();
    let file = mounted.strip_prefix("./").and_then(|rest| rest.split(':').next()).unwrap();
    let configuration = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/deploy").join(file);
    for name in ["a", "b", "c"] {
        let environment = services[name]["environment"].as_hash().unwrap();
        let variable = |(name, value): (&Yaml, &Yaml)| {
            (name.as_str().unwrap().to_owned(), value.as_str().unwrap().to_owned())
        };
        let variables: Vec<_> = environment.iter().map(variable).collect();
        assert!(variables.contains(&("FLOWHOLD__NODE__ID".to_owned(), name.to_owned())));
        assert_good(&configuration, &variables);
    }
}

#[test]
fn the_pods_of_kubernetes_start_with_their_variables_and_may_drain() {
    let objects = yaml("kubernetes/flowhold.yaml");
    let object = |kind: &str| objects.iter().find(|object| object["kind"].as_str() == Some(kind)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let configuration = directory.path().join("flowhold.toml");
    let written = object("ConfigMap")["data"]["flowhold.toml"].as_str().unwrap();
    fs::write(&configuration, written).unwrap();

    let pod = &object("StatefulSet")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let variables: Vec<_> = container["env"]
        .as_vec()
        .unwrap()
        .iter()
        .map(|variable| {
            let name = variable["name"].as_str().unwrap();
            let field = &variable["valueFrom"]["fieldRef"]["fieldPath"];
            let value = match (name, variable["value"].as_str(), field.as_str()) {
                (_, Some(value), _) => value.replace("$(POD_NAME)", "flowhold-0"),
                (_, None, Some("metadata.name")) => "flowhold-0".to_owned(),
                ("FLOWHOLD__LOCATION__REDIS_URL", ..) => "redis://redis:6379".to_owned(),
                _ => panic!("what is the value of {name}?"),
            };
            (name.to_owned(), value)
        })
        .collect();
    assert!(variables.iter().any(|(name, value)| name == "FLOWHOLD__NODE__ID" && value == "flowhold-0"));
    assert_good(&configuration, &variables);

    let drain =
        toml::from_str::<toml::Table>(written).unwrap()["node"]["drain"].as_str().map(seconds).unwrap();
    let pause: u64 =
        container["lifecycle"]["preStop"]["exec"]["command"][1].as_str().unwrap().parse().unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
    assert!(Duration::from_secs(grace.unsigned_abs()) > Duration::from_secs(pause) + drain);
}

#[test]
fn the_unit_of_systemd_leaves_time_to_drain_and_descriptors_for_all_connections() {
    let unit = text("flowhold.service");
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    let config = Config::default();
    assert!(seconds(value("TimeoutStopSec=")) > config.node.drain);
    assert!(value("LimitNOFILE=").parse::<usize>().unwrap() > config.limits.max_connections);
    assert_eq!(value("Type="), "notify");
}

#[test]
fn a_renewed_certificate_is_put_where_the_unit_s_group_can_read_it_and_is_read_again() {
    let (unit, hook) = (text("flowhold.service"), text("certbot/flowhold"));
    let group = unit.lines().find_map(|line| line.strip_prefix("#SupplementaryGroups=")).unwrap();
    assert!(hook.contains(&format!("${{GROUP:-{group}}}")), "{group}");
    assert!(unit.contains("ExecReload=kill -HUP $MAINPID"));

    let home = tempfile::tempdir().unwrap();
    let (renewed, own) = (home.path().join("live/sip.example.com"), home.path().join("tls"));
    fs::create_dir_all(&renewed).unwrap();
    fs::write(renewed.join("fullchain.pem"), "certificate").unwrap();
    fs::write(renewed.join("privkey.pem"), "key").unwrap();
    let systemctl = home.path().join("systemctl");
    fs::write(&systemctl, "#!/bin/sh\necho \"$@\"\n").unwrap();
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
    let own_group = Command::new("id").arg("-g").output().unwrap().stdout;
    let path = format!("{}:{}", home.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/deploy/certbot/flowhold"))
        .env("PATH", path)
        .env("RENEWED_LINEAGE", &renewed)
        .env("DIRECTORY", &own)
        .env("GROUP", String::from_utf8(own_group).unwrap().trim())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "try-reload-or-restart flowhold\n");
    for (file, content) in [("sip.example.com.pem", "certificate"), ("sip.example.com.key", "key")] {
        assert_eq!(fs::read_to_string(own.join(file)).unwrap(), content);
        assert_eq!(fs::metadata(own.join(file)).unwrap().permissions().mode() & 0o777, 0o640, "{file}");
    }
}

#[test]
fn nginx_waits_for_longer_than_the_node_is_silent_and_says_who_comes() {
    let nginx = text("nginx.conf");
    let value = |key: &str| {
        let line = nginx.lines().find_map(|line| line.trim().strip_prefix(key));
        line.unwrap_or_else(|| panic!("no {key}")).trim_end_matches(';')
    };
    assert!(seconds(value("proxy_timeout ")) > 2 * Config::default().websocket.ping_every);
    assert_eq!(value("proxy_protocol "), "on");
    // What the comment has the node told is good, and is its own listener.
    let told: String = nginx
        .lines()
        .skip_while(|line| *line != "#     [listen]")
        .map_while(|line| line.strip_prefix("#     "))
        .flat_map(|line| [line, "\n"])
        .collect();
    let configuration = tempfile::NamedTempFile::new().unwrap();
    fs::write(configuration.path(), &told).unwrap();
    assert_good(configuration.path(), &[]);
    assert!(told.contains(&format!("ws = [\"{}\"]", value("server "))), "{told}");
}

/// Each `NAME{...}` of an expression: the metric, and what stands in the braces.
fn selectors(expression: &str) -> Vec<(String, String)> {
    let is_name = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
    let mut found = Vec::new();
    for (at, _) in expression.match_indices("flowhold_") {
        let name: String = expression[at..].chars().take_while(|sign| is_name(*sign)).collect();
        let rest = &expression[at + name.len()..];
        let braces =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
        found.push((name, braces.to_owned()));
    }
    found
}

#[test]
fn alerts_are_about_metrics_and_labels_that_there_are() {
    let metrics = Metrics::new();
    metrics.upstream.begin("trunk");
    let shown = metrics.render();
    let rules = &yaml("prometheus/flowhold.rules.yml")[0]["groups"][0]["rules"];
    let rules = rules.as_vec().unwrap();
    assert!(rules.len() > 8);
    for rule in rules {
        let (name, expression) = (rule["alert"].as_str().unwrap(), rule["expr"].as_str().unwrap());
        assert!(rule["annotations"]["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name}");
        assert!(rule["labels"]["severity"].as_str().is_some(), "{name}");
        for (metric, labels) in selectors(expression) {
            let lines: Vec<&str> = shown.lines().filter(|line| line.starts_with(&metric)).collect();
            let is_it = |line: &&str| [Some(&b' '), Some(&b'{')].contains(&line.as_bytes().get(metric.len()));
            assert!(lines.iter().any(is_it), "{name}: no metric {metric}");
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (key, values) = label.split_at(label.find(['=', '!']).unwrap());
                for value in values.trim_matches(['=', '!', '~', '"']).split('|') {
                    let pair = format!("{key}=\"{value}\"");
                    assert!(lines.iter().any(|line| line.contains(&pair)), "{name}: {metric} has no {pair}");
                }
            }
        }
    }
}
