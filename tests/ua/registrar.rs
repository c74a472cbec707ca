//! What a registrar may ask for, played by the test over TCP: a password, more time, less outbound. RFC 3261 §10.2, §22, RFC
//! 7616, RFC 5626 §4.2.

use std::net::{Ipv4Addr, TcpListener};

use md5::Digest;

use crate::support::message::param;
use crate::support::ua_process::proxy;
use crate::support::{Client, Message, UaProcess};

struct Registrar {
    listener: TcpListener,
}

impl Registrar {
    fn start() -> Self {
        Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap() }
    }

    fn proxy(&self) -> String {
        proxy("tcp", self.listener.local_addr().unwrap())
    }

    /// The next connection that is opened.
    fn accept(&self) -> Client {
        Client::accepted(self.listener.accept().unwrap().0)
    }
}

#[track_caller]
fn next_register(flow: &Client) -> Message {
    let register = flow.receive().expect_method("REGISTER");
    assert_eq!(register.uri(), "sip:example.com");
    assert!(register.has_tag("Supported", "path"), "{register}");
    register
}

type Hash = fn(&str) -> String;

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
}

/// The response to a challenge, computed here. RFC 7616 §3.4.
fn digest(hash: Hash, authorization: &str) -> String {
    let value = |name: &str| {
        let found = authorization.trim_start_matches("Digest ").split(", ").find_map(|param| {
            param.strip_prefix(name)?.strip_prefix('=').map(|value| value.trim_matches('"').to_owned())
        });
        found.unwrap_or_else(|| panic!("no {name} in {authorization}"))
    };
    let a1 = hash(&format!("{}:{}:secret", value("username"), value("realm")));
    let a2 = hash(&format!("REGISTER:{}", value("uri")));
    hash(&format!("{a1}:{}:{}:{}:auth:{a2}", value("nonce"), value("nc"), value("cnonce")))
}

#[test]
fn rfc7616_s3_4_a_password_is_proved_by_md5_and_sha_256() {
    let md5: Hash = |text| hex(&md5::Md5::digest(text));
    let sha_256: Hash = |text| hex(&sha2::Sha256::digest(text));
    for (algorithm, hash) in [("MD5", md5), ("SHA-256", sha_256)] {
        let registrar = Registrar::start();
        let password = [("FLOWHOLD_PASSWORD", "secret")];
        let mut ua = UaProcess::start_with_env("alice", &[registrar.proxy()], &[], &password);
        let flow = registrar.accept();
        let register = next_register(&flow);
        assert!(!register.has("Authorization"), "{register}");
        // One that is not understood comes first.
        let challenges = format!(
            "WWW-Authenticate: Digest realm=\"example.com\", nonce=\"a\", algorithm=SHA-512-256, qop=\"auth\"\r\n\
             WWW-Authenticate: Digest realm=\"example.com\", nonce=\"b\", algorithm={algorithm}, qop=\"auth,auth-int\"\r\n"
        );
        flow.send(register.answer_with(401, "Unauthorized", &challenges));
        let register = next_register(&flow);
        let authorization = register.header("Authorization");
        let expected = digest(hash, authorization);
        assert!(authorization.contains(&format!("response=\"{expected}\"")), "{authorization}");
        assert!(authorization.contains("nc=00000001"), "{authorization}");
        flow.send(register.answer_with(200, "OK", "Require: outbound\r\nFlow-Timer: 60\r\nExpires: 2\r\n"));
        let registered = ua.flow(1, "registered");
        assert_eq!((&registered["flow_timer"], &registered["outbound"]), (&60.into(), &true.into()));
        // The refresh proves it from the start.
        let register = next_register(&flow);
        let authorization = register.header("Authorization");
        assert!(authorization.contains("nc=00000002"), "{authorization}");
        assert!(authorization.contains(&digest(hash, authorization)), "{authorization}");
    }
}

#[test]
fn a_wrong_password_is_told_and_not_sent_again_at_once() {
    let registrar = Registrar::start();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("password");
    std::fs::write(&file, "wrong\n").unwrap();
    let file = file.display().to_string();
    let mut ua = UaProcess::start("alice", &[registrar.proxy()], &["--password-file", &file]);
    let flow = registrar.accept();
    for _ in 0..2 {
        let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"a\", qop=\"auth\"\r\n";
        flow.send(next_register(&flow).answer_with(401, "Unauthorized", challenge));
    }
    let failed = ua.flow(1, "failed");
    assert_eq!(failed["reason"], "REGISTER refused: 401 the user name or the password is wrong");
    flow.expect_closed();
    drop(ua);
}

#[test]
fn rfc3261_s10_2_8_and_rfc5626_s4_2_1_it_asks_again_for_more_time_and_without_outbound() {
    let registrar = Registrar::start();
    let mut ua = UaProcess::start("alice", &[registrar.proxy()], &["--expires", "60s"]);
    let flow = registrar.accept();
    let register = next_register(&flow);
    assert_eq!(register.header("Expires"), "60");
    let call_id = register.header("Call-ID").to_owned();
    flow.send(register.answer_with(423, "Interval Too Brief", "Min-Expires: 300\r\n"));
    let register = next_register(&flow);
    assert_eq!((register.header("Expires"), register.header("CSeq")), ("300", "2 REGISTER"));
    assert_eq!(param(register.contacts()[0], "reg-id"), Some("1"));
    flow.send(register.answer(439, "First Hop Lacks Outbound Support"));
    let register = next_register(&flow);
    assert_eq!(param(register.contacts()[0], "reg-id"), None);
    assert!(!register.has_tag("Supported", "outbound"), "{register}");
    assert_eq!(register.header("Call-ID"), call_id);
    flow.send(register.answer_with(200, "OK", "Expires: 300\r\n"));
    assert_eq!(ua.flow(1, "registered")["outbound"], false);
}

#[test]
fn rfc5626_s4_2_2_a_refresh_that_is_refused_with_retry_after_keeps_the_flow() {
    let registrar = Registrar::start();
    let mut ua = UaProcess::start("alice", &[registrar.proxy()], &[]);
    let flow = registrar.accept();
    flow.send(next_register(&flow).answer_with(200, "OK", "Require: outbound\r\nExpires: 2\r\n"));
    flow.send(next_register(&flow).answer_with(503, "Service Unavailable", "Retry-After: 1\r\n"));
    let refused = ua.flow(1, "refused");
    assert_eq!((&refused["status"], &refused["retry_in"]), (&503.into(), &1.0.into()));
    flow.send(next_register(&flow).answer_with(200, "OK", "Require: outbound\r\nExpires: 100\r\n"));
    ua.flow(1, "refreshed");
    assert!(!ua.seen().iter().any(|it| it["event"] == "failed"));
}
