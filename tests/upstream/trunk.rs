//! The parts that the tests are played by.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::support::{Client, Node, wait_until};

/// What the provider calls the node's AOR, and the URI that people call.
pub(crate) const NUMBER: &str = "sip:+4930123@provider.example";

/// Waits that a test can wait for.
const WAITS: &str = "retry_max = \"2s\"\nretry_all_failed = \"200ms\"\nretry_some_up = \"400ms\"\n";

/// An address that is free over UDP and TCP, for a node that is started there twice.
pub(crate) fn free_address() -> SocketAddr {
    let free = std::iter::repeat_with(|| {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        UdpSocket::bind(address).map(|_| address)
    });
    free.flatten().next().unwrap()
}

/// One of the provider's edge proxies, which is its registrar as well.
pub(crate) fn provider_at(address: SocketAddr) -> Node {
    Node::start(&format!(
        "[node]\nid = \"provider\"\ndomains = [\"provider.example\"]\n\
         [listen]\nudp = [\"{address}\"]\ntcp = [\"{address}\"]\n[outbound]\nflow_timer = \"1s\"\nflow_timer_udp = \"1s\"\n"
    ))
}

/// A table for an upstream with these proxies, and routes to it.
pub(crate) fn table(proxies: &[SocketAddr], more: &str) -> String {
    let proxies: Vec<String> = proxies.iter().map(|at| format!("\"sip:{at};transport=tcp\"")).collect();
    format!(
        "[proxy]\nroutes = [\"provider.example = upstream:trunk\", \"+ = upstream:trunk\"]\n\
         [[upstream]]\nname = \"trunk\"\naor = \"{NUMBER}\"\nto = \"sip:pbx@example.com\"\nproxies = [{}]\n{WAITS}{more}\n",
        proxies.join(", ")
    )
}

/// How many flows to the provider are in that state.
pub(crate) fn flows(node: &Node, state: &str) -> u64 {
    node.metric(&format!("upstream_flows{{upstream=\"trunk\",state=\"{state}\"}}"))
}

/// How often a flow has failed for that reason.
pub(crate) fn failures(node: &Node, reason: &str) -> u64 {
    let name = format!("flowhold_upstream_failures_total{{upstream=\"trunk\",reason=\"{reason}\"}} ");
    let text = node.metrics();
    text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

/// A provider with two edge proxies, a node that is registered with both, and a PBX that is registered at the node.
pub(crate) struct Trunk {
    transport: &'static str,
    pub(crate) addresses: [SocketAddr; 2],
    pub(crate) providers: [Node; 2],
    pub(crate) node: Node,
    pub(crate) pbx: Client,
}

impl Trunk {
    #[track_caller]
    pub(crate) fn up() -> Self {
        Self::over("tcp")
    }

    #[track_caller]
    pub(crate) fn over(transport: &'static str) -> Self {
        Self::with(transport, "")
    }

    /// With more in the configuration of the node.
    #[track_caller]
    pub(crate) fn with(transport: &'static str, more: &str) -> Self {
        let addresses = [free_address(), free_address()];
        let providers = addresses.map(provider_at);
        let node = Self::node(&addresses, transport, more);
        let pbx = Client::tcp(&node);
        pbx.registers_outbound("pbx", 1);
        let trunk = Self { transport, addresses, providers, node, pbx };
        trunk.becomes_registered(2);
        trunk
    }

    fn node(addresses: &[SocketAddr], transport: &str, more: &str) -> Node {
        Node::start(&table(addresses, more).replace("=tcp", &format!("={transport}")))
    }

    /// The node is killed and starts again.
    #[track_caller]
    pub(crate) fn starts_again(&mut self) {
        self.node.kill();
        self.node = Self::node(&self.addresses, self.transport, "");
        self.becomes_registered(2);
    }

    #[track_caller]
    pub(crate) fn becomes_registered(&self, count: u64) {
        wait_until("the flows are registered", || flows(&self.node, "registered") == count);
    }

    /// Somebody at one of the edge proxies, whose messages and calls are for the number.
    pub(crate) fn caller(&self, at: usize) -> Client {
        Client::tcp(&self.providers[at])
    }

    /// A message to the number, through that edge proxy, arrives at the PBX.
    #[track_caller]
    pub(crate) fn is_reached_through(&self, at: usize) {
        let caller = self.caller(at);
        caller.send(caller.request("MESSAGE", NUMBER).to_bytes());
        let arrived = self.pbx.receive().expect_method("MESSAGE");
        assert_eq!(arrived.header("To"), format!("<{NUMBER}>"), "the PBX sees who was called");
        assert_eq!(arrived.uri(), self.pbx.contact_uri("pbx"));
        self.pbx.send(arrived.answer(200, "OK"));
        caller.receive().expect_status(200);
    }
}

/// Registers a UA of the provider's own.
#[track_caller]
pub(crate) fn registers_at_provider(ua: &Client, user: &str) {
    let aor = format!("<sip:{user}@provider.example>");
    let register = ua.request("REGISTER", "sip:provider.example");
    let register = register.set("From", format!("{aor};tag=f")).set("To", aor);
    ua.ask(&register.contact(format!("<{}>", ua.contact_uri(user)))).expect_status(200);
}

/// What the provider has for the number.
#[track_caller]
pub(crate) fn bindings_of_number(provider: &Node) -> Vec<String> {
    let client = Client::tcp(provider);
    let query = client.request("REGISTER", "sip:provider.example").set("To", format!("<{NUMBER}>"));
    let response = client.ask(&query).expect_status(200);
    response.contacts().into_iter().map(str::to_owned).collect()
}
