//! Which layer wins, and what each says of its faults.

use std::time::Duration;

use flowhold::config::{Faults, load};

use crate::{Files, environment, load_text};

#[test]
fn a_later_file_wins_and_leaves_the_other_keys() {
    let files = Files::new();
    let common = files.write("common.toml", "[node]\nid = \"common\"\ndomains = [\"a.org\", \"b.org\"]\n");
    let own = files.write("own.toml", "[node]\nid = \"own\"\n");
    let node = load(&[common, own], []).unwrap().config.node;
    assert_eq!(node.id, "own");
    assert_eq!(node.domains, ["a.org", "b.org"]);
}

#[test]
fn a_list_replaces_the_list_of_an_earlier_layer() {
    let files = Files::new();
    let longer = files.write("a.toml", "[listen]\ntcp = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n");
    let shorter = files.write("b.toml", "[listen]\ntcp = [\"127.0.0.1:3\"]\n");
    let listen = load(&[longer, shorter], []).unwrap().config.listen;
    assert_eq!(listen.tcp, ["127.0.0.1:3".parse().unwrap()]);
}

#[test]
fn the_environment_wins_over_files() {
    let loaded = load_text(
        "[outbound]\nflow_timer = \"90s\"\n",
        &[
            ("FLOWHOLD__OUTBOUND__FLOW_TIMER", "30s"),
            ("FLOWHOLD__NODE__DOMAINS", "a.org, b.org"),
            ("FLOWHOLD__NODE__WORKERS", "3"),
            ("FLOWHOLD__NODE__ID", "7"),
            ("FLOWHOLD__REGISTRAR__REQUIRE_OUTBOUND", "true"),
            ("FLOWHOLD__LISTEN__UDP", ""),
            ("FLOWHOLD_UNRELATED", "x"),
            ("PATH", "/bin"),
        ],
    );
    let config = loaded.unwrap().config;
    assert_eq!(config.outbound.flow_timer, Some(Duration::from_secs(30)));
    assert_eq!(config.node.domains, ["a.org", "b.org"]);
    assert_eq!(config.node.workers, 3);
    assert_eq!(config.node.id, "7", "a text that looks like a number");
    assert!(config.registrar.require_outbound);
    assert_eq!(config.listen.udp, [], "nothing is an empty list");
}

#[test]
fn a_fault_of_the_environment_names_the_variable() {
    let faults = load(
        &[],
        environment(&[
            ("FLOWHOLD__NODE__WORKERS", "many"),
            ("FLOWHOLD__NODE__NAME", "a"),
            ("FLOWHOLD__LIMITS__WRITE_QUEUE", "1MB"),
        ]),
    );
    assert_eq!(
        faults.unwrap_err().to_string(),
        "environment: FLOWHOLD__LIMITS__WRITE_QUEUE: `1MB` is not a size such as \"512B\", \"64KiB\" or \"1MiB\"\n\
         environment: FLOWHOLD__NODE__NAME: unknown key\n\
         environment: FLOWHOLD__NODE__WORKERS: a text where a whole number is wanted, such as 0"
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_a_fault() {
    use std::os::unix::ffi::OsStringExt;
    let value = std::ffi::OsString::from_vec(vec![0xff]);
    let Faults(faults) = load(&[], [("FLOWHOLD__NODE__ID".into(), value)]).unwrap_err();
    assert_eq!(faults[0].to_string(), "environment: FLOWHOLD__NODE__ID: is not UTF-8");
}

#[test]
fn every_fault_of_every_file_is_reported_under_its_file() {
    let files = Files::new();
    let first =
        files.write("first.toml", "[node]\nidd = \"a\"\nworkers = -1\n[registrar]\nmax_bindings = 0\n");
    let second = files
        .write("second.toml", "[outbound]\nflow_timer = \"soon\"\n[telephony]\ncertificate = \"a.pem\"\n");
    let missing = files.0.path().join("missing.toml");
    let report = load(&[first, second, missing], []).unwrap_err().to_string();
    let directory = format!("{}/", files.0.path().display());
    let lines: Vec<&str> = report.lines().map(|line| line.strip_prefix(&directory).unwrap()).collect();
    assert_eq!(
        lines,
        [
            "first.toml: node.idd: unknown key, did you mean node.id?",
            "first.toml: node.workers: -1 is below 0",
            "second.toml: outbound.flow_timer: `soon` is not a duration such as \"500ms\", \"120s\" or \"1h\"",
            "second.toml: telephony.certificate: unknown key",
            "missing.toml: cannot be read: No such file or directory (os error 2)",
            "first.toml: registrar.max_bindings: 0: no UA could register",
        ]
    );
}

#[test]
fn what_is_not_toml_is_a_fault_of_the_whole_file_with_its_line() {
    let Faults(faults) = load_text("[node]\nid = \n", &[]).unwrap_err();
    assert_eq!((faults.len(), faults[0].key.as_str()), (1, ""));
    assert!(faults[0].reason.contains("line 2"), "{}", faults[0]);
    assert!(!faults[0].reason.contains('\n'), "{}", faults[0]);
}

#[test]
fn a_rule_between_keys_is_blamed_on_the_layer_that_broke_it() {
    let files = Files::new();
    let first = files.write("first.toml", "[registrar]\nmin_expires = \"10m\"\n");
    let second = files.write("second.toml", "[registrar]\nmax_expires = \"5m\"\ndefault_expires = \"5m\"\n");
    let Faults(faults) = load(&[first, second.clone()], []).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].file, second.display().to_string());
    assert_eq!(faults[0].key, "registrar.max_expires");
}

#[test]
fn a_rule_that_reads_a_faulty_key_says_nothing() {
    let Faults(faults) = load_text(
        "[registrar]\nmin_expires = \"2h\"\nmax_expires = \"three hours\"\ndefault_expires = \"2h\"\n",
        &[],
    )
    .unwrap_err();
    assert_eq!(faults.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(), ["registrar.max_expires"]);
}
