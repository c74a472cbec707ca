//! One UA at work: what arrives is handed to its state machine, and what that asks for is done.

use std::collections::HashMap;
use std::future;
use std::sync::Arc;
use std::time::Instant;

use rand::random;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::connection::{Connection, Heard, Report, Way};
use super::resolver::System;
use crate::net::tls::Connector;
use crate::proto::recovery::Why;
use crate::proto::ua::{Action, Event, Settings, Ua};

/// Reports that may wait for the UA; a connection that has more is not read until they are taken up.
const WAITING: usize = 256;

/// What a running UA is told to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Send a MESSAGE.
    Send {
        /// To this URI.
        to: String,
        /// With this text.
        text: String,
    },
    /// Hang up, remove the bindings, and end.
    Stop,
}

/// Runs a UA until it is told to stop, or nobody can tell it any more. What happens goes to `events`.
///
/// Proxies over TLS are reached by `tls`.
pub async fn run(
    settings: Settings,
    tls: Option<Connector>,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
) {
    let (reports, mut heard) = mpsc::channel(WAITING);
    let ua = Ua::new(settings, random());
    let way = Arc::new(Way { dns: System::configured(), tls });
    let mut driver =
        Driver { ua, connections: HashMap::new(), opened: 0, attempts: HashMap::new(), way, reports, events };
    driver.ua.start(Instant::now());
    let mut is_stopping = false;
    loop {
        driver.carry_out().await;
        if is_stopping && driver.ua.is_down() {
            return;
        }
        let deadline = driver.ua.deadline();
        let timer = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => future::pending().await,
            }
        };
        // What has arrived is taken up before time runs out over it.
        tokio::select! {
            biased;
            command = commands.recv(), if !is_stopping => {
                let command = command.unwrap_or(Command::Stop);
                is_stopping = command == Command::Stop;
                driver.obey(&command);
            }
            Some(report) = heard.recv() => driver.hear(report),
            () = timer => driver.ua.expire(Instant::now()),
        }
    }
}

struct Driver {
    ua: Ua,
    /// By reg-id.
    connections: HashMap<u32, Connection>,
    /// Connections so far: each has a number of its own, so that what an old one reports is not taken for a new one's.
    opened: u64,
    /// How often each flow was formed, so that each attempt begins with another of its proxy's addresses.
    attempts: HashMap<u32, usize>,
    way: Arc<Way>,
    reports: mpsc::Sender<Report>,
    events: mpsc::Sender<Event>,
}

impl Driver {
    fn obey(&mut self, command: &Command) {
        let now = Instant::now();
        match command {
            Command::Send { to, text } => self.ua.send(now, to, text),
            Command::Stop => self.ua.stop(now),
        }
    }

    fn hear(&mut self, Report { reg_id, number, heard }: Report) {
        if self.connections.get(&reg_id).is_none_or(|connection| connection.number != number) {
            return;
        }
        let now = Instant::now();
        match heard {
            Heard::Connected(link) => self.ua.connected(now, reg_id, link),
            Heard::Message(message) => self.ua.message(now, reg_id, &message),
            Heard::Pong => self.ua.pong(now, reg_id),
            Heard::Stun(response) => self.ua.stun_response(now, reg_id, &response),
            Heard::Lost(why) => self.lost(reg_id, why),
        }
    }

    async fn carry_out(&mut self) {
        while let Some(action) = self.ua.poll() {
            match action {
                Action::Connect { reg_id } => self.connect(reg_id),
                Action::Send { reg_id, wire } => {
                    let Some(connection) = self.connections.get(&reg_id) else { continue };
                    if let Err(why) = connection.send(wire.to_bytes()) {
                        self.lost(reg_id, why);
                    }
                }
                Action::Close { reg_id } => _ = self.connections.remove(&reg_id),
                // Nobody listens any more: the UA goes on until it is told to stop.
                Action::Tell(event) => _ = self.events.send(event).await,
            }
        }
    }

    fn connect(&mut self, reg_id: u32) {
        let position = usize::try_from(reg_id).expect("a small number") - 1;
        let Some(proxy) = self.ua.proxies().get(position).cloned() else { return };
        self.opened += 1;
        let attempt = self.attempts.entry(reg_id).or_default();
        let opened = Connection::open(
            (reg_id, self.opened),
            (proxy, *attempt),
            Arc::clone(&self.way),
            self.reports.clone(),
        );
        *attempt += 1;
        self.connections.insert(reg_id, opened);
    }

    fn lost(&mut self, reg_id: u32, why: Why) {
        self.connections.remove(&reg_id);
        self.ua.lost(Instant::now(), reg_id, why);
    }
}
