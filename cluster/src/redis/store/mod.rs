//! The bindings of all AORs, in Redis.
//!
//! # What is stored
//!
//! One hash per AOR under `PREFIX:aor:{AOR}`; the braces keep all that a script touches in one slot of a Redis Cluster.
//!
//! | field | value |
//! | --- | --- |
//! | `instance=URN reg-id=N`, `contact=URI params=...` | a binding under its key, as pairs that a person can read (`text`) |
//! | `ended` | when the last binding ended, in milliseconds; there only while there is none |
//!
//! And one set per node that there is something to tell (`moved`).
//!
//! The hash goes by itself when its last binding has been over for as long as an AOR is remembered. So nothing has to
//! be cleared up, and a Redis whose nodes are all gone empties itself. Within a hash what has expired is never returned nor
//! compared with, and goes with the next write.
//!
//! # How it is changed
//!
//! Each change is one script on one key, and so one round trip that nothing comes in between: two nodes that serve the same
//! AOR at the same time are served one after the other. The scripts go by the time that they are given, never by
//! Redis's; only how long the key lives is counted there. A lookup is a plain `HGETALL`.
//!
//! An update is answered with the bindings that it found and kept, as they are stored; those that it put, the node has.
//! A refresh of the only binding is thus answered with an empty list. Bindings of other nodes that it replaced or removed
//! are named too, since those nodes know nothing of it.
//!
//! A command that is given up may still be on its way, and run much later: after a Redis that hung goes on, or when a
//! network that was cut is whole again. What puts bindings therefore says until when it may run, by Redis's own clock. A
//! removal needs no such limit: it names what it removes so that nothing later is meant.
//!
//! # What is not as in memory
//!
//! How many AORs there may be is not a rule here: a count over all slots cannot be part of an atomic step on one. What bounds
//! Redis is its own `maxmemory`. With `maxmemory-policy noeviction` a full Redis refuses what needs room; the
//! REGISTER is then answered 503, lookups and removals still work, and [`Failures::refused`](super::Failures) counts it.
//! Any other policy would throw bindings away that nobody knows to be missing.

mod moved;
mod outcome;
mod settled;
mod text;

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use crate::binding::{Aor, Binding, Timestamp};
use crate::flow::{Flow, NodeRun};
use crate::location::{Bindings, Known, Unavailable, UpdateError};

use super::client::{Failed, Redis};
use super::script::{Arg, Script};
use super::value::Value;

use text::Stored;

pub(crate) use moved::Moved;
pub use outcome::{RestoreFailed, Restored, UpdateFailed, Updated};
pub use settled::Settled;

macro_rules! script {
    ($file:literal) => {
        Script::new(concat!(include_str!("common.lua"), include_str!($file)))
    };
}

static UPDATE: Script = script!("update.lua");
static RESTORE: Script = script!("restore.lua");
static REMOVE: Script = script!("remove.lua");

/// The bindings of all AORs, in Redis. A holder is stored and returned as it is given.
#[derive(Clone)]
pub struct Store {
    redis: Redis,
    remember: Duration,
}

impl Store {
    /// With AORs known for as long as `remember` after their last binding ended.
    pub fn new(redis: Redis, remember: Duration) -> Self {
        Self { redis, remember }
    }

    /// As [`Location::update`](crate::location::Location::update), but for the limit of AORs. `me` is the node that makes
    /// it. It is not made any more `not_after` a time by Redis's own clock.
    pub async fn update(
        &self,
        update: &Settled,
        me: &str,
        not_after: Option<Timestamp>,
    ) -> Result<Updated, UpdateFailed> {
        let Settled { aor, call_id, cseq, put, removed, max_bindings, now } = update;
        if update.is_query() {
            let kept = match self.lookup(aor, *now).await? {
                Known::Yes(bindings) => bindings,
                Known::No => Bindings::new(),
            };
            return Ok(Updated { kept, ..Updated::default() });
        }
        let mut text = Text::default();
        let call_id = text.add(|into| text::escape(call_id, into));
        let mine = text.add(|into| text::write_node(me, into));
        let mut parts = Vec::with_capacity(2 * put.len() + removed.as_ref().map_or(1, Vec::len));
        for binding in put {
            parts.push(text.add(|into| text::write_field(&binding.key, into)));
            parts.push(text.add(|into| text::write_value(binding, into)));
        }
        match removed {
            None => parts.push(text.add(|into| into.push(b'*'))),
            Some(removed) => {
                parts.extend(removed.iter().map(|key| text.add(|into| text::write_field(key, into))));
            }
        }
        let mut args = Vec::with_capacity(8 + parts.len());
        args.extend(self.times(*now, not_after));
        args.push(number(*max_bindings));
        args.extend([text.arg(call_id), Arg::Number((*cseq).into()), text.arg(mine), number(put.len())]);
        args.extend(parts.into_iter().map(|part| text.arg(part)));
        match self.eval(&UPDATE, aor, &args).await? {
            Value::List(reply) => Ok(Updated::read(aor, reply)),
            Value::Number(-1) => Err(UpdateError::OutOfOrder.into()),
            Value::Number(-2) => Err(UpdateError::TooManyBindings.into()),
            other => Err(self.redis.unexpected(&other).into()),
        }
    }

    /// As [`Location::lookup`](crate::location::Location::lookup).
    pub async fn lookup(&self, aor: &Aor, now: Timestamp) -> Result<Known, Unavailable> {
        let fields = self.redis.hash(&self.key(aor)).await?;
        let mut ended: Option<Timestamp> = None;
        if let Some(value) = value_of(&fields, b"ended") {
            ended = str::from_utf8(value).ok().and_then(|text| text.parse().ok()).map(Timestamp);
        }
        let mut live: Vec<Stored> = Vec::new();
        for stored in read_all(aor, fields) {
            if stored.binding.is_live(now) {
                live.push(stored);
            } else {
                ended = ended.max(Some(stored.binding.expires_at));
            }
        }
        live.sort_by_key(|stored| Reverse((stored.binding.updated_at, stored.seq)));
        Ok(match ended {
            _ if !live.is_empty() => Known::Yes(live.into_iter().map(|stored| stored.binding).collect()),
            Some(ended) if now < ended || now.since(ended) < self.remember => Known::Yes(Bindings::new()),
            _ => Known::No,
        })
    }

    /// Puts bindings of an AOR back, newest first, each unless a newer one is there in its place, and says what became of
    /// each. No limit holds. It is not done any more `not_after` a time by Redis's own clock.
    pub async fn restore(
        &self,
        aor: &Aor,
        bindings: &[Arc<Binding>],
        now: Timestamp,
        not_after: Option<Timestamp>,
    ) -> Result<Vec<Restored>, RestoreFailed> {
        let mut text = Text::default();
        let parts: Vec<Part> = bindings
            .iter()
            .flat_map(|binding| {
                [
                    text.add(|into| text::write_field(&binding.key, into)),
                    text.add(|into| text::write_value(binding, into)),
                ]
            })
            .collect();
        let times = self.times(now, not_after).into_iter();
        let args: Vec<Arg<'_>> = times.chain(parts.into_iter().map(|part| text.arg(part))).collect();
        let value = self.eval(&RESTORE, aor, &args).await?;
        let restored = |value: &Value| match value.number()? {
            0 => Some(Restored::Outdated),
            1 => Some(Restored::Put),
            _ => Some(Restored::Present),
        };
        let all = match &value {
            Value::List(values) => values.iter().map(restored).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let all = all.filter(|all| all.len() == bindings.len());
        all.ok_or_else(|| RestoreFailed { error: self.redis.unexpected(&value), is_doubtful: false })
    }

    /// Removes the bindings of an AOR that are still reached over this holder's flow, and were updated until `now`;
    /// returns how many live ones went.
    pub async fn remove_on(
        &self,
        aor: &Aor,
        holder: &NodeRun,
        flow: &Flow,
        now: Timestamp,
    ) -> Result<usize, Unavailable> {
        let mut on = vec![b' '];
        text::write_holder(holder, true, &mut on);
        text::write_flow(flow, &mut on);
        self.count(&REMOVE, aor, now, [Arg::Octets(&on), Arg::Number(now.0)]).await
    }

    /// Removes the bindings of an AOR that are reached over any flow of a holder that is gone; returns how many live
    /// ones went. Those that came by a proxy stay.
    pub async fn remove_of(&self, aor: &Aor, holder: &NodeRun, now: Timestamp) -> Result<usize, Unavailable> {
        let mut of = vec![b' '];
        text::write_holder(holder, true, &mut of);
        self.count(&REMOVE, aor, now, [Arg::Octets(&of)]).await
    }

    /// Removes what one REGISTER put over one flow under one holder, if it is still there; returns how many live ones went.
    pub async fn remove_one(
        &self,
        aor: &Aor,
        binding: &Binding,
        now: Timestamp,
    ) -> Result<usize, Unavailable> {
        let mut exactly = vec![b' '];
        text::write_identity(binding, &mut exactly);
        self.count(&REMOVE, aor, now, [Arg::Octets(&exactly)]).await
    }

    async fn count(
        &self,
        script: &'static Script,
        aor: &Aor,
        now: Timestamp,
        args: impl IntoIterator<Item = Arg<'_>>,
    ) -> Result<usize, Unavailable> {
        let args: Vec<Arg<'_>> = self.times(now, None).into_iter().chain(args).collect();
        let value = self.eval(script, aor, &args).await?;
        let count = value.number().and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| self.redis.unexpected(&value))
    }

    async fn eval(&self, script: &'static Script, aor: &Aor, args: &[Arg<'_>]) -> Result<Value, Failed> {
        match self.redis.eval_or_doubt(script, &self.key(aor), args).await? {
            Value::Number(-3) => Err(self.redis.too_late()),
            value => Ok(value),
        }
    }

    fn times(&self, now: Timestamp, not_after: Option<Timestamp>) -> [Arg<'static>; 3] {
        let remember = u64::try_from(self.remember.as_millis()).unwrap_or(u64::MAX);
        let not_after = not_after.map_or(0, |not_after| not_after.0);
        [Arg::Number(now.0), Arg::Number(remember), Arg::Number(not_after)]
    }

    fn key(&self, aor: &Aor) -> Vec<u8> {
        let prefix = self.redis.prefix().as_bytes();
        [prefix, b":aor:{", aor.as_bytes(), b"}"].concat()
    }
}

/// Those fields that are bindings.
fn read_all(aor: &Aor, fields: Vec<Value>) -> impl Iterator<Item = Stored> {
    let mut fields = fields.into_iter();
    std::iter::from_fn(move || Some((fields.next()?, fields.next()?))).filter_map(move |(field, value)| {
        let (field, value) = (field.octets()?, value.octets()?);
        let read = text::read(field, value);
        if read.is_none() && field != b"ended" {
            tracing::warn!(%aor, field = %field.escape_ascii(), "what Redis holds is no binding");
        }
        read
    })
}

fn value_of<'a>(fields: &'a [Value], name: &[u8]) -> Option<&'a [u8]> {
    let pair = fields.chunks_exact(2).find(|pair| pair[0].octets() == Some(name))?;
    pair[1].octets()
}

fn number(count: usize) -> Arg<'static> {
    Arg::Number(u64::try_from(count).unwrap_or(u64::MAX))
}

/// The texts of one call, in one allocation.
#[derive(Default)]
struct Text(Vec<u8>);

/// A text among those of a call.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    end: usize,
}

impl Text {
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Part {
        let start = self.0.len();
        write(&mut self.0);
        Part { start, end: self.0.len() }
    }

    fn arg(&self, part: Part) -> Arg<'_> {
        Arg::Octets(&self.0[part.start..part.end])
    }
}
