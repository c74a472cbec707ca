//! Kamailio, a registrar of another vendor, with Flowhold as its edge proxy: RFC 5626 §5 and RFC 3327 between two programs
//! that were not made for each other.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use crate::program::{Program, free_port};
use crate::support::{Client, Node, call, wait_until};

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
        let address = free_port();
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("kamailio.cfg");
        fs::write(&config, CONFIG.replace("PORT", &address.port().to_string())).unwrap();
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
