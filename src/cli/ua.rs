//! `flowhold ua`: a user agent for people and scripts.

use std::collections::BTreeSet;
use std::fs;
use std::io::{stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until};

use flowhold::net::tls::Connector;
use flowhold::proto::Profile;
use flowhold::proto::keepalive::client::Pace;
use flowhold::proto::locate;
use flowhold::proto::login::Login;
use flowhold::proto::recovery::{self, BackOff, Why};
use flowhold::proto::ua::{Event, Outcome, Settings};
use flowhold::sip::{Scheme, Transport, Uri};
use flowhold::ua::{Command, instance_id, report};

use super::{WRONG, say};

/// No flow could be registered.
const UNREGISTERED: u8 = 3;

/// The message was refused, or nobody answered.
const UNDELIVERED: u8 = 4;

/// How long a registrar may take to remove the bindings when the UA ends.
const PARTING: Duration = Duration::from_secs(5);

/// The password, where no file is named.
const PASSWORD: &str = "FLOWHOLD_PASSWORD";

pub(crate) const EXAMPLES: &str = "\
Examples:
  Register over two nodes and show what happens:
      flowhold ua --aor sip:alice@example.com --proxy 'sip:a.example.com;transport=tcp' \\
          --proxy 'sip:b.example.com;transport=tcp'
  Send a message and end:
      flowhold ua --aor sip:alice@example.com --proxy sip:192.0.2.10 \\
          --send sip:bob@example.com 'good morning'
  Take calls for a minute, for a script:
      flowhold ua --aor sip:bob@example.com --proxy sip:192.0.2.10 --answer --for 1m --json

Exit status:
  0  the message was delivered (2xx), or it was told to end and had been registered
  1  it could not run: the file of the instance-id or of the password
  2  the command line is wrong
  3  no flow could be registered
  4  the message was refused, or nobody answered

JSON: each line has `time` and `event`, and, where it is about a flow, its `reg_id`. The events:
  connecting   proxy
  connected    transport, local, remote
  registered   expires and flow_timer (seconds, null: none), outbound (whether the registrar did it)
  refreshed    the same
  ping
  pong         round_trip (seconds)
  refused      status, reason, retry_in (seconds): a refresh, and the flow stays
  failed       reason, failures (in a row), retry_in (seconds)
  removed
  message      from, text
  sending      to
  sent         to, status (null: no answer), reason
  call         from, state: ringing, refused (with status), answered, confirmed, cancelled,
               ended, hung_up, unconfirmed";

#[derive(Args)]
pub(crate) struct UserAgent {
    /// The address-of-record to register, such as sip:alice@example.com
    #[arg(long, value_name = "URI", value_parser = aor)]
    aor: String,
    /// A proxy to register over, such as sip:192.0.2.10;transport=tcp. One flow for each: give it twice or more
    ///
    /// The first one's flow has reg-id 1, the second one's 2, and so on, so keep their order. Without a transport or a
    /// port, a name is looked up as RFC 3263 says (NAPTR, SRV). Transports are udp, tcp and tls, and `sips:` is over tls;
    /// there the proxy's certificate has to name the host that stands here.
    #[arg(long = "proxy", value_name = "URI", required = true, value_parser = proxy)]
    proxies: Vec<String>,
    #[command(flatten)]
    trust: Trust,
    /// Sends a MESSAGE as soon as a flow is registered, and ends when it is answered
    #[arg(long, num_args = 2, value_names = ["URI", "TEXT"])]
    send: Option<Vec<String>>,
    /// Takes calls, and stays after --send. There is no media: a call is silent
    ///
    /// Of what a caller offers, the first audio stream is taken up as inactive on port 9, and everything else refused with
    /// port 0. Without --answer a caller gets 486 Busy Here. A MESSAGE is shown and answered in any case.
    #[arg(long)]
    answer: bool,
    /// How long a call rings
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    ring: Duration,
    /// Ends after this time
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    end_after: Option<Duration>,
    /// How long --send waits for a flow to be registered
    ///
    /// It ends before that when no proxy can be reached or proves its name, or when all of them refuse the registration for
    /// good (401, 403, 404, 407).
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    within: Duration,
    /// One JSON object a line instead of words
    #[arg(long)]
    json: bool,
    /// The user name for authentication; the user part of the AOR unless given
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// A file whose first line is the password. Without it the environment is asked: FLOWHOLD_PASSWORD
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The file of the instance-id; made where it is missing
    ///
    /// It has to stay the same, so that new registrations replace older ones of this UA, and be another for each UA that
    /// runs at the same time. The default is flowhold/instance-id in XDG_STATE_HOME, or in ~/.local/state.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// How long a binding is asked for
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = a_second_or_more)]
    expires: Duration,
    /// Where no Flow-Timer is given, pings streams every 672 to 840 s and not every 95 to 120 s
    #[arg(long)]
    battery: bool,
    /// Which text of SIP outbound the proxies follow: rfc5626, or draft03 (draft-ietf-sip-outbound-03)
    ///
    /// In draft03 keep-alives are STUN on every transport, over those --proxy that have keepalive=stun in their URI.
    #[arg(long, value_name = "NAME", default_value = "rfc5626", value_parser = profile)]
    profile: &'static Profile,
    /// What the wait for a failed flow grows from while no flow is up (RFC 5626 §4.5)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = a_wait)]
    base_all_failed: Duration,
    /// What it grows from while another flow is up
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = a_wait)]
    base_some_up: Duration,
    /// The longest wait
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = a_wait)]
    max_wait: Duration,
}

/// Whom it trusts over TLS.
#[derive(Args)]
struct Trust {
    /// A PEM file with the CAs that a proxy's certificate over TLS has to be of, in place of those that the system trusts
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Takes any certificate of a proxy: for trying out
    #[arg(long)]
    insecure: bool,
}

/// A `sip` URI.
fn uri(text: &str) -> Result<Uri<'_>, String> {
    let uri = any_uri(text)?;
    if uri.scheme != Scheme::Sip {
        return Err("not a sip: URI".to_owned());
    }
    Ok(uri)
}

fn any_uri(text: &str) -> Result<Uri<'_>, String> {
    Uri::parse(text.as_bytes()).map_err(|fault| format!("{fault}; such as sip:alice@example.com"))
}

fn aor(text: &str) -> Result<String, String> {
    match uri(text)? {
        Uri { user: Some(_), .. } => Ok(text.to_owned()),
        _ => Err("no user in it; such as sip:alice@example.com".to_owned()),
    }
}

fn profile(name: &str) -> Result<&'static Profile, String> {
    Profile::of(name).ok_or_else(|| "rfc5626 or draft03".to_owned())
}

fn proxy(text: &str) -> Result<String, String> {
    let uri = any_uri(text)?;
    match (uri.scheme, uri.transport()) {
        (Scheme::Sip | Scheme::Sips, None) if !uri.params.has("transport") => Ok(text.to_owned()),
        (Scheme::Sip, Some(Transport::Udp | Transport::Tcp | Transport::Tls))
        | (Scheme::Sips, Some(Transport::Tcp | Transport::Tls)) => Ok(text.to_owned()),
        (Scheme::Sip, _) => Err("transports are udp, tcp and tls".to_owned()),
        (Scheme::Sips, _) => Err("sips: is over tls".to_owned()),
        _ => Err("not a sip: or sips: URI".to_owned()),
    }
}

fn at_least(least: Duration, text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time < least { Err(format!("{} at least", humantime::format_duration(least))) } else { Ok(time) }
}

fn a_second_or_more(text: &str) -> Result<Duration, String> {
    at_least(Duration::from_secs(1), text)
}

/// Not so short that a proxy that is down is called in a loop.
fn a_wait(text: &str) -> Result<Duration, String> {
    at_least(Duration::from_millis(50), text)
}

pub(crate) fn run(options: &UserAgent) -> ExitCode {
    let (settings, tls) = match settings(options).and_then(|settings| Ok((settings, connector(options)?))) {
        Ok(both) => both,
        Err(reason) => {
            say(&mut stderr(), &format!("flowhold: {reason}"));
            return ExitCode::FAILURE;
        }
    };
    if let Some(to) = options.send.iter().flatten().next()
        && let Err(reason) = uri(to)
    {
        say(&mut stderr(), &format!("flowhold: --send {to}: {reason}"));
        return ExitCode::from(WRONG);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(follow(options, settings, tls)),
        Err(error) => {
            say(&mut stderr(), &format!("flowhold: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn settings(options: &UserAgent) -> Result<Settings, String> {
    let path = options.state.clone().map_or_else(instance_id::default_file, Ok);
    let instance_id = path.and_then(|path| instance_id::of_file(&path)).map_err(|error| error.to_string())?;
    let proxies: Vec<&str> = options.proxies.iter().map(String::as_str).collect();
    let mut registrations =
        recovery::Settings::new(&options.aor, &instance_id, &proxies).map_err(|fault| fault.to_string())?;
    registrations.login = login(options)?;
    registrations.expires = options.expires;
    registrations.back_off = BackOff {
        max: options.max_wait,
        base_all_failed: options.base_all_failed,
        base_some_up: options.base_some_up,
    };
    registrations.profile = options.profile;
    if options.battery {
        registrations.stream_pace = Pace::STREAM_ON_BATTERY;
    }
    Ok(Settings { registrations, takes_calls: options.answer, ring: options.ring })
}

/// What proxies over TLS have to prove; none where there can be no such proxy, so that no file of CAs is looked for.
fn connector(options: &UserAgent) -> Result<Option<Connector>, String> {
    let may_be_tls = |proxy: &String| any_uri(proxy).is_ok_and(|uri| locate::plan(&uri).may_be_tls());
    if !options.proxies.iter().any(may_be_tls) {
        return Ok(None);
    }
    let connector = if options.trust.insecure {
        Connector::that_trusts_anybody()
    } else {
        Connector::read(options.trust.ca.as_deref(), None)
    };
    connector.map(Some).map_err(|fault| fault.to_string())
}

fn login(options: &UserAgent) -> Result<Login, String> {
    let password = match &options.password_file {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Some(text.lines().next().unwrap_or_default().to_owned())
        }
        None => std::env::var(PASSWORD).ok(),
    };
    let user = Uri::parse(options.aor.as_bytes()).ok().and_then(|aor| aor.user).unwrap_or_default();
    let username = options.username.as_ref().map_or_else(|| user.to_vec(), |name| name.clone().into_bytes());
    if username.iter().any(|octet| matches!(octet, b'"' | b'\\') || octet.is_ascii_control()) {
        return Err("the user name has a quote, a backslash or a control character in it".to_owned());
    }
    Ok(password.map_or_else(Login::default, |password| Login::new(username, password)))
}

/// Runs the UA, tells what happens, and decides when it is over.
async fn follow(options: &UserAgent, settings: Settings, tls: Option<Connector>) -> ExitCode {
    let proxies = settings.registrations.proxies.clone();
    let (commands, commanded) = mpsc::channel(8);
    let (events, mut happening) = mpsc::channel(64);
    let ua = tokio::spawn(flowhold::ua::run(settings, tls, commanded, events));
    let mut end =
        End { was_registered: false, undelivered: false, failed: BTreeSet::new(), until: None, commands };
    if let Some([to, text]) = options.send.as_deref() {
        end.command(Command::Send { to: to.clone(), text: text.clone() });
    }
    let stays = options.send.is_none() || options.answer;
    let started = Instant::now();
    let (mut interrupt, mut terminate) =
        match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
            (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
            (Err(error), _) | (_, Err(error)) => {
                say(&mut stderr(), &format!("flowhold: {error}"));
                return ExitCode::FAILURE;
            }
        };
    let within = sleep_until((started + options.within).into());
    tokio::pin!(within);
    let over = sleep(options.end_after.unwrap_or(Duration::MAX));
    tokio::pin!(over);
    loop {
        tokio::select! {
            event = happening.recv() => match event {
                None => break,
                Some(event) => {
                    let now = SystemTime::now();
                    let line = if options.json {
                        report::as_json(now, &event, &proxies)
                    } else {
                        report::in_words(now, &event, &proxies)
                    };
                    say(&mut stdout(), &line);
                    end.note(&event);
                    if !stays && matches!(event, Event::Sent { .. }) {
                        end.stop();
                    }
                    if options.send.is_some() && end.is_hopeless(proxies.len()) {
                        end.stop();
                    }
                }
            },
            _ = interrupt.recv() => if end.is_urgent() { break },
            _ = terminate.recv() => if end.is_urgent() { break },
            () = &mut over, if end.until.is_none() => end.stop(),
            () = &mut within, if options.send.is_some() && !end.was_registered && end.until.is_none() => end.stop(),
            () = parting(end.until) => break,
        }
    }
    ua.abort();
    match end {
        End { was_registered: false, .. } => ExitCode::from(UNREGISTERED),
        End { undelivered: true, .. } => ExitCode::from(UNDELIVERED),
        End { .. } => ExitCode::SUCCESS,
    }
}

/// Whether only people can put right why a flow has failed: nobody is there, or it is not who it should be, or we are not.
fn is_for_good(why: &Why) -> bool {
    match why {
        Why::Unreachable(_) | Why::Broken(_) | Why::Closed => true,
        Why::Refused(refused) => matches!(refused.status, 401 | 403 | 404 | 407),
        Why::KeepAlive(_) | Why::NoAnswer => false,
    }
}

/// Over when the UA has had its time to remove its bindings.
async fn parting(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

/// What the exit status will say.
struct End {
    was_registered: bool,
    undelivered: bool,
    /// The flows that failed in a way that waiting does not change.
    failed: BTreeSet<u32>,
    /// Once it is told to stop: when it is no longer waited for.
    until: Option<Instant>,
    commands: mpsc::Sender<Command>,
}

impl End {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Flow { event: recovery::Event::Registered { .. }, .. } => self.was_registered = true,
            Event::Flow { reg_id, event: recovery::Event::Failed { why, .. } } if is_for_good(why) => {
                self.failed.insert(*reg_id);
            }
            Event::Sent { outcome: Outcome::Answered { status: 200..300, .. }, .. } => {}
            Event::Sent { .. } => self.undelivered = true,
            _ => {}
        }
    }

    /// Whether none of so many flows was ever up, and none will be.
    fn is_hopeless(&self, flows: usize) -> bool {
        !self.was_registered && self.failed.len() == flows
    }

    fn stop(&mut self) {
        self.until.get_or_insert_with(|| Instant::now() + PARTING);
        self.command(Command::Stop);
    }

    /// Asked to end, and asked again.
    fn is_urgent(&mut self) -> bool {
        let is_urgent = self.until.is_some();
        self.stop();
        is_urgent
    }

    fn command(&self, command: Command) {
        // A UA that has ended needs no command, and one that was told to stop no second one.
        let _ = self.commands.try_send(command);
    }
}
