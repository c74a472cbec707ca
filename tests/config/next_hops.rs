//! Where requests may go besides to UAs: the registrar behind an edge proxy, and routes.

use flowhold::config::{Matcher, NextHop, NextHopTransport, Route, RouteTo};

use crate::{faults_of, load_text};

fn next_hop(host: &str, port: u16, transport: NextHopTransport) -> NextHop {
    NextHop { host: host.to_owned(), port, transport }
}

#[test]
fn a_registrar_is_a_sip_uri_over_udp_tcp_or_tls() {
    let registrar = |written: &str| {
        load_text(&format!("[proxy]\nregistrar = \"{written}\"\n"), &[]).unwrap().config.proxy.registrar
    };
    assert_eq!(registrar(""), None);
    assert_eq!(registrar("sip:10.0.0.5"), Some(next_hop("10.0.0.5", 5060, NextHopTransport::Udp)));
    assert_eq!(
        registrar("sip:Registrar.example.com:5070;transport=TCP"),
        Some(next_hop("registrar.example.com", 5070, NextHopTransport::Tcp))
    );
    assert_eq!(registrar("sip:[2001:db8::5]"), Some(next_hop("[2001:db8::5]", 5060, NextHopTransport::Udp)));
    for (written, port) in [
        ("sip:registrar.example.com;transport=tls", 5061),
        ("sips:registrar.example.com", 5061),
        ("sips:registrar.example.com:5070;transport=tcp", 5070),
    ] {
        let text = format!(
            "[listen]\ntls = [\"127.0.0.1:0\"]\n[tls]\ncertificate = \"a\"\nprivate_key = \"b\"\n\
             [proxy]\nregistrar = \"{written}\"\n"
        );
        let found = load_text(&text, &[]).unwrap().config.proxy.registrar;
        assert_eq!(found, Some(next_hop("registrar.example.com", port, NextHopTransport::Tls)), "{written}");
    }
    for wrong in [
        "10.0.0.5",
        "sips:10.0.0.5;transport=udp",
        "tel:+49",
        "sip:",
        "sip:a:0",
        "sip:a:b",
        "sip:u@a",
        "sip:a;transport=wss",
        "sip:a;lr",
    ] {
        assert_eq!(
            faults_of(&format!("[proxy]\nregistrar = \"{wrong}\"\n")),
            [format!(
                "proxy.registrar: `{wrong}` is not a next hop such as \"sip:192.0.2.7\", \
                 \"sip:host.example.com:5070;transport=tcp\" or \"sips:host.example.com\""
            )]
        );
    }
}

#[test]
fn a_route_is_for_a_domain_or_for_numbers() {
    let text = "[proxy]\nroutes = [\"Example.NET = sip:192.0.2.7\", \"+49=sip:gateway;transport=tcp\"]\n";
    assert_eq!(
        load_text(text, &[]).unwrap().config.proxy.routes,
        [
            Route {
                matcher: Matcher::Domain("example.net".to_owned()),
                to: RouteTo::NextHop(next_hop("192.0.2.7", 5060, NextHopTransport::Udp))
            },
            Route {
                matcher: Matcher::Prefix("+49".to_owned()),
                to: RouteTo::NextHop(next_hop("gateway", 5060, NextHopTransport::Tcp))
            },
        ]
    );
    for wrong in ["example.net", "+4x = sip:a", "*.net = sip:a", " = sip:a"] {
        let faults = faults_of(&format!("[proxy]\nroutes = [\"{wrong}\"]\n"));
        assert!(
            faults[0].starts_with(&format!("proxy.routes: `{wrong}` is not a route such as ")),
            "{faults:?}"
        );
    }
}

#[test]
fn an_edge_proxy_has_no_routes_of_its_own() {
    let text = "[proxy]\nregistrar = \"sip:10.0.0.5\"\nroutes = [\"+ = sip:10.0.0.6\"]\n";
    assert_eq!(
        faults_of(text),
        [
            "proxy.routes: an edge proxy sends everything to its registrar, which knows who is registered: route there"
        ]
    );
}

#[test]
fn a_next_hop_needs_a_listener_of_its_transport() {
    let over = |transport: &str, listener: &str| {
        faults_of(&format!(
            "[listen]\n{listener} = []\n[proxy]\nregistrar = \"sip:10.0.0.5;transport={transport}\"\n"
        ))
    };
    assert!(
        over("udp", "udp")[0]
            .ends_with("a next hop over UDP needs a UDP listener, which its requests come back to")
    );
    assert!(
        over("tcp", "tcp")[0]
            .ends_with("a next hop over TCP needs a TCP listener, which its requests come back to")
    );
}
