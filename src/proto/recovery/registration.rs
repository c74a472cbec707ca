//! One registration: the REGISTERs of one reg-id, and what their answers mean. RFC 3261 §10.2, RFC 5626 §4.2.
//!
//! ```text
//!                    send                    2xx: Registered, Removed
//!   +------+ ------------------> +---------+ ------------------------------> (idle)
//!   | idle |                     | pending | 3xx-6xx: Refused   no answer: Unanswered
//!   +------+                     +---------+
//!                                  |     ^  401, 407 with a challenge that can be answered,
//!                                  +-----+  423, 439: the next REGISTER, changed
//! ```

use super::settings::{Link, Settings};
use crate::proto::keepalive::client;
use crate::proto::login::{Login, Unanswered};
use crate::proto::profile::ShownIn;
use crate::proto::transaction::{Fired, NonInviteClient, Received, Timers};
use crate::sip::{Address, MAGIC_COOKIE, Message, Name, Request, Wire, unquote};
use std::time::{Duration, Instant};

/// How often one REGISTER may be sent anew because of its answer.
const MAX_ROUNDS: u32 = 8;

/// The REGISTERs of one reg-id.
#[derive(Debug)]
pub(super) struct Registration {
    reg_id: u32,
    call_id: String,
    tag: String,
    cseq: u32,
    /// The time that is asked for: longer than wanted where the registrar says so.
    expires: Duration,
    /// Whether outbound is left out, for want of support on the way.
    is_plain: bool,
    login: Login,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    transaction: NonInviteClient,
    branch: String,
    wire: Wire,
    is_removal: bool,
    rounds: u32,
}

/// What became of a REGISTER.
#[derive(Debug)]
pub(super) enum Outcome {
    Registered(Registered),
    Removed,
    /// Send another at once.
    Again,
    Refused(Refused),
}

/// A binding that the registrar has now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registered {
    /// How long it has it.
    pub expires: Duration,
    /// The pace that pings are to keep, and whether they are answered.
    pub keepalive: client::Registered,
    /// Whether it is a flow of its own to the registrar, by `reg-id`.
    pub is_outbound: bool,
}

/// Why a REGISTER was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The status of the response.
    pub status: u16,
    /// Its reason phrase, or what stands in the way of an answer to it.
    pub reason: String,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Refused {
    /// Whether the same REGISTER may do better later, over the same flow.
    pub(super) fn is_recoverable(&self) -> bool {
        // RFC 5626 §4.2.2: such as 503 with Retry-After.
        self.retry_after.is_some() || self.status == 408 || (500..600).contains(&self.status)
    }

    /// Whether it is for what only people can put right: who this is, or what it may do.
    pub fn is_denied(&self) -> bool {
        self.retry_after.is_none() && matches!(self.status, 401 | 403 | 404 | 407)
    }
}

impl Registration {
    /// `name` is random and names it.
    pub(super) fn new(settings: &Settings, reg_id: u32, name: u128) -> Registration {
        Registration {
            reg_id,
            // RFC 5626 §4.2.1: each reg-id has a Call-ID of its own.
            call_id: format!("{name:032x}-{reg_id}"),
            tag: format!("{:08x}", name >> 96),
            cseq: 0,
            expires: settings.expires,
            is_plain: false,
            login: settings.login.clone(),
            pending: None,
        }
    }

    /// A flow is formed anew, and what is on the way to the registrar may be another than before.
    pub(super) fn renew(&mut self) {
        self.is_plain = false;
        self.pending = None;
    }

    /// The next REGISTER, over `link`: one that refreshes or makes the binding, or one that removes it.
    pub(super) fn send(
        &mut self,
        now: Instant,
        (settings, link): (&Settings, Link),
        is_removal: bool,
        random: u128,
    ) -> Wire {
        self.login.begin();
        self.transmit(now, (settings, link), is_removal, 0, random)
    }

    /// After [`Outcome::Again`].
    pub(super) fn send_again(
        &mut self,
        now: Instant,
        (settings, link): (&Settings, Link),
        random: u128,
    ) -> Option<Wire> {
        let Pending { is_removal, rounds, .. } = self.pending.take()?;
        Some(self.transmit(now, (settings, link), is_removal, rounds + 1, random))
    }

    /// A response arrived. `None`: it is not to a REGISTER that is waited for, or only provisional.
    pub(super) fn response(
        &mut self,
        now: Instant,
        response: &Message,
        settings: &Settings,
    ) -> Option<Outcome> {
        let via = response.top_via().ok()?;
        let status = response.status()?;
        let pending = self.pending.as_mut()?;
        let is_register = response.cseq().is_ok_and(|cseq| cseq.method == b"REGISTER");
        if !is_register || via.branch() != Some(pending.branch.as_bytes()) {
            return None;
        }
        let received = pending.transaction.response(now, status, &settings.timers);
        if status < 200 || received != Received::Pass {
            return None;
        }
        let (is_removal, may_go_on) = (pending.is_removal, pending.rounds < MAX_ROUNDS);
        let outcome = match status {
            200..300 if is_removal => Outcome::Removed,
            200..300 => Outcome::Registered(self.registered(response, settings)),
            _ if may_go_on => self.refused(response, status, settings),
            _ => Outcome::Refused(refused(response, status)),
        };
        if !matches!(outcome, Outcome::Again) {
            self.pending = None;
        }
        Some(outcome)
    }

    /// When to ask [`Registration::expire`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pending.as_ref().and_then(|pending| pending.transaction.deadline())
    }

    /// What ran out: `Some(Ok(..))` is to be sent again, `Some(Err(..))` had no answer.
    pub(super) fn expire(&mut self, now: Instant, timers: &Timers) -> Option<Result<Wire, Removal>> {
        let pending = self.pending.as_mut()?;
        match pending.transaction.expire(now, timers)? {
            Fired::Resend => Some(Ok(pending.wire.clone())),
            Fired::TimedOut | Fired::Ended | Fired::Trying => {
                let removal = Removal(pending.is_removal);
                self.pending = None;
                Some(Err(removal))
            }
        }
    }

    fn transmit(
        &mut self,
        now: Instant,
        (settings, link): (&Settings, Link),
        is_removal: bool,
        rounds: u32,
        random: u128,
    ) -> Wire {
        let branch = format!("{MAGIC_COOKIE}{random:032x}");
        let wire = self.request(settings, link, is_removal, &branch, random);
        let transaction = NonInviteClient::new(now, link.transport.is_reliable(), &settings.timers);
        self.pending = Some(Pending { transaction, branch, wire: wire.clone(), is_removal, rounds });
        wire
    }

    fn request(
        &mut self,
        settings: &Settings,
        link: Link,
        is_removal: bool,
        branch: &str,
        random: u128,
    ) -> Wire {
        let registrar = settings.registrar();
        let credentials = self.login.credentials("REGISTER", &registrar, &format!("{:016x}", random >> 64));
        self.cseq += 1;
        let expires = if is_removal { 0 } else { self.expires.as_secs() };
        let Link { transport, local, .. } = link;
        let mut request = Request::new("REGISTER", &registrar)
            // RFC 5626 §4.3: with `rport`, so that the response finds the way back through a NAT.
            .header(Name::Via, format!("SIP/2.0/{} {local};rport;branch={branch}", transport.as_via_str()))
            .header(Name::MaxForwards, "70")
            // RFC 5626 §4.2.1: the topmost Route leads to the outbound proxy.
            .header(Name::Route, settings.route(self.reg_id))
            .header(Name::From, format!("<{}>;tag={}", settings.aor, self.tag))
            .header(Name::To, format!("<{}>", settings.aor))
            .header(Name::CallId, &self.call_id)
            .header(Name::CSeq, format!("{} REGISTER", self.cseq))
            .header(Name::Contact, self.contact(settings, link))
            .header(Name::Expires, expires.to_string())
            // RFC 5626 §4.2.1: both tags, `path` on every REGISTER.
            .header(Name::Supported, if self.is_plain { "path" } else { "path, outbound" });
        for (name, value) in credentials {
            request = request.header(name, value);
        }
        request.finish()
    }

    fn contact(&self, settings: &Settings, link: Link) -> Vec<u8> {
        let instance = &settings.instance_id;
        let mut contact = [b"<", settings.contact(link).as_slice(), b">"].concat();
        // RFC 5626 §4.2.1: the instance-id on every REGISTER; without outbound there is no reg-id.
        contact.extend_from_slice(format!(";+sip.instance=\"<{instance}>\"").as_bytes());
        if !self.is_plain {
            contact.extend_from_slice(format!(";reg-id={}", self.reg_id).as_bytes());
        }
        contact
    }

    fn registered(&self, response: &Message, settings: &Settings) -> Registered {
        let own = response.values(Name::Contact).filter_map(|value| Address::parse(value).ok());
        let own = own.into_iter().find(|contact| self.is_own(contact, settings));
        // RFC 3261 §10.2.4: the registrar decides, in the Contact's parameter or for all of them.
        let seconds = own
            .and_then(|contact| number(contact.params.value("expires")?))
            .or_else(|| response.first(Name::Expires).and_then(number));
        let profile = settings.profile;
        let is_applied = match profile.shown_in {
            // RFC 5626 §4.2.1: `outbound` in Require says that registrar and edge proxies took part.
            ShownIn::Require => response.has_tag(Name::Require, "outbound"),
            ShownIn::Supported => response.has_tag(Name::Supported, "outbound"),
        };
        let flow_timer = response.first(Name::FlowTimer).filter(|_| profile.has_flow_timer).and_then(number);
        let outbound_required = is_applied && profile.has_crlf_keepalive;
        let flow_timer = flow_timer.map(|seconds| Duration::from_secs(seconds.into()));
        Registered {
            expires: seconds.map_or(self.expires, |seconds| Duration::from_secs(seconds.into())),
            keepalive: client::Registered { flow_timer, outbound_required },
            is_outbound: is_applied && !self.is_plain,
        }
    }

    fn is_own(&self, contact: &Address<'_>, settings: &Settings) -> bool {
        let instance = format!("<{}>", settings.instance_id);
        let is_instance = |value| unquote(value).eq_ignore_ascii_case(instance.as_bytes());
        let reg_id = contact.params.value("reg-id").and_then(number);
        contact.params.value("+sip.instance").is_some_and(is_instance)
            && reg_id == (!self.is_plain).then_some(self.reg_id)
    }

    fn refused(&mut self, response: &Message, status: u16, settings: &Settings) -> Outcome {
        match status {
            401 | 407 => match self.login.challenged(response) {
                Ok(()) => Outcome::Again,
                Err(why) => Outcome::Refused(unanswered(response, status, why)),
            },
            423 => {
                // RFC 3261 §10.2.8: asked again with the time that the registrar wants at least.
                let least = response.first(Name::MinExpires).and_then(number);
                let least = least.map(|seconds| Duration::from_secs(seconds.into()));
                match least.filter(|least| *least > self.expires) {
                    Some(least) => {
                        self.expires = least;
                        Outcome::Again
                    }
                    None => Outcome::Refused(refused(response, status)),
                }
            }
            // RFC 5626 §4.2.1: a UA may register without outbound where the first hop does not support it.
            439 if settings.may_register_plainly && !self.is_plain => {
                self.is_plain = true;
                Outcome::Again
            }
            _ => Outcome::Refused(refused(response, status)),
        }
    }
}

/// Whether the REGISTER that had no answer was one that removes the binding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Removal(pub(super) bool);

fn refused(response: &Message, status: u16) -> Refused {
    let retry_after = response.first(Name::RetryAfter).and_then(number);
    Refused {
        status,
        reason: String::from_utf8_lossy(response.reason()).into_owned(),
        retry_after: retry_after.map(|seconds| Duration::from_secs(seconds.into())),
    }
}

fn unanswered(response: &Message, status: u16, why: Unanswered) -> Refused {
    Refused { reason: why.to_string(), ..refused(response, status) }
}

/// The number at the start; `Retry-After: 120 (in a meeting)` is one too.
fn number(value: &[u8]) -> Option<u32> {
    let end = value.iter().position(|octet| !octet.is_ascii_digit()).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).ok()?.parse().ok()
}
