//! JsSIP in a headless Chromium: a page registers over WebSocket with outbound, takes a message and a call, and sends a
//! message of its own.
//!
//! The page is `browser/page.html`. It comes from a small HTTP server in the test, which is also where it says what
//! happens.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use tempfile::TempDir;

use crate::program::Program;
use crate::support::dialog::private_uri;
use crate::support::digest::{Login, Users};
use crate::support::tls::Ca;
use crate::support::{Client, Node, wait_until};

/// What the page is made of.
const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/browser");

/// A browser on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A page in a browser that is a phone.
struct Browser {
    _program: Program,
    reports: Receiver<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts one that registers this AOR at this server, with further parameters for its page.
    #[track_caller]
    fn start(server: &str, aor: &str, more: &str) -> Self {
        assert!(
            Path::new(FILES).join("node_modules/jssip").is_dir(),
            "JsSIP is missing in {FILES}. `tests/run` installs it by `npm ci`."
        );
        let (address, reports) = serve();
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromium");
        command
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            // The node's certificate is its own.
            .arg("--ignore-certificate-errors")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("http://{address}/?server={server}&aor={aor}{more}"));
        let program = Program::start(&mut command, "chromium", profile.path().join("output"));
        Self { _program: program, reports, _profile: profile }
    }

    /// The next thing that the page says is this.
    #[track_caller]
    fn expect(&self, expected: &str) {
        let said = self.reports.recv_timeout(PATIENCE);
        assert_eq!(said.as_deref(), Ok(expected));
    }

    /// It says all of these next, in any order.
    #[track_caller]
    fn expect_all(&self, expected: &[&str]) {
        let mut said: Vec<String> =
            expected.iter().map(|_| self.reports.recv_timeout(PATIENCE).unwrap_or_default()).collect();
        said.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(said, expected);
    }
}

/// Serves the page and what it loads for as long as the test runs; what it reports is received.
fn serve() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, reports) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            // A connection that a browser opens in advance says nothing for long.
            std::thread::spawn(move || answer(stream, &sender));
        }
    });
    (address, reports)
}

/// One request and its answer.
fn answer(stream: TcpStream, reports: &Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        head.push(line);
    }
    let request = head.first().cloned().unwrap_or_default();
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("Content-Length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let (status, kind, content) = match request.split(' ').nth(1).unwrap_or_default() {
        "/report" => {
            let _ = reports.send(String::from_utf8_lossy(&body).into_owned());
            ("204 No Content", "text/plain", Some(Vec::new()))
        }
        path => {
            let path = path.split('?').next().unwrap_or_default();
            let (file, kind) = match path {
                "/" => ("page.html", "text/html"),
                _ => (path.trim_start_matches('/'), "text/javascript"),
            };
            ("200 OK", kind, fs::read(Path::new(FILES).join(file)).ok())
        }
    };
    let (status, content) = content.map_or(("404 Not Found", Vec::new()), |content| (status, content));
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    )?;
    stream.write_all(&content)
}

/// A page registers, is reached, answers, and lives on answering the node's Pings.
#[track_caller]
fn registers_and_is_reached(node: &Node, server: &str, transport: &str) {
    let ua = Client::tcp(node);
    ua.registers("tester");
    let browser = Browser::start(server, "sip:alice@example.com", "");
    browser.expect("connected");
    browser.expect("registered outbound 2");
    let contact = ua.bindings("alice").remove(0);
    assert!(contact.contains(".invalid;transport=ws"), "{contact}");
    assert!(contact.contains("reg-id=1") && contact.contains("+sip.instance="), "{contact}");
    // A browser sends no Pings and JsSIP no CRLFs, and yet the flow stays: it answers those of the node.
    ua.expect_silence(Duration::from_secs(7));

    let message = ua.message("alice").set("From", "<sip:tester@example.com>;tag=1").body("Hello browser");
    ua.send(message.to_bytes());
    let received = [ua.receive(), ua.receive()];
    let (answers, arrived): (Vec<_>, Vec<_>) =
        received.into_iter().partition(|message| !message.is_request());
    assert_eq!(answers[0].status(), 200);
    assert_eq!(arrived[0].body(), b"You said: Hello browser");
    assert!(arrived[0].values("Via")[1].starts_with(&format!("SIP/2.0/{transport} ")), "{}", arrived[0]);
    ua.send(arrived[0].answer(200, "OK"));
    browser.expect_all(&["message Hello browser", "sent 200"]);
    assert_eq!(node.flows_closed("flow_timer"), 0);

    let invite = ua.invite("alice").set("Contact", format!("<{}>", private_uri("tester")));
    ua.ask(&invite).expect_status(100);
    browser.expect("rings");
    browser.expect("failed Rejected");
    let refused = std::iter::repeat_with(|| ua.receive()).find(|response| response.status() >= 200).unwrap();
    assert_eq!(refused.status(), 486);
    ua.send(invite.ack(refused.header("To")).to_bytes());

    drop(browser);
    wait_until("its flow ends with it", || ua.bindings("alice").is_empty());
}

#[test]
fn jssip_in_chromium_registers_over_ws_and_is_reached() {
    let node = Node::start("[listen]\nws = [\"127.0.0.1:0\"]\n[outbound]\nflow_timer = \"2s\"\n");
    registers_and_is_reached(&node, &format!("ws://{}", node.listener("ws")), "WS");
}

#[test]
fn jssip_in_chromium_registers_over_wss_and_is_reached() {
    let ca = Ca::new();
    let listener = format!("[listen]\nwss = [\"127.0.0.1:0\"]\n[tls]\n{}", ca.node());
    let node = Node::start(&format!("{listener}[outbound]\nflow_timer = \"2s\"\n"));
    registers_and_is_reached(&node, &format!("wss://{}", node.listener("wss")), "WSS");
}

#[test]
fn jssip_in_chromium_proves_its_password_and_is_trusted() {
    let users = Users::new(&[("alice", "password-of-alice"), ("tester", "password-of-tester")]);
    // It keeps the last of two challenges, and knows MD5 only.
    let keys = users.keys("algorithms = [\"SHA-256\", \"MD5\"]\n[listen]\nws = [\"127.0.0.1:0\"]");
    let node = Node::start(&keys);
    let ua = Client::tcp(&node);
    let challenge = ua.ask(&ua.register_contact("tester")).expect_status(401);
    let mut login = Login::new(&challenge, "tester", "password-of-tester");
    ua.ask(&login.prove(ua.register_contact("tester"))).expect_status(200);

    let server = format!("ws://{}", node.listener("ws"));
    let stranger = Browser::start(&server, "sip:alice@example.com", "&password=another");
    stranger.expect("connected");
    stranger.expect("refused Authentication Error");
    drop(stranger);
    let browser = Browser::start(&server, "sip:alice@example.com", "&password=password-of-alice");
    browser.expect("connected");
    browser.expect("registered outbound 120");
    let message = ua.message("alice").set("From", "<sip:tester@example.com>;tag=1").body("Who are you?");
    ua.send(message.to_bytes());
    let received = [ua.receive(), ua.receive()];
    let arrived = received.iter().find(|message| message.is_request()).unwrap();
    assert_eq!(arrived.body(), b"You said: Who are you?");
    ua.send(arrived.answer(200, "OK"));
    browser.expect_all(&["message Who are you?", "sent 200"]);
}
