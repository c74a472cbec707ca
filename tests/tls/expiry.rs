//! Until when certificates are good: said in time, and held to.

use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::tls::{Ca, Tls};
use crate::support::{Client, Node, wait_until};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn unix_time(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn gauge(node: &Node, name: &str, file: &str) -> u64 {
    node.metric(&format!("tls_certificate_not_after_seconds{{name=\"{name}\",file=\"{file}\"}}"))
}

#[test]
fn the_end_of_each_certificate_is_a_gauge_and_said_before_it_comes() {
    let ca = Ca::new();
    let listener = ca.listener("");
    let (soon, later) = (SystemTime::now() + 13 * DAY, SystemTime::now() + 400 * DAY);
    ca.issue_until("node", &["localhost"], soon);
    ca.issue_until("net", &["example.net", "example.org"], later);
    let at = |file: &str| ca.path(file).display().to_string();
    let node = Node::start(&format!("{listener}further = [\"{} = {}\"]\n", at("net.pem"), at("net.key")));
    assert_eq!(gauge(&node, "localhost", &at("node.pem")), unix_time(soon));
    assert_eq!(gauge(&node, "example.net", &at("net.pem")), unix_time(later));
    let said = || -> Vec<String> {
        let log = node.log();
        log.lines().filter(|line| line.contains("the certificate expire")).map(str::to_owned).collect()
    };
    assert_eq!(said().len(), 1, "{:?}", said());
    assert!(said()[0].contains("WARN") && said()[0].contains(&at("node.pem")), "{:?}", said());

    ca.issue_until("node", &["sip.example.com", "localhost"], later);
    node.signal("-HUP");
    wait_until("it is read again", || node.log().contains("certificates read again"));
    wait_until("the gauge has it", || node.metrics().contains("{name=\"sip.example.com\""));
    assert_eq!(gauge(&node, "sip.example.com", &at("node.pem")), unix_time(later));
    assert!(!node.metrics().contains("{name=\"localhost\""), "what is not shown any more is gone");
    assert_eq!(said().len(), 1);

    ca.issue_until("node", &["localhost"], SystemTime::now() - DAY);
    node.signal("-HUP");
    wait_until("it is said", || said().len() == 2);
    assert!(said()[1].contains("expired at"), "{:?}", said());
}

#[test]
fn a_check_says_what_expires() {
    let ca = Ca::new();
    let text = ca.listener("");
    ca.issue_until("node", &["localhost"], SystemTime::now() + DAY);
    let file = ca.path("node.toml");
    std::fs::write(&file, text).unwrap();
    let check = Command::new(env!("CARGO_BIN_EXE_flowhold")).arg("check").arg("--config").arg(&file).output();
    let check = check.unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    let warning = format!("tls: {}: warning: the certificate expires at ", ca.path("node.pem").display());
    assert!(said.lines().any(|line| line.starts_with(&warning)), "{said}");
    assert_eq!(check.status.code(), Some(0));
}

#[test]
fn a_ticket_is_good_for_no_longer_than_the_certificate_that_its_client_has_shown() {
    let ca = Ca::new();
    ca.issue_until("alice", &["sip:alice@example.com"], SystemTime::now() + Duration::from_secs(4));
    let client_ca = ca.path("ca.pem").display().to_string();
    let extra = format!("client_ca = \"{client_ca}\"\nclient_certificates = \"optional\"\n");
    let node = Node::start(&ca.listener(&extra));
    let config = ca.client_with(&ca, "alice");
    Client::tls(&node, &config).ping();
    let (mut resumed, mut refused) = (0, 0);
    wait_until("she is refused", || {
        let tls = Tls::dial(node.tls(), "localhost", &config).unwrap();
        resumed += u64::from(tls.is_resumed());
        let came_in =
            tls.write_all(b"\r\n\r\n").is_ok() && tls.read(&mut [0; 2]).is_ok_and(|octets| octets == 2);
        refused += u64::from(tls.is_resumed() && !came_in);
        refused > 0
    });
    assert!(resumed > refused, "it was good for a while");
    let metric = "tls_handshakes_failed_total{reason=\"bad_certificate\"}";
    wait_until("it is counted", || node.metric(metric) == refused);
}
