//! `flowhold check`: what is wrong with a configuration, or what a node would do with it.

use std::io::stdout;
use std::process::ExitCode;

use flowhold::actor::auth::user_file::UserFile;
use flowhold::actor::cluster::join;
use flowhold::actor::tls::Tls;
use flowhold::config::{AuthMode, Config, Fault, Loaded, UserStore};

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
            if let Err(fault) = join::certificates(&config.cluster) {
                say(&mut stdout(), &format!("cluster: {fault}"));
                return ExitCode::from(WRONG);
            }
            if let Err(fault) = Tls::read(&config) {
                say(&mut stdout(), &format!("tls: {fault}"));
                return ExitCode::from(WRONG);
            }
            if let Err(fault) = join::redis_of(&config) {
                say(&mut stdout(), &fault.to_string());
                return ExitCode::from(WRONG);
            }
            let auth = &config.auth;
            if auth.mode == Some(AuthMode::Digest)
                && auth.store == UserStore::File
                && let Err(fault) = UserFile::open(&auth.users)
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
