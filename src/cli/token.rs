//! `flowhold token decode`: what a flow token says, for whoever follows a call through captures and logs.

use std::io::{stderr, stdout};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use clap::Args;

use flowhold::actor::key_ring;
use flowhold_cluster::token::{FlowToken, TokenError, VERSION, key_id};

use super::{ConfigurationFiles, WRONG, say};

pub(crate) const EXAMPLES: &str = "\
Examples:
  The token of a captured `Record-Route: <sip:AQEsgmhMTvS8C4l-pxoq01cM...@192.0.2.10:5060;lr>`:
      flowhold token decode AQEsgmhMTvS8C4l-pxoq01cM... --config /etc/flowhold.toml
  The flow alone, as the log writes it:
      flowhold token decode AQEsgmhMTvS8C4l-pxoq01cM... -c /etc/flowhold.toml | sed -n 's/^flow: //p'";

#[derive(Args)]
pub(crate) struct Decode {
    /// The token: the user part of the URI, without `sip:` and without what comes from the `@` on
    token: String,
    #[command(flatten)]
    layers: ConfigurationFiles,
}

pub(crate) fn decode(Decode { token, layers }: &Decode) -> ExitCode {
    let config = match layers.read() {
        Ok(loaded) => loaded.config,
        Err(faults) => {
            say(&mut stderr(), &faults.to_string());
            return ExitCode::from(WRONG);
        }
    };
    let keys = key_ring::configured(&config);
    let opened = key_id(token.as_bytes())
        .map_err(|_| NOT_A_TOKEN.to_owned())
        .and_then(|key| Ok((key, keys.ok_or_else(|| NO_KEYS.to_owned())?)))
        .and_then(|(key, keys)| match keys.open(token.as_bytes()) {
            Ok(token) => Ok((key, token)),
            Err(error) => Err(reason(error, key)),
        });
    match opened {
        Ok((key, token)) => {
            say(&mut stdout(), &lines(key, &token));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            say(&mut stderr(), &format!("flowhold: {reason}"));
            ExitCode::FAILURE
        }
    }
}

const NOT_A_TOKEN: &str =
    "this is no flow token of this version: give the user part of the URI, whole and alone";

const NO_KEYS: &str = "neither tokens.keys nor cluster.secret are configured, so the node that made this token used a \
                       random key of its own, and nobody else can read it";

fn reason(error: TokenError, key: u8) -> String {
    match error {
        TokenError::NotAToken => NOT_A_TOKEN.to_owned(),
        TokenError::UnknownKey => {
            format!("the token was made with key {key}, which is not among tokens.keys")
        }
        TokenError::Forged => {
            format!("the token was changed, or made with another secret than key {key} of tokens.keys has")
        }
    }
}

fn lines(key: u8, FlowToken { run, flow, over }: &FlowToken) -> String {
    let remote = over.remote().map_or_else(|| "none, a connection".to_owned(), |remote| remote.to_string());
    format!(
        "version: {VERSION}\nkey: {key}\nnode: {}\nepoch: {}\nstarted: {}\nflow: {flow}\ntransport: {}\n\
         remote: {remote}",
        run.node,
        run.epoch,
        started(run.epoch),
        over.transport().as_str(),
    )
}

/// An epoch, milliseconds since 1970, as a time of day (UTC).
fn started(epoch: u64) -> String {
    /// The first moment of the year 10000, which has no place in the format.
    const END: u64 = 253_402_300_800_000;
    if epoch < END {
        humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(epoch)).to_string()
    } else {
        "after the year 9999".to_owned()
    }
}
