//! One flow of a UA, from the moment that it is wanted: formed, registered over, kept alive, formed anew.

use super::registration::{Outcome, Refused, Registered, Registration, Removal};
use super::settings::{Link, Settings};
use super::{Action, Event, Why};
use crate::proto::keepalive::client::{Client, Due, Pong};
use crate::proto::random::between;
use crate::sip::{Message, Wire, stun};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A flow by its reg-id.
#[derive(Debug)]
pub(super) struct Flow {
    reg_id: u32,
    state: State,
    registration: Registration,
    keepalive: Client,
    /// RFC 5626 §4.5: consecutive failures to form this flow.
    failures: u32,
    /// Consecutive refusals of a refresh, the flow staying.
    refusals: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Not wanted.
    Down,
    /// To be formed at that time.
    Waiting { until: Instant },
    /// A connection is being opened.
    Connecting,
    /// The first REGISTER over it is on its way.
    Registering { link: Link },
    /// The registrar has the binding, and is asked again at that time.
    Up { link: Link, since: Instant, refresh: Instant },
    /// The REGISTER that removes the binding is on its way.
    Removing { link: Link },
}

/// What all flows share while one of them acts.
pub(super) struct Shared<'r> {
    pub(super) now: Instant,
    pub(super) settings: &'r Settings,
    pub(super) random: &'r mut StdRng,
    pub(super) actions: &'r mut VecDeque<Action>,
    /// Whether another flow of this UA is up.
    pub(super) is_another_up: bool,
}

impl Flow {
    pub(super) fn new(settings: &Settings, reg_id: u32, name: u128) -> Flow {
        Flow {
            reg_id,
            state: State::Down,
            registration: Registration::new(settings, reg_id, name),
            keepalive: Client::new(settings.stream_pace),
            failures: 0,
            refusals: 0,
        }
    }

    /// Whether requests may go over it.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Whether it is not wanted and nothing of it is left.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.state, State::Down)
    }

    /// Its ends, once there are some.
    pub(super) fn link(&self) -> Option<Link> {
        match self.state {
            State::Registering { link } | State::Up { link, .. } | State::Removing { link } => Some(link),
            State::Down | State::Waiting { .. } | State::Connecting => None,
        }
    }

    pub(super) fn start(&mut self, shared: &mut Shared<'_>) {
        if self.is_down() {
            self.connect(shared);
        }
    }

    pub(super) fn connected(&mut self, link: Link, shared: &mut Shared<'_>) {
        if !matches!(self.state, State::Connecting) {
            return;
        }
        self.keepalive = Client::new(shared.settings.pace(self.reg_id, link));
        self.registration.renew();
        self.state = State::Registering { link };
        self.register(link, false, shared);
    }

    /// The connection could not be opened, or is gone.
    pub(super) fn lost(&mut self, why: Why, shared: &mut Shared<'_>) {
        match self.state {
            State::Down | State::Waiting { .. } => {}
            State::Connecting | State::Registering { .. } | State::Up { .. } => self.fail(why, None, shared),
            State::Removing { .. } => self.removed(shared),
        }
    }

    /// A response over it; `false`: it is to no REGISTER of this flow.
    pub(super) fn response(&mut self, response: &Message, shared: &mut Shared<'_>) -> bool {
        let Some(link) = self.link() else { return false };
        let Some(outcome) = self.registration.response(shared.now, response, shared.settings) else {
            return false;
        };
        match outcome {
            Outcome::Registered(registered) => self.registered(link, registered, shared),
            Outcome::Removed => self.removed(shared),
            Outcome::Again => {
                let random = shared.random.random();
                let again = self.registration.send_again(shared.now, (shared.settings, link), random);
                if let Some(wire) = again {
                    self.transmit(wire, shared);
                }
            }
            Outcome::Refused(refused) => self.refused(link, refused, shared),
        }
        true
    }

    /// A CRLF came over it.
    pub(super) fn pong(&mut self, shared: &mut Shared<'_>) {
        let pong = self.keepalive.pong(shared.now);
        self.ponged(pong, shared);
    }

    /// A STUN response came over it.
    pub(super) fn stun_response(&mut self, response: &stun::BindingResponse, shared: &mut Shared<'_>) {
        match self.keepalive.stun_response(shared.now, response) {
            Ok(pong) => self.ponged(pong, shared),
            Err(failure) => self.fail(Why::KeepAlive(failure), None, shared),
        }
    }

    /// The binding is to be removed and the flow closed.
    pub(super) fn stop(&mut self, shared: &mut Shared<'_>) {
        match self.state {
            State::Up { link, .. } | State::Registering { link } => {
                self.keepalive.stop();
                self.state = State::Removing { link };
                self.register(link, true, shared);
            }
            State::Connecting => self.removed(shared),
            State::Waiting { .. } => self.state = State::Down,
            State::Removing { .. } | State::Down => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let own = match self.state {
            State::Waiting { until } => return Some(until),
            State::Down | State::Connecting => return None,
            State::Up { refresh, .. } => Some(refresh),
            State::Registering { .. } | State::Removing { .. } => None,
        };
        // While a refresh is on its way, its transaction has the deadline.
        let register = self.registration.deadline().or(own);
        register.into_iter().chain(self.keepalive.deadline()).min()
    }

    /// What ran out by now.
    pub(super) fn expire(&mut self, shared: &mut Shared<'_>) {
        let now = shared.now;
        if let State::Waiting { until } = self.state {
            if until <= now {
                self.connect(shared);
            }
            return;
        }
        match self.registration.expire(now, &shared.settings.timers) {
            Some(Ok(wire)) => self.transmit(wire, shared),
            Some(Err(Removal(true))) => return self.removed(shared),
            Some(Err(Removal(false))) => return self.fail(Why::NoAnswer, None, shared),
            None => {}
        }
        if let State::Up { link, refresh, .. } = self.state
            && refresh <= now
            && self.registration.deadline().is_none()
        {
            self.register(link, false, shared);
        }
        while self.keepalive.deadline().is_some_and(|deadline| deadline <= now) {
            match self.keepalive.expire(now, shared.random.random()) {
                Due::Ping(ping) => {
                    let octets = ping.octets();
                    shared.actions.push_back(Action::Ping { reg_id: self.reg_id, octets });
                }
                Due::Failed(failure) => return self.fail(Why::KeepAlive(failure), None, shared),
                Due::NotBefore(_) | Due::Idle => return,
            }
        }
    }

    fn connect(&mut self, shared: &mut Shared<'_>) {
        self.state = State::Connecting;
        shared.actions.push_back(Action::Connect { reg_id: self.reg_id });
    }

    fn register(&mut self, link: Link, is_removal: bool, shared: &mut Shared<'_>) {
        let random = shared.random.random();
        let wire = self.registration.send(shared.now, (shared.settings, link), is_removal, random);
        self.transmit(wire, shared);
    }

    fn registered(&mut self, link: Link, registered: Registered, shared: &mut Shared<'_>) {
        let since = match self.state {
            State::Up { since, .. } => Some(since),
            _ => None,
        };
        self.refusals = 0;
        self.keepalive.registered(shared.now, registered.keepalive, shared.random.random());
        // Early enough that a REGISTER that is lost or refused can be sent again before the binding ends.
        let expires = registered.expires.max(Duration::from_secs(1));
        let refresh = shared.now + between(expires / 2, expires * 4 / 5, shared.random.random());
        self.state = State::Up { link, since: since.unwrap_or(shared.now), refresh };
        self.tell(Event::Registered { registered, is_refresh: since.is_some() }, shared);
    }

    fn refused(&mut self, link: Link, refused: Refused, shared: &mut Shared<'_>) {
        match self.state {
            // RFC 5626 §4.2.2: the flow is kept as long as the error can be recovered from.
            State::Up { since, .. } if refused.is_recoverable() => {
                let random = shared.random.random();
                let back_off = &shared.settings.back_off;
                // A server that names a time is heeded the first time, be it zero.
                let least = u32::from(refused.retry_after.is_none());
                let wait = back_off.wait(self.refusals.max(least), shared.is_another_up, random);
                let wait = wait.max(refused.retry_after.unwrap_or_default());
                self.refusals += 1;
                self.state = State::Up { link, since, refresh: shared.now + wait };
                self.tell(Event::Refused { refused, retry_in: wait }, shared);
            }
            State::Removing { .. } => self.removed(shared),
            _ => {
                let retry_after = refused.retry_after;
                self.fail(Why::Refused(refused), retry_after, shared);
            }
        }
    }

    fn ponged(&mut self, pong: Option<Pong>, shared: &mut Shared<'_>) {
        if let Some(Pong { round_trip }) = pong {
            self.tell(Event::Pong { round_trip }, shared);
        }
    }

    /// The flow has failed, or could not be formed.
    fn fail(&mut self, why: Why, retry_after: Option<Duration>, shared: &mut Shared<'_>) {
        let was_success = self.was_success(shared);
        self.failures = if was_success { 0 } else { self.failures.saturating_add(1) };
        let wait = shared.settings.back_off.wait(self.failures, shared.is_another_up, shared.random.random());
        // RFC 5626 §4.5: a Retry-After may make it longer.
        let wait = wait.max(retry_after.unwrap_or_default());
        let is_denied = matches!(&why, Why::Refused(refused) if refused.is_denied());
        let wait = if is_denied { wait.max(shared.settings.wait_when_denied) } else { wait };
        self.close(shared);
        self.state = State::Waiting { until: shared.now + wait };
        self.tell(Event::Failed { why, failures: self.failures, retry_in: wait }, shared);
    }

    /// Whether this flow, while it was up, was one that is formed anew at once.
    fn was_success(&self, shared: &Shared<'_>) -> bool {
        let State::Up { since, .. } = self.state else { return false };
        if self.keepalive.is_pong_expected() {
            // RFC 5626 §4.5: where keep-alives are in use, at least one has to have been answered.
            return self.keepalive.has_answered();
        }
        // Without outbound it has to have lasted, or a server that registers and hangs up would be called in a loop.
        shared.now.saturating_duration_since(since) >= shared.settings.back_off.base_all_failed
    }

    fn removed(&mut self, shared: &mut Shared<'_>) {
        self.close(shared);
        self.state = State::Down;
        self.tell(Event::Removed, shared);
    }

    /// Nothing goes over a flow that has ended.
    fn close(&mut self, shared: &mut Shared<'_>) {
        if !matches!(self.state, State::Down | State::Waiting { .. }) {
            shared.actions.push_back(Action::Close { reg_id: self.reg_id });
        }
        self.registration.renew();
        self.keepalive.stop();
        self.refusals = 0;
    }

    fn transmit(&self, wire: Wire, shared: &mut Shared<'_>) {
        shared.actions.push_back(Action::Send { reg_id: self.reg_id, wire });
    }

    fn tell(&self, event: Event, shared: &mut Shared<'_>) {
        shared.actions.push_back(Action::Tell { reg_id: self.reg_id, event });
    }
}
