//! How values are written, and what is said of one that is not written so.

use std::time::Duration;

use flowhold::config::{LogFormat, PingTimeout, Profile, Store};

use crate::{faults_of, load_text};

#[test]
fn durations_have_a_unit() {
    assert_eq!(
        faults_of("[outbound]\ngrace = \"1\"\n"),
        ["outbound.grace: `1` is not a duration such as \"500ms\", \"120s\" or \"1h\""]
    );
    assert_eq!(
        faults_of("[outbound]\ngrace = 1\n"),
        ["outbound.grace: a whole number where a text is wanted, such as \"1s\""]
    );
    let config =
        load_text("[proxy]\nt1 = \"250ms\"\n[location]\nremember = \"1h 30m\"\n", &[]).unwrap().config;
    assert_eq!(config.proxy.t1, Duration::from_millis(250));
    assert_eq!(config.location.remember, Duration::from_secs(5400));
}

#[test]
fn what_a_header_field_carries_is_in_whole_seconds() {
    assert_eq!(
        faults_of("[outbound]\nflow_timer = \"1500ms\"\nflow_timer_udp = \"500ms\"\n"),
        [
            "outbound.flow_timer: `1500ms` is not in whole seconds, and SIP has no way to say less",
            "outbound.flow_timer_udp: `500ms` is not in whole seconds, and SIP has no way to say less",
        ]
    );
    assert_eq!(
        faults_of("[registrar]\nmax_expires = \"200years\"\n"),
        ["registrar.max_expires: `200years` is more than the 4294967295 seconds that SIP can say"]
    );
}

#[test]
fn a_flow_timer_of_0s_is_none() {
    let text = "[outbound]\nflow_timer = \"0s\"\nflow_timer_udp = \"0s\"\n";
    let outbound = load_text(text, &[]).unwrap().config.outbound;
    assert_eq!((outbound.flow_timer, outbound.flow_timer_udp), (None, None));
}

#[test]
fn ping_timeout_is_auto_never_or_a_wait() {
    let written = |text: &str| {
        let text = format!("[outbound]\nping_timeout = \"{text}\"\n");
        load_text(&text, &[]).unwrap().config.outbound.ping_timeout
    };
    assert_eq!(written("auto"), PingTimeout::Auto);
    assert_eq!(written("0s"), PingTimeout::Never);
    assert_eq!(written("5m"), PingTimeout::After(Duration::from_secs(300)));
    assert_eq!(
        faults_of("[outbound]\nping_timeout = \"never\"\n"),
        [
            "outbound.ping_timeout: `never` is not a duration such as \"500ms\", \"120s\" or \"1h\", or \"auto\""
        ]
    );
}

#[test]
fn sizes_have_a_binary_unit() {
    let size = |written: &str| {
        let text = format!("[limits]\nmax_message = \"{written}\"\nwrite_queue = \"4GiB\"\n");
        load_text(&text, &[]).map(|loaded| loaded.config.limits.max_message)
    };
    assert_eq!(size("2048B"), Ok(2048));
    assert_eq!(size("128KiB"), Ok(128 << 10));
    assert_eq!(size("2 MiB"), Ok(2 << 20));
    for wrong in ["64", "64KB", "KiB", "-1KiB", "1.5MiB", "99999999999999999999B", "18446744073709551615GiB"]
    {
        let faults = size(wrong).unwrap_err().0;
        assert_eq!(
            faults[0].reason,
            format!("`{wrong}` is not a size such as \"512B\", \"64KiB\" or \"1MiB\"")
        );
    }
}

#[test]
fn a_listener_is_an_address_and_a_port() {
    let listen =
        load_text("[listen]\nudp = [\"[::1]:5060\"]\ntcp = [\"127.0.0.1:0\"]\n", &[]).unwrap().config.listen;
    assert!(listen.udp[0].address.is_ipv6());
    for wrong in ["localhost:5060", "127.0.0.1", ":5060", "::1:5060", "127.0.0.1:65536"] {
        assert_eq!(
            faults_of(&format!("[listen]\ntcp = [\"127.0.0.1:5060\", \"{wrong}\"]\n")),
            [format!(
                "listen.tcp: `{wrong}` is not IP:PORT such as \"127.0.0.1:5060\", \"0.0.0.0:5060\" or \"[::1]:5060\""
            )]
        );
    }
    assert_eq!(
        faults_of("[listen]\ntcp = \"127.0.0.1:5060\"\nudp = [5060]\n"),
        [
            "listen.tcp: a text where a list is wanted, such as [\"127.0.0.1:5060\"]",
            "listen.udp: a whole number in a list of texts, such as [\"127.0.0.1:5060\"]",
        ]
    );
}

#[test]
fn a_domain_is_a_host_without_a_port() {
    let text = "[node]\ndomains = [\"Example.COM\", \"192.0.2.1\", \"[2001:db8::1]\"]\n";
    let node = load_text(text, &[]).unwrap().config.node;
    assert_eq!(node.domains, ["example.com", "192.0.2.1", "[2001:db8::1]"]);
    assert_eq!(
        faults_of("[node]\ndomains = [\"example.com:5060\"]\n"),
        ["node.domains: `example.com:5060` has a port, and a domain has none"]
    );
    for wrong in ["", "sip:example.com", "a..b", "alice@example.com", "*.example.com", "2001:db8::1", "a b"] {
        let faults = faults_of(&format!("[node]\ndomains = [\"{wrong}\"]\n"));
        assert!(faults[0].starts_with(&format!("node.domains: `{wrong}`")), "{faults:?}");
    }
}

#[test]
fn advertise_is_a_host_with_or_without_a_port() {
    let sent_by = |advertise: &str| {
        let text = format!("[listen]\nadvertise = \"{advertise}\"\n");
        load_text(&text, &[]).unwrap().config.listen.sent_by("10.0.0.5:5080".parse().unwrap())
    };
    assert_eq!(sent_by(""), "10.0.0.5:5080");
    assert_eq!(sent_by("sip.example.com"), "sip.example.com:5080");
    assert_eq!(sent_by("192.0.2.1:5060"), "192.0.2.1:5060");
    assert_eq!(sent_by("[2001:db8::1]"), "[2001:db8::1]:5080");
    assert_eq!(sent_by("[2001:db8::1]:5070"), "[2001:db8::1]:5070");
    for wrong in ["sip.example.com:0", "sip.example.com:sip", "a b", "<a>", "sip:a", "host:"] {
        let faults = faults_of(&format!("[listen]\nadvertise = \"{wrong}\"\n"));
        assert!(faults[0].starts_with("listen.advertise: "), "{faults:?}");
    }
}

#[test]
fn a_listener_may_follow_another_profile_than_the_node() {
    let text = "[listen]\nudp = [\"127.0.0.1:0\", \"127.0.0.1:0;profile=draft03\"]\n\
                tcp = [\"[::1]:5061;profile=rfc5626\"]\n[outbound]\nprofile = \"draft03\"\n";
    let config = load_text(text, &[]).unwrap().config;
    assert_eq!(config.outbound.profile, Profile::Draft03);
    let profiles: Vec<_> =
        config.listen.udp.iter().chain(&config.listen.tcp).map(|listener| listener.profile).collect();
    assert_eq!(profiles, [None, Some(Profile::Draft03), Some(Profile::Rfc5626)]);
    assert_eq!(
        faults_of("[listen]\ntcp = [\"127.0.0.1:5060;profile=rfc3261\"]\nudp = [\"x;profile=draft03\"]\n"),
        [
            "listen.tcp: `127.0.0.1:5060;profile=rfc3261`: there is no profile `rfc3261`, but rfc5626 and draft03",
            "listen.udp: `x` is not IP:PORT such as \"127.0.0.1:5060\", \"0.0.0.0:5060\" or \"[::1]:5060\"",
        ]
    );
}

#[test]
fn a_choice_of_a_later_version_is_refused_with_what_there_is() {
    let config =
        load_text("[location]\nstore = \"memory\"\n[outbound]\nprofile = \"rfc5626\"\n", &[]).unwrap().config;
    assert_eq!((config.location.store, config.outbound.profile), (Store::Memory, Profile::Rfc5626));
    assert_eq!(
        faults_of(
            "[location]\nstore = \"etcd\"\n[outbound]\nprofile = \"draft04\"\n[log]\nformat = \"xml\"\n"
        ),
        [
            "location.store: `etcd` is not among what this version has: \"memory\", \"redis\"",
            "log.format: `xml` is not among what this version has: \"text\", \"json\"",
            "outbound.profile: `draft04` is not among what this version has: \"rfc5626\", \"draft03\"",
        ]
    );
    assert_eq!(load_text("[log]\nformat = \"json\"\n", &[]).unwrap().config.log.format, LogFormat::Json);
}

#[test]
fn a_section_is_a_section_and_a_key_is_a_key() {
    assert_eq!(faults_of("node = \"a\"\n"), ["node: is a section: write [node] and its keys below"]);
    assert_eq!(faults_of("[node.id]\n"), ["node.id: a section where a text is wanted, such as \"\""]);
    assert_eq!(faults_of("[node.id]\nname = \"a\"\n"), ["node.id.name: unknown key"]);
    assert_eq!(faults_of("[telephony]\n"), ["telephony: unknown key"]);
}
