//! The rules between keys.

use crate::{faults_of, load_text, warnings_of};

/// Each text has exactly this fault.
#[track_caller]
fn assert_fault(text: &str, fault: &str) {
    assert_eq!(faults_of(text), [fault], "{text}");
}

#[test]
fn a_node_has_a_name_and_a_domain() {
    assert_fault(
        "[node]\nid = \"node a\"\n",
        "node.id: `node a` is not a name of 1 to 63 letters, digits, \"-\", \"_\" and \".\" (\"\" is the host name)",
    );
    assert_fault(
        "[node]\ndomains = []\n",
        "node.domains: is empty: every address-of-record would be answered 404",
    );
    assert_fault("[node]\nworkers = 1025\n", "node.workers: 1025 is more than the 1024 there can be");
}

#[test]
fn a_node_has_a_listener_and_each_once() {
    assert_fault(
        "[listen]\nudp = []\ntcp = []\n",
        "listen.udp: no listener at all: nobody could reach this node",
    );
    assert_fault(
        "[listen]\ntcp = [\"127.0.0.1:5060\", \"127.0.0.1:5061\", \"127.0.0.1:5060\"]\n",
        "listen.tcp: 127.0.0.1:5060 stands there twice",
    );
    assert_fault(
        "[listen]\nudp = [\"[::1]:5060\", \"[::1]:5060\"]\n",
        "listen.udp: [::1]:5060 stands there twice",
    );
    assert_fault(
        "[admin]\nlisten = \"127.0.0.1:5060\"\n",
        "admin.listen: 127.0.0.1:5060 is a TCP listener for SIP as well",
    );
    assert!(load_text("[listen]\ntcp = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\n", &[]).is_ok(), "two free ports");
}

#[test]
fn a_listener_on_all_addresses_says_what_via_carries() {
    let warnings = warnings_of("[auth]\nmode = \"none\"\n[listen]\ntcp = [\"0.0.0.0:5060\"]\n");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("listen.tcp: Via and Path will carry "), "{warnings:?}");
    assert!(!warnings[0].contains("carry 0.0.0.0"), "{warnings:?}");
    let told =
        "[auth]\nmode = \"none\"\n[listen]\ntcp = [\"0.0.0.0:5060\"]\nadvertise = \"sip.example.com\"\n";
    assert_eq!(warnings_of(told), [""; 0]);
}

#[test]
fn pages_that_may_open_a_websocket_are_named_by_their_origins() {
    let listens = |rest: &str| format!("[auth]\nmode = \"none\"\n[listen]\nws = [\"192.0.2.1:80\"]\n{rest}");
    assert_eq!(
        warnings_of(&listens("")),
        [
            "listen.ws: without websocket.origins, whatever page somebody looks at may speak to 192.0.2.1:80 from their browser"
        ]
    );
    for origins in ["\"https://phone.example.com\"", "\"http://localhost:8080\", \"null\""] {
        assert_eq!(warnings_of(&listens(&format!("[websocket]\norigins = [{origins}]\n"))), [""; 0]);
    }
    assert_eq!(warnings_of("[auth]\nmode = \"none\"\n[listen]\nws = [\"127.0.0.1:8080\"]\n"), [""; 0]);
    for (origin, given) in [("phone.example.com", "no scheme"), ("https://phone.example.com/", "a path")] {
        let faults = faults_of(&format!("[websocket]\norigins = [\"{origin}\"]\n"));
        assert_eq!(faults.len(), 1, "{given}: {faults:?}");
        assert!(faults[0].contains("is no origin"), "{faults:?}");
    }
}

#[test]
fn a_websocket_is_asked_for_in_a_request_that_browsers_can_write() {
    assert_fault(
        "[websocket]\nmax_request = \"512B\"\n",
        "websocket.max_request: below 1KiB: the requests of browsers are longer than that",
    );
    let faults = faults_of("[websocket]\npath = \"ws?a=b\"\n");
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("is no path"), "{faults:?}");
}

#[test]
fn load_balancers_are_addresses_or_networks_and_not_everybody() {
    let text = "[auth]\nmode = \"none\"\n[listen]\nproxy_protocol_from = [\"192.0.2.1\", \"10.0.0.0/8\", \"fd00::/8\"]\n";
    let listen = load_text(text, &[]).unwrap().config.listen;
    for balancer in ["192.0.2.1", "10.1.2.3", "fd00::1"] {
        assert!(listen.is_load_balancer(balancer.parse().unwrap()), "{balancer}");
    }
    for other in ["192.0.2.2", "11.0.0.1", "127.0.0.1", "fe80::1"] {
        assert!(!listen.is_load_balancer(other.parse().unwrap()), "{other}");
    }
    assert_fault(
        "[listen]\nproxy_protocol_from = [\"lb.example.com\"]\n",
        "listen.proxy_protocol_from: `lb.example.com` is not an address or a network such as \"192.0.2.1\", \"10.0.0.0/8\" or \"fd00::/8\"",
    );
    for (text, warning) in [
        ("proxy_protocol_from = [\"0.0.0.0/0\"]", "0.0.0.0/0 lets anybody say which address it comes from"),
        (
            "proxy_protocol_from = [\"::1\"]\ntcp = []",
            "without a TCP listener nobody sends a PROXY protocol header",
        ),
    ] {
        let warnings = warnings_of(&format!("[auth]\nmode = \"none\"\n[listen]\n{text}\n"));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with(&format!("listen.proxy_protocol_from: {warning}")), "{warnings:?}");
    }
}

#[test]
fn tls_takes_a_certificate_with_its_key_and_a_ca_to_judge_clients_by() {
    assert_fault(
        "[listen]\ntls = [\"127.0.0.1:5061\"]\n",
        "listen.tls: a listener with TLS takes tls.certificate and tls.private_key",
    );
    assert_fault(
        "[tls]\ncertificate = \"a.pem\"\n",
        "tls.certificate: a certificate and its private key go together: one of them is missing",
    );
    assert_fault(
        "[tls]\nfurther = [\"b.pem = b.key\"]\n",
        "tls.further: there is no first one: set tls.certificate, which is shown to who asks for no name of the others",
    );
    assert_fault(
        "[tls]\nfurther = [\"b.pem\"]\n",
        "tls.further: `b.pem` is not a certificate and its key such as \"other.pem = other.key\"",
    );
    assert_fault(
        "[tls]\nclient_certificates = \"required\"\n",
        "tls.client_certificates: which certificates count is not said: set tls.client_ca",
    );
    assert_eq!(
        warnings_of("[tls]\nclient_ca = \"ca.pem\"\n"),
        ["tls.client_ca: no client is asked for a certificate: set tls.client_certificates"]
    );
    assert_fault(
        "[limits]\ntls_handshake_timeout = \"0s\"\n",
        "limits.tls_handshake_timeout: 0s: no handshake would be done in time",
    );
}

#[test]
fn an_admin_listener_beyond_loopback_is_a_warning() {
    assert_eq!(
        warnings_of("[admin]\nlisten = \"192.0.2.1:8060\"\n"),
        [
            "admin.listen: 192.0.2.1:8060 is not loopback: whoever can reach it reads the metrics, there is no password"
        ]
    );
    assert_eq!(warnings_of("[admin]\nlisten = \"[::1]:8060\"\n"), [""; 0]);
}

#[test]
fn s5_4_a_wait_that_is_not_longer_than_flow_timer_is_a_warning() {
    let lost = "a UA that keeps to the Flow-Timer loses its flow";
    assert_eq!(
        warnings_of("[outbound]\nping_timeout = \"25s\"\n"),
        [
            format!("outbound.ping_timeout: 25s is not longer than the Flow-Timer of 2m: {lost}"),
            format!("outbound.ping_timeout: 25s is not longer than the Flow-Timer of 25s: {lost}"),
        ]
    );
    assert_eq!(warnings_of("[outbound]\nping_timeout = \"121s\"\n"), [""; 0]);
    assert_eq!(warnings_of("[outbound]\nping_timeout = \"0s\"\n"), [""; 0]);
    assert_eq!(warnings_of("[outbound]\ngrace = \"0s\"\n").len(), 1);
}

#[test]
fn expires_are_in_order() {
    assert_fault(
        "[registrar]\nmin_expires = \"2h\"\n",
        "registrar.min_expires: min_expires of 2h is above max_expires of 1h",
    );
    assert_fault(
        "[registrar]\ndefault_expires = \"30s\"\n",
        "registrar.default_expires: default_expires of 30s is below min_expires of 1m",
    );
    assert_fault(
        "[registrar]\nmax_expires = \"10m\"\n",
        "registrar.max_expires: default_expires of 1h is above max_expires of 10m",
    );
    assert_fault(
        "[registrar]\nmin_expires = \"0s\"\n",
        "registrar.min_expires: 0s: an Expires of 0 removes a binding, the least time is 1s",
    );
    assert_fault("[registrar]\nmax_bindings = 0\n", "registrar.max_bindings: 0: no UA could register");
}

#[test]
fn s10_3_a_min_expires_above_an_hour_is_a_warning() {
    let text = "[registrar]\nmin_expires = \"2h\"\nmax_expires = \"3h\"\ndefault_expires = \"3h\"\n";
    assert!(warnings_of(text)[0].starts_with("registrar.min_expires: above 1h"));
}

#[test]
fn timers_are_in_order() {
    assert_fault("[proxy]\nt1 = \"0s\"\n", "proxy.t1: 0s: a request would be repeated without end");
    assert_fault(
        "[proxy]\nt1 = \"5s\"\n",
        "proxy.t1: t2 is below t1: it is the longest interval, and t1 the first",
    );
    assert_fault("[proxy]\ntimer_c = \"0s\"\n", "proxy.timer_c: 0s: every INVITE would end before it rings");
    assert!(
        warnings_of("[proxy]\ntimer_c = \"3m\"\n")[0].starts_with("proxy.timer_c: three minutes or less")
    );
    assert_eq!(warnings_of("[proxy]\ntimer_c = \"181s\"\n"), [""; 0]);
}

#[test]
fn a_flow_is_given_some_time_before_the_next_is_tried() {
    assert_fault(
        "[proxy]\nflow_timeout = \"0s\"\n",
        "proxy.flow_timeout: 0s: every request would go out over all flows of a UA at once",
    );
    assert_eq!(warnings_of("[proxy]\nflow_timeout = \"500ms\"\n"), [""; 0]);
}

#[test]
fn a_limit_lets_something_through() {
    for key in
        ["max_connections", "connection_mailbox", "socket_mailbox", "registrar_mailbox", "proxy_mailbox"]
    {
        assert_fault(
            &format!("[limits]\n{key} = 0\n"),
            &format!("limits.{key}: 0: nothing would get through, the least is 1"),
        );
    }
    assert_fault(
        "[location]\nmax_aors = 0\n",
        "location.max_aors: 0: nothing would get through, the least is 1",
    );
    assert_fault(
        "[proxy]\nmax_transactions = 0\n",
        "proxy.max_transactions: 0: every request would be answered 503",
    );
    assert_fault(
        "[limits]\nheader_timeout = \"0s\"\n",
        "limits.header_timeout: 0s: every message that takes two reads would close its flow",
    );
    assert_fault(
        "[limits]\nmax_message = \"512B\"\n",
        "limits.max_message: below 1KiB: plain requests are longer than that",
    );
    assert!(load_text("[limits]\nmax_connections_per_address = 0\n", &[]).is_ok(), "there 0 is no limit");
}

#[test]
fn s18_1_1_a_max_message_below_a_datagram_is_a_warning() {
    assert!(
        warnings_of("[limits]\nmax_message = \"8KiB\"\n")[0]
            .starts_with("limits.max_message: below the 65,535")
    );
}

#[test]
fn a_write_queue_below_max_message_is_a_warning() {
    assert!(
        warnings_of("[limits]\nwrite_queue = \"8KiB\"\n")[0]
            .starts_with("limits.write_queue: write_queue is below")
    );
}

#[test]
fn a_log_filter_parses() {
    let faults = faults_of("[log]\nfilter = \"info,flowhold=loud\"\n");
    assert!(faults[0].starts_with("log.filter: `info,flowhold=loud` is no log filter: "), "{faults:?}");
    assert!(load_text("[log]\nfilter = \"info,flowhold::actor=debug\"\n", &[]).is_ok());
}
