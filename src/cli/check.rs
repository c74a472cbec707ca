//! `flowhold check`: what is wrong with a configuration, or what a node would do with it.

use std::io::stdout;
use std::process::ExitCode;
use std::time::SystemTime;

use flowhold::actor::auth::algorithms;
use flowhold::actor::auth::user_file::UserFile;
use flowhold::actor::cluster::join;
use flowhold::actor::expiry::ends_soon;
use flowhold::actor::tls::{Tls, connector};
use flowhold::config::{AuthMode, Config, Fault, Loaded, UserStore};
use flowhold::net::tls;

use super::{ConfigurationFiles, WRONG, say};

pub(crate) const EXAMPLES: &str = "\
Examples:
  Before a restart:
      flowhold check --config /etc/flowhold.toml && systemctl restart flowhold
  The defaults with one key changed by the environment:
      FLOWHOLD__OUTBOUND__FLOW_TIMER=60s flowhold check";

pub(crate) fn run(layers: &ConfigurationFiles) -> ExitCode {
    match layers.read() {
        Ok(Loaded { config, warnings }) => {
            for Fault { file, key, reason } in warnings {
                say(&mut stdout(), &format!("{file}: {key}: warning: {reason}"));
            }
            if let Err(fault) = certificates(&config) {
                say(&mut stdout(), &fault);
                return ExitCode::from(WRONG);
            }
            if let Err(fault) = join::redis_of(&config) {
                say(&mut stdout(), &fault.to_string());
                return ExitCode::from(WRONG);
            }
            let auth = &config.auth;
            if auth.mode == Some(AuthMode::Digest)
                && auth.store == UserStore::File
                && let Err(fault) = UserFile::open(&auth.users, algorithms(&auth.algorithms))
            {
                say(&mut stdout(), &format!("auth.users: {fault}"));
                return ExitCode::from(WRONG);
            }
            say(&mut stdout(), &summary(&config));
            ExitCode::SUCCESS
        }
        Err(faults) => {
            say(&mut stdout(), &faults.to_string());
            ExitCode::from(WRONG)
        }
    }
}

/// Whether the certificates are of use, and for how long.
fn certificates(config: &Config) -> Result<(), String> {
    let tls = |fault: tls::Fault| format!("tls: {fault}");
    let links = join::certificates(&config.cluster).map_err(|fault| format!("cluster: {fault}"))?;
    let listeners = Tls::read(config).map_err(tls)?.map(|tls| tls.acceptor.shown());
    let dialing = connector(config).map_err(tls)?;
    let links = links.and_then(|links| links.shown()).map(|shown| ("cluster", shown));
    let listeners = listeners.unwrap_or_default().into_iter().map(|shown| ("tls", shown));
    let dialing = dialing.and_then(|connector| connector.shown()).map(|shown| ("tls", shown));
    let mut said = Vec::new();
    for (section, shown) in links.into_iter().chain(listeners).chain(dialing) {
        if let Some(end) = ends_soon(&shown, SystemTime::now()) {
            let line = format!("{section}: {}: warning: {end}", shown.file.display());
            if !said.contains(&line) {
                say(&mut stdout(), &line);
                said.push(line);
            }
        }
    }
    Ok(())
}

/// What a node would do, in a line.
fn summary(config: &Config) -> String {
    let sip = config.listen.each();
    let sip = sip.map(|(transport, _, listener)| format!("{} {}", transport.as_uri_str(), listener.address));
    let cluster = config.cluster.listen.iter().map(|address| format!("cluster {address}"));
    let listeners: Vec<String> = sip.chain(cluster).collect();
    format!(
        "good: node {} for {}, on {}",
        config.node.id,
        config.node.domains.join(", "),
        listeners.join(", ")
    )
}
