//! `flowhold bindings`: where an address-of-record can be reached, as a node that runs knows it.

use std::io::{stderr, stdout};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{ConfigurationFiles, WRONG, say};

pub(crate) const EXAMPLES: &str = "\
Examples:
  Where alice can be reached, by the node of this configuration:
      flowhold bindings --config /etc/flowhold.toml alice@example.com
  How many bindings she has, by the node on another machine:
      flowhold bindings --admin 10.0.0.11:8060 --json alice@example.com | jq '.bindings | length'";

/// How long a node may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(crate) struct Bindings {
    /// The address-of-record: NAME@DOMAIN, with or without `sip:`
    aor: String,
    /// Where the node's HTTP listener is; without it, at `admin.listen` of the configuration
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<SocketAddr>,
    /// Print the JSON that the node answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    layers: ConfigurationFiles,
}

pub(crate) fn run(Bindings { aor, admin, json, layers }: &Bindings) -> ExitCode {
    let config = match layers.read() {
        Ok(loaded) => loaded.config,
        Err(faults) => {
            say(&mut stderr(), &faults.to_string());
            return ExitCode::from(WRONG);
        }
    };
    let Some(address) = admin.or(config.admin.listen) else {
        say(&mut stderr(), "flowhold: admin.listen is \"\", so the node has no HTTP listener: give --admin");
        return ExitCode::from(WRONG);
    };
    match ask(address, aor) {
        Ok(text) => show(aor, &text, *json),
        Err(reason) => {
            say(&mut stderr(), &format!("flowhold: {reason}"));
            ExitCode::FAILURE
        }
    }
}

fn show(aor: &str, text: &str, json: bool) -> ExitCode {
    let answer: Value = match serde_json::from_str(text) {
        Ok(answer) => answer,
        Err(error) => {
            say(&mut stderr(), &format!("flowhold: the node's answer cannot be read: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if json {
        say(&mut stdout(), text.trim_end());
    }
    let bindings = answer["bindings"].as_array().map_or(&[][..], |bindings| bindings);
    if bindings.is_empty() {
        say(&mut stderr(), &format!("flowhold: {aor} has no binding"));
        return ExitCode::FAILURE;
    }
    if !json {
        let lines: Vec<String> = bindings.iter().map(lines).collect();
        say(&mut stdout(), lines.join("\n").trim_end());
    }
    ExitCode::SUCCESS
}

/// One thing to a line, `NAME: VALUE`.
fn lines(binding: &Value) -> String {
    // In the order in which people ask for them.
    const NAMES: [&str; 16] = [
        "contact",
        "instance_id",
        "reg_id",
        "node",
        "flow",
        "transport",
        "peer",
        "registered",
        "expires_in",
        "q",
        "outbound",
        "direct",
        "path",
        "user_agent",
        "call_id",
        "cseq",
    ];
    let line = |name: &str| {
        let value = match &binding[name] {
            Value::Null => return String::new(),
            // It may have any octets that a UA likes to send, and this may be a terminal.
            Value::String(text) => text.replace(char::is_control, "?"),
            Value::Number(seconds) if name == "expires_in" => {
                humantime::format_duration(Duration::from_secs(seconds.as_u64().unwrap_or_default()))
                    .to_string()
            }
            Value::Bool(is_so) => (if *is_so { "yes" } else { "no" }).to_owned(),
            other => other.to_string(),
        };
        format!("{}: {value}\n", name.replace('_', "-"))
    };
    NAMES.iter().map(|name| line(name)).collect()
}

fn ask(address: SocketAddr, aor: &str) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, get(address, aor)).await });
    answer.unwrap_or_else(|_| Err(format!("the node at {address} does not answer")))
}

async fn get(address: SocketAddr, aor: &str) -> Result<String, String> {
    let path: Uri =
        format!("/bindings/{aor}").parse().map_err(|_| format!("`{aor}` is no address-of-record"))?;
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("no node can be asked at {address} (admin.listen): {error}"))?;
    let broken = |error: hyper::Error| format!("the node at {address}: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with the sender, or when the node closes it; either is seen there.
    tokio::spawn(connection);
    let request = Request::get(path)
        .header(HOST, address.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    if status == StatusCode::OK { Ok(text) } else { Err(text.trim_end().to_owned()) }
}
