//! Kamailio, a registrar of another vendor, with Flowhold as its edge proxy: RFC 5626 §5 and RFC 3327 between two programs
//! that were not made for each other.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use crate::program::{Program, free_port};
use crate::support::ua_process::proxy;
use crate::support::{Client, Dialog, Node, UaProcess, call, wait_until};

const CONFIG: &str = include_str!("kamailio.cfg");

struct Kamailio {
    program: Program,
    address: SocketAddr,
    _home: TempDir,
}

impl Kamailio {
    /// Starts it and waits until it listens, over UDP and TCP at one port.
    #[track_caller]
    fn start() -> Self {
        Self::start_at(free_port(), CONFIG)
    }

    /// The same as an edge proxy of its own, with its outbound module and a Flow-Timer that a test can wait for.
    #[track_caller]
    fn start_with_outbound(address: SocketAddr) -> Self {
        let modules = "loadmodule \"outbound.so\"\nloadmodule \"stun.so\"\nloadmodule \"usrloc.so\"";
        let config = CONFIG.replace("loadmodule \"usrloc.so\"", modules);
        Self::start_at(address, &config.replace("\"flow_timer\", 20", "\"flow_timer\", 2"))
    }

    #[track_caller]
    fn start_at(address: SocketAddr, text: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("kamailio.cfg");
        fs::write(&config, text.replace("PORT", &address.port().to_string())).unwrap();
        let mut command = Command::new("kamailio");
        // In the foreground, its log to standard error, little memory, and its control files in a folder of its own.
        command.args(["-DD", "-E", "-m", "32", "-M", "8", "-f"]).arg(&config);
        command.arg("-Y").arg(home.path()).arg("-w").arg(home.path());
        let program = Program::start(&mut command, "kamailio", home.path().join("output"));
        wait_until("Kamailio listens", || TcpStream::connect(address).is_ok());
        Self { program, address, _home: home }
    }

    /// A node in front of it.
    #[track_caller]
    fn edge(&self, transport: &str) -> Node {
        Node::start(&format!(
            "[node]\nid = \"edge\"\n[proxy]\nregistrar = \"sip:{};transport={transport}\"\n",
            self.address
        ))
    }

    /// Somebody who speaks to it and not to the node.
    fn stranger(&self) -> Client {
        Client::connect(Ipv4Addr::LOCALHOST.into(), self.address, |_| {})
    }
}

/// Two flows of `flowhold ua` to two Kamailios: either ends, the other flow stays in use, and the failed one is formed anew
/// with the same reg-id after the waits of RFC 5626 §4.5, which the UA was told to shorten.
fn flowhold_ua_keeps_two_flows_up(transport: &str) {
    let addresses = [free_port(), free_port()];
    let mut kamailios = addresses.map(Kamailio::start_with_outbound);
    let proxies = addresses.map(|address| proxy(transport, address));
    let mut ua = UaProcess::start("alice", &proxies, &[]);
    for _ in proxies {
        let registered = ua.until("a registration", |it| it["event"] == "registered");
        assert_eq!((&registered["outbound"], &registered["flow_timer"]), (&true.into(), &2.into()));
    }
    ua.flows(2, "pong");
    for (ended, left) in [(0, 1), (1, 0)] {
        let [ended_id, left_id] = [ended, left].map(|place| place as u64 + 1);
        kamailios[ended].program.terminate();
        let failed = ua.flow(ended_id, "failed");
        assert_eq!((&failed["failures"], &failed["retry_in"]), (&0.into(), &0.0.into()));
        let failed =
            ua.until("a failure to form it anew", |it| it["event"] == "failed" && it["failures"] == 1);
        // Base-some-up is 400 ms here: 50 to 100 % of twice that.
        assert!((0.4..=0.8).contains(&failed["retry_in"].as_f64().unwrap()), "{failed}");
        let reached = |kamailio: &Kamailio, ua: &mut UaProcess, reg_id: u64| {
            let caller = kamailio.stranger();
            caller.ask(&caller.message("alice")).expect_status(200);
            let message = ua.until("a message", |it| it["event"] == "message");
            assert_eq!(message["reg_id"], reg_id);
        };
        reached(&kamailios[left], &mut ua, left_id);
        ua.flow(left_id, "pong");
        kamailios[ended] = Kamailio::start_with_outbound(addresses[ended]);
        ua.flow(ended_id, "registered");
        let bindings = kamailios[ended].stranger().bindings("alice");
        assert!(bindings.len() == 1 && bindings[0].contains(&format!("reg-id={ended_id}")), "{bindings:?}");
        reached(&kamailios[ended], &mut ua, ended_id);
        ua.flow(ended_id, "pong");
    }
    assert_eq!(ua.stop(), Some(0));
    for kamailio in &kamailios {
        assert_eq!(kamailio.stranger().bindings("alice"), [""; 0], "it took its bindings back");
    }
}

#[test]
fn kamailio_with_outbound_has_two_flows_of_flowhold_ua_over_tcp() {
    flowhold_ua_keeps_two_flows_up("tcp");
}

#[test]
fn kamailio_with_outbound_has_two_flows_of_flowhold_ua_over_udp() {
    flowhold_ua_keeps_two_flows_up("udp");
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Its other processes end with the first one when it is asked to, and not when it is killed.
        if self.program.is_running() {
            self.program.terminate();
        }
    }
}

#[test]
fn kamailio_registers_a_ua_through_the_node_and_reaches_it_over_its_flow() {
    let kamailio = Kamailio::start();
    for transport in ["udp", "tcp"] {
        let edge = kamailio.edge(transport);
        for ua in [Client::tcp(&edge), Client::udp(&edge)] {
            let user = format!("alice-{transport}-{}", ua.transport().to_lowercase());
            let response = ua.registers_outbound(&user, 1);
            // Kamailio's, and the node's own deadline follows it.
            assert_eq!(response.header("Flow-Timer"), "20", "{response}");
            let path = response.header("Path");
            assert!(path.contains(";ob>") && path.contains('@'), "{response}");
            for caller in [kamailio.stranger(), Client::udp_to(kamailio.address)] {
                let arrived = caller.reaches(&user, &ua);
                assert_eq!(arrived.uri(), ua.contact_uri(&user));
                assert!(!arrived.has("Route"), "{arrived}");
            }
            // From one UA of the node to the other, by way of Kamailio.
            Client::tcp(&edge).reaches(&user, &ua);
        }
        assert_eq!(edge.metric("bindings"), 0, "they are Kamailio's");
    }
}

#[test]
fn kamailio_passes_calls_between_uas_of_the_node_in_both_directions() {
    let kamailio = Kamailio::start();
    for transport in ["udp", "tcp"] {
        let edge = kamailio.edge(transport);
        for (caller, ua) in [
            (Client::tcp(&edge), Client::tcp(&edge)),
            (Client::tcp(&edge), Client::udp(&edge)),
            (Client::udp(&edge), Client::tcp(&edge)),
        ] {
            ua.registers_outbound("bob", 1);
            let (mut at_caller, mut at_ua) = call(&caller, "bob", &ua);
            at_caller.asks("INVITE", &mut at_ua);
            at_ua.asks("INVITE", &mut at_caller);
            at_caller.asks("INFO", &mut at_ua);
            at_ua.asks("BYE", &mut at_caller);
            caller.expect_nothing();
            ua.expect_nothing();
        }
    }
}

#[test]
fn kamailio_takes_the_second_flow_when_the_node_answers_430_for_the_first() {
    let kamailio = Kamailio::start();
    for transport in ["udp", "tcp"] {
        let edge = kamailio.edge(transport);
        let (older, newer) = (Client::tcp(&edge), Client::tcp(&edge));
        older.registers_outbound("alice", 1);
        newer.registers_outbound("alice", 2);
        let caller = kamailio.stranger();
        caller.reaches("alice", &newer);
        drop(newer);
        wait_until("its end is seen", || edge.flows_closed("peer_closed") == 1);
        caller.reaches("alice", &older);
        older.ask(&older.register("alice").contact("*").with("Expires", "0")).expect_status(200);
    }
}

/// A node that registers with two Kamailios, over a flow to each, and a PBX behind it.
#[test]
fn kamailio_with_outbound_is_the_provider_of_a_node() {
    let addresses = [free_port(), free_port()];
    let mut kamailios = addresses.map(Kamailio::start_with_outbound);
    let [first, second] = addresses.map(|address| proxy("tcp", address));
    let node = Node::start(&format!(
        "[proxy]\nroutes = [\"+ = upstream:trunk\"]\n\
         [[upstream]]\nname = \"trunk\"\naor = \"sip:trunk@example.com\"\nproxies = [\"{first}\", \"{second}\"]\n\
         to = \"sip:pbx@example.com\"\nretry_max = \"2s\"\nretry_all_failed = \"200ms\"\nretry_some_up = \"400ms\"\n"
    ));
    let registered = || node.metric("upstream_flows{upstream=\"trunk\",state=\"registered\"}");
    let pongs = || node.metric("upstream_pongs_total{upstream=\"trunk\"}");
    let pbx = Client::tcp(&node);
    pbx.registers_outbound("pbx", 1);
    let is_reached = |kamailio: &Kamailio| {
        let caller = kamailio.stranger();
        caller.send(caller.message("trunk").to_bytes());
        let arrived = pbx.receive().expect_method("MESSAGE");
        pbx.send(arrived.answer(200, "OK"));
        caller.receive().expect_status(200);
    };
    wait_until("both flows are registered", || registered() == 2);
    for (ended, left) in [(0, 1), (1, 0)] {
        for kamailio in &kamailios {
            is_reached(kamailio);
            let caller = kamailio.stranger();
            let invite = caller.invite("trunk").set("Contact", format!("<{}>", caller.contact_uri("caller")));
            caller.send(invite.to_bytes());
            let arrived = pbx.receive().expect_method("INVITE");
            pbx.send(arrived.answer_in_dialog(200, "OK", "sip:pbx@192.0.2.77:5062"));
            let answered = caller.receive_final().expect_status(200);
            let mut at_caller = Dialog::of_caller(&caller, &invite, &answered);
            caller.send(at_caller.ack().to_bytes());
            pbx.receive().expect_method("ACK");
            let mut at_pbx = Dialog::of_callee(&pbx, &arrived);
            at_caller.asks("INFO", &mut at_pbx);
            at_pbx.asks("INFO", &mut at_caller);
            at_pbx.asks("BYE", &mut at_caller);
        }
        // A call of the PBX's own, to a UA of the provider.
        let carol = kamailios[0].stranger();
        carol.registers("+4989777");
        pbx.send(pbx.message("+4989777").set("From", "<sip:pbx@example.com>;tag=p").to_bytes());
        let arrived = carol.receive().expect_method("MESSAGE");
        carol.send(arrived.answer(200, "OK"));
        pbx.receive().expect_status(200);
        carol.ask(&carol.register("+4989777").contact("*").with("Expires", "0")).expect_status(200);

        let before = pongs();
        wait_until("both are answered", || pongs() >= before + 3);
        kamailios[ended].program.terminate();
        wait_until("the node knows", || registered() == 1);
        is_reached(&kamailios[left]);
        kamailios[ended] = Kamailio::start_with_outbound(addresses[ended]);
        wait_until("it is formed anew", || registered() == 2);
        let bindings = kamailios[ended].stranger().bindings("trunk");
        let reg_id = format!("reg-id={}", ended + 1);
        assert!(bindings.len() == 1 && bindings[0].contains(&reg_id), "{bindings:?}");
    }
    node.signal("-INT");
    for kamailio in &kamailios {
        wait_until("its binding is taken back", || kamailio.stranger().bindings("trunk").is_empty());
    }
}
