//! The bench can fail: each way in which an answer can be lost or wrong is noticed, and a floor that answers rightly passes.
//!
//! The wrong servers are the floor itself behind a TCP relay that changes what comes from it.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::Duration,
};

use flowhold_bench::{
    Fault,
    drive::{Bounds, drive},
    floor::{self, Between},
    lane::Lane,
    login::Login,
    over::Over,
    recovery::recover,
    rows::Table,
    server::{Kind, Server},
    stream::Dial,
};

const BENCH: &str = env!("CARGO_BIN_EXE_flowhold-bench");

/// What the relay makes of the bytes of one read from the floor.
type Change = fn(&mut Vec<u8>);

#[test]
fn a_right_responder_passes_all_rows() {
    assert_eq!(load(|_| {}).map_err(|fault| fault.to_string()), Ok(()));
}

#[test]
fn a_lost_pong_is_lost() {
    let fault = load(|bytes| {
        if bytes == b"\r\n" {
            bytes.clear();
        }
    });
    assert!(matches!(fault, Err(Fault::Lost { ref what, .. }) if what == "ping"), "{fault:?}");
}

#[test]
fn a_pong_too_many_is_wrong() {
    let fault = load(|bytes| {
        if bytes == b"\r\n" {
            bytes.extend_from_slice(b"\r\n");
        }
    });
    assert!(matches!(fault, Err(Fault::Wrong { .. })), "{fault:?}");
}

#[test]
fn an_answer_of_another_call_id_is_wrong() {
    assert_wrong(&load(|bytes| replace(bytes, b"-7c1d-", b"-7c1e-")), "Call-ID");
}

#[test]
fn an_answer_of_another_cseq_is_wrong() {
    assert_wrong(&load(|bytes| replace(bytes, b"CSeq: 2 REGISTER", b"CSeq: 1 REGISTER")), "CSeq");
}

#[test]
fn an_answer_of_another_branch_is_wrong() {
    assert_wrong(&load(|bytes| replace(bytes, b"branch=z9hG4bKr", b"branch=z9hG4bKx")), "Via");
}

#[test]
fn an_answer_that_is_not_200_is_wrong() {
    assert_wrong(&load(|bytes| replace(bytes, b"SIP/2.0 200", b"SIP/2.0 503")), "not a 200");
}

#[test]
fn an_answer_that_comes_twice_is_wrong() {
    let fault = load(|bytes| {
        if bytes.starts_with(b"SIP/2.0 200") {
            bytes.extend_from_within(..);
        }
    });
    assert!(matches!(fault, Err(Fault::Wrong { .. })), "{fault:?}");
}

#[test]
fn a_changed_body_is_wrong() {
    assert_wrong(&load(|bytes| replace(bytes, b"\r\n\r\nmessage", b"\r\n\r\nmassage")), "body");
}

#[test]
fn a_message_to_another_ua_is_lost() {
    // UA 1's messages are delivered nowhere, all others as they should be.
    let fault = load(|bytes| {
        if bytes.starts_with(b"MESSAGE sip:u000001@") {
            bytes.clear();
        }
    });
    assert!(matches!(fault, Err(Fault::Lost { ref what, .. }) if what == "MESSAGE + 200"), "{fault:?}");
}

#[test]
fn a_200_of_another_callee_is_wrong() {
    assert_wrong(&load(|bytes| replace(bytes, b";tag=a000000", b";tag=a000001")), "To");
}

#[test]
fn an_ack_that_does_not_arrive_is_lost() {
    assert_call_lost(|bytes| {
        if bytes.starts_with(b"ACK ") {
            bytes.clear();
        }
    });
}

#[test]
fn an_ack_of_another_cseq_is_wrong() {
    assert_wrong(&load(|bytes| replace(bytes, b" ACK\r\n", b"1 ACK\r\n")), "ACK of another CSeq");
}

#[test]
fn an_ack_of_another_branch_is_wrong() {
    assert_wrong(&load(|bytes| replace(bytes, b"z9hG4bKACK", b"z9hG4bKINVITE")), "ACK of another branch");
}

#[test]
fn an_ack_without_the_callees_tag_is_wrong() {
    let fault = load(|bytes| {
        if bytes.starts_with(b"ACK ") {
            replace(bytes, b";tag=d", b";nag=d");
        }
    });
    assert_wrong(&fault, "ACK of another To");
}

#[test]
fn an_ack_to_another_target_is_wrong() {
    let fault = load(|bytes| {
        if bytes.starts_with(b"ACK ") {
            replace(bytes, b";ob SIP", b" SIP");
        }
    });
    assert_wrong(&fault, "not the ACK to this UA's Contact");
}

#[test]
fn an_ack_that_comes_twice_is_wrong() {
    let fault = load(|bytes| {
        if bytes.starts_with(b"ACK ") {
            bytes.extend_from_within(..);
        }
    });
    assert!(matches!(fault, Err(Fault::Wrong { .. })), "{fault:?}");
}

#[test]
fn an_invite_whose_body_was_changed_is_wrong() {
    assert_wrong(&load(|bytes| replace(bytes, b"\r\nm=audio 1", b"\r\nm=audio 2")), "body");
}

#[test]
fn a_180_that_does_not_arrive_is_lost() {
    assert_call_lost(|bytes| {
        if bytes.starts_with(b"SIP/2.0 180") {
            bytes.clear();
        }
    });
}

#[test]
fn a_180_of_another_callee_is_wrong() {
    let fault = load(|bytes| {
        if bytes.starts_with(b"SIP/2.0 180") {
            replace(bytes, b";tag=d", b";tag=e");
        }
    });
    assert_wrong(&fault, "another To");
}

#[test]
fn a_bye_of_either_side_that_does_not_arrive_is_lost() {
    assert_call_lost(|bytes| {
        if bytes.starts_with(b"BYE ") && contains(bytes, b"z9hG4bKBYEc") {
            bytes.clear();
        }
    });
    assert_call_lost(|bytes| {
        if bytes.starts_with(b"BYE ") && contains(bytes, b"z9hG4bKBYEd") {
            bytes.clear();
        }
    });
}

#[test]
fn a_call_may_have_one_100_of_its_own() {
    let trying = |bytes: &mut Vec<u8>| {
        if bytes.starts_with(b"SIP/2.0 180") {
            let mut trying = bytes.clone();
            replace(&mut trying, b"180 Ringing", b"100 Trying");
            bytes.splice(..0, trying);
        }
    };
    assert_eq!(load(trying).map_err(|fault| fault.to_string()), Ok(()));
    assert_wrong(
        &load(|bytes| {
            if bytes.starts_with(b"SIP/2.0 180") {
                replace(bytes, b"180 Ringing", b"100 Trying");
                replace(bytes, b"-call\r\n", b"-hall\r\n");
            }
        }),
        "Call-ID",
    );
}

#[test]
fn a_request_in_a_dialog_takes_the_routes_that_record_route_tells() {
    /// RFC 3261 §12.1: what either side finds recorded, and the routes that it makes of it.
    fn record(bytes: &mut Vec<u8>) {
        const CALLER_ROUTES: &[u8] =
            b"Route: <sip:1@floor;lr>\r\nRoute: <sip:2@floor;lr>\r\nRoute: <sip:3@floor;lr>\r\n";
        const CALLEE_ROUTES: &[u8] =
            b"Route: <sip:3@floor;lr>\r\nRoute: <sip:2@floor;lr>\r\nRoute: <sip:1@floor;lr>\r\n";
        if bytes.starts_with(b"INVITE ") {
            replace(
                bytes,
                b"Max-Forwards",
                b"Record-Route: <sip:3@floor;lr>, <sip:2@floor;lr>\r\nRecord-Route: <sip:1@floor;lr>\r\nMax-Forwards",
            );
        } else if contains(bytes, b"z9hG4bKACK") || contains(bytes, b"z9hG4bKBYEc") {
            replace(bytes, CALLER_ROUTES, b"");
        } else if contains(bytes, b"z9hG4bKBYEd") {
            replace(bytes, CALLEE_ROUTES, b"");
        }
    }
    assert_eq!(load(record).map_err(|fault| fault.to_string()), Ok(()));
}

#[test]
fn a_route_that_a_server_leaves_is_wrong() {
    let fault = load(|bytes| {
        if bytes.starts_with(b"INVITE ") {
            replace(bytes, b"Max-Forwards", b"Record-Route: <sip:floor;lr>\r\nMax-Forwards");
        }
    });
    assert_wrong(&fault, "a Route is left over");
}

#[test]
fn a_flow_that_is_closed_is_lost() {
    let fault = load(|bytes| replace(bytes, b"CSeq: 3 REGISTER\r\n", b"close"));
    assert!(matches!(fault, Err(Fault::Closed { .. } | Fault::Socket { .. })), "{fault:?}");
}

#[test]
fn a_run_of_the_floor_with_itself_is_status_0_and_names_all_rows() {
    let done = Command::new(BENCH)
        .args(["load", "--flows=40", "--ops=300", "--rounds=1", "--rest=0s"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let table = String::from_utf8(done.stdout).unwrap();
    for entry in Table::Floor.rows() {
        assert!(table.contains(entry.row.name()), "{table}");
    }
}

#[test]
fn over_tls_and_over_websocket_a_run_of_the_floor_with_itself_names_all_rows() {
    for over in [Over::Tls, Over::Ws, Over::Wss] {
        let done = Command::new(BENCH)
            .args(["load", "--flows=20", "--ops=100", "--rounds=1", "--rest=0s", "--over", &over.to_string()])
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let table = String::from_utf8(done.stdout).unwrap();
        assert!(table.contains(&format!("20 flows over {over}")), "{table}");
        for entry in Table::of(over).rows() {
            assert!(table.contains(entry.row.name()), "{table}");
        }
    }
}

#[test]
fn over_websocket_what_is_lost_or_wrong_is_noticed() {
    let load = |change| load_over(Table::Ws, &Between::WebSocket, change);
    assert_eq!(load(|_| {}).map_err(|fault| fault.to_string()), Ok(()));
    let lost = load(|bytes| {
        if bytes.ends_with(b"\x81\x02\r\n") {
            bytes.clear();
        }
    });
    assert!(matches!(lost, Err(Fault::Lost { ref what, .. }) if what == "ping"), "{lost:?}");
    assert_wrong(&load(|bytes| replace(bytes, b"SIP/2.0 200", b"SIP/2.0 503")), "not a 200");
}

#[test]
fn a_node_that_answers_rightly_is_status_0() {
    let directory = tempfile::tempdir().unwrap();
    let node = script(directory.path(), &format!("exec '{BENCH}' floor\n"));
    let done = load_node(&node);
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn a_node_that_answers_wrongly_is_status_1() {
    let address = relay(&Between::Nothing, |bytes| replace(bytes, b"CSeq: 2 REGISTER", b"CSeq: 1 REGISTER"));
    let directory = tempfile::tempdir().unwrap();
    let node =
        script(directory.path(), &format!("echo 'flowhold ready node=bench tcp={address}'\nexec sleep 60\n"));
    let done = load_node(&node);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
}

#[test]
fn a_node_that_does_not_start_is_status_2() {
    let directory = tempfile::tempdir().unwrap();
    let node = script(directory.path(), "echo 'no such key' >&2\nexit 2\n");
    let done = load_node(&node);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stderr).contains("no such key"), "{done:?}");
}

#[test]
fn all_uas_of_a_server_that_is_killed_register_at_another() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let recovered = runtime.block_on(async {
        let floor = Kind::Floor { program: BENCH.into(), workers: 1 };
        let mut killed = Server::start("killed", &floor, Over::Tcp).await.unwrap();
        let others = [floor::start((Ipv4Addr::LOCALHOST, 0).into(), 1, &Between::Nothing).unwrap()];
        let mut lanes = Lane::spread(&killed.addresses(), &Dial::tcp(), Login::Never, 20, 4);
        let bounds = Bounds { operations: 20, time: Duration::from_secs(30), answer: Duration::from_secs(5) };
        let rows = Table::Across.rows();
        drive(&rows[0].row, &mut lanes, bounds).await.unwrap();
        let kill = async { killed.kill_first() };
        let (recovered, ()) = tokio::join!(recover(&mut lanes, &others, 20), kill);
        // Each of them can be reached over its new flow.
        drive(&rows[1].row, &mut lanes, bounds).await.unwrap();
        recovered.unwrap()
    });
    assert_eq!((recovered.after.len(), recovered.failures), (20, 0));
    assert!(recovered.after.is_sorted(), "{recovered:?}");
}

#[test]
fn who_is_asked_once_over_each_flow_proves_it() {
    let load = |change| load_with(Login::Once, Table::Trusted, &Between::Nothing, change);
    let asked_first = |bytes: &mut Vec<u8>| {
        if contains(bytes, b"CSeq: 1 REGISTER") {
            challenge(bytes, "");
        }
    };
    assert_eq!(load(asked_first).map_err(|fault| fault.to_string()), Ok(()));
    assert_wrong(&load(|_| {}), "not challenged");
    let asked_again = |bytes: &mut Vec<u8>| {
        if contains(bytes, b"CSeq: 1 REGISTER") || contains(bytes, b"CSeq: 3 REGISTER") {
            challenge(bytes, ", stale=true");
        }
    };
    assert_wrong(&load(asked_again), "not a 200");
    assert_wrong(&load(|bytes| challenge(bytes, "")), "not a 200");
}

#[test]
fn credentials_that_go_along_each_time_may_age_but_not_be_wrong() {
    let load = |change| load_with(Login::Each, Table::Each, &Between::Nothing, change);
    let aged = |bytes: &mut Vec<u8>| {
        if contains(bytes, b"CSeq: 1 REGISTER") {
            challenge(bytes, "");
        } else if contains(bytes, b"CSeq: 3 REGISTER") {
            challenge(bytes, ", stale=true");
        }
    };
    assert_eq!(load(aged).map_err(|fault| fault.to_string()), Ok(()));
    let wrong = |bytes: &mut Vec<u8>| {
        if contains(bytes, b"CSeq: 1 REGISTER") || contains(bytes, b"CSeq: 3 REGISTER") {
            challenge(bytes, "");
        }
    };
    assert_wrong(&load(wrong), "not a 200");
}

#[test]
fn nobody_is_asked_where_there_are_no_passwords() {
    assert_wrong(&load(|bytes| challenge(bytes, "")), "not a 200");
}

/// Makes a 401 of each 200.
fn challenge(bytes: &mut Vec<u8>, more: &str) {
    let field = format!(
        "SIP/2.0 401 Unauthorized\r\n\
         WWW-Authenticate: Digest realm=\"bench.test\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"{more}\r\n"
    );
    while contains(bytes, b"SIP/2.0 200 OK\r\n") {
        replace(bytes, b"SIP/2.0 200 OK\r\n", field.as_bytes());
    }
}

/// Runs all rows over a few flows against the floor, whose bytes are changed on their way.
fn load(change: Change) -> Result<(), Fault> {
    load_over(Table::Floor, &Between::Nothing, change)
}

fn load_over(table: Table, between: &Between, change: Change) -> Result<(), Fault> {
    load_with(Login::Never, table, between, change)
}

fn load_with(login: Login, table: Table, between: &Between, change: Change) -> Result<(), Fault> {
    let address = relay(between, change);
    let dial = Dial::new(table.over(), None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut lanes = Lane::spread(&[address], &dial, login, 12, 4);
        let bounds =
            Bounds { operations: 60, time: Duration::from_secs(30), answer: Duration::from_millis(500) };
        for entry in table.rows() {
            drive(&entry.row, &mut lanes, bounds).await?;
        }
        Ok(())
    })
}

fn assert_call_lost(change: Change) {
    let fault = load(change);
    assert!(matches!(fault, Err(Fault::Lost { ref what, .. }) if what.starts_with("call")), "{fault:?}");
}

fn assert_wrong(fault: &Result<(), Fault>, part: &str) {
    assert!(matches!(fault, Err(Fault::Wrong { why, .. }) if why.contains(part)), "{fault:?}");
}

/// A floor behind a relay; gives the relay's address. A change to the word `close` closes the flow.
fn relay(between: &Between, change: Change) -> SocketAddr {
    let floor = floor::start((Ipv4Addr::LOCALHOST, 0).into(), 1, between).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(floor).unwrap();
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pump(from, to, |_| {}));
            thread::spawn(move || pump(server, client, change));
        }
    });
    address
}

fn pump(mut from: TcpStream, mut to: TcpStream, change: Change) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut bytes = buffer[..length].to_vec();
        change(&mut bytes);
        if contains(&bytes, b"close") || to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(bytes, what).is_some()
}

fn replace(bytes: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    if let Some(at) = memchr::memmem::find(bytes, old) {
        bytes.splice(at..at + old.len(), new.iter().copied());
    }
}

/// A program for `--node` that does what this shell script says.
fn script(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("node");
    fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn load_node(node: &Path) -> Output {
    let mut load = Command::new(BENCH);
    load.args([
        "load",
        "--flows=40",
        "--ops=300",
        "--rounds=1",
        "--answer-time=500ms",
        "--rest=0s",
        "--node",
    ])
    .arg(node);
    load.output().unwrap()
}
