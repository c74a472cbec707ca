//! The leases of all nodes in Redis: what their script is given, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use crate::binding::Timestamp;
use crate::directory::{Answer, Claim, Found};
use crate::flow::NodeRun;
use crate::location::Unavailable;

use super::client::Redis;
use super::script::{Arg, Script};
use super::value::Value;

static LEASE: Script = Script::new(include_str!("lease.lua"));

/// The leases of a cluster's nodes.
pub(crate) struct Leases {
    redis: Redis,
    key: Vec<u8>,
    lasts: u64,
}

/// The leases that were live at a time.
#[derive(Debug)]
pub(crate) struct Reading {
    /// By Redis's clock.
    pub(crate) now: Timestamp,
    /// Nodes and their lines, in no order.
    pub(crate) lines: Vec<(String, String)>,
}

impl Leases {
    /// A lease that is not renewed for as long as it `lasts` is over.
    pub(crate) fn new(redis: Redis, lasts: Duration) -> Self {
        let key = format!("{}:{{nodes}}", redis.prefix()).into_bytes();
        Self { redis, key, lasts: u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX) }
    }

    /// Renews a lease, or takes it anew, with what its node says of itself.
    pub(crate) async fn renew(&self, claim: &Claim, says: &str) -> Result<(Answer, Reading), Unavailable> {
        let Claim { run, at, epoch, confirmed, number } = claim;
        let args = [
            "renew".into(),
            self.lasts.into(),
            (&*run.node).into(),
            run.epoch.into(),
            (&**at).into(),
            (*epoch).into(),
            (*confirmed).into(),
            (*number).into(),
            says.into(),
        ];
        self.run(&args, |done, epoch, by| {
            let found = match done {
                "held" => return Some(Answer::Held { epoch }),
                "refused" => return Some(Answer::Refused { at: Arc::from(by) }),
                "nothing" => Found::Nothing,
                "over" => Found::Over,
                "older" => Found::Older,
                "another" => Found::AnotherRun,
                _ => return None,
            };
            Some(Answer::Taken { epoch, found })
        })
        .await
    }

    /// Only looks.
    pub(crate) async fn read(&self) -> Result<Reading, Unavailable> {
        let ((), reading) = self.run(&["read".into(), self.lasts.into()], |_, _, _| Some(())).await?;
        Ok(reading)
    }

    /// Gives the lease of this run up, if there is one.
    pub(crate) async fn leave(&self, run: &NodeRun) -> Result<(), Unavailable> {
        let args = ["leave".into(), self.lasts.into(), (&*run.node).into(), run.epoch.into()];
        self.run(&args, |_, _, _| Some(())).await.map(|_| ())
    }

    async fn run<T>(
        &self,
        args: &[Arg<'_>],
        answer: impl FnOnce(&str, u64, &str) -> Option<T>,
    ) -> Result<(T, Reading), Unavailable> {
        let value = self.redis.eval(&LEASE, &self.key, args).await?;
        // Only another script than ours could say anything else.
        read(value, answer).ok_or(Unavailable { retry_after: Duration::from_millis(self.lasts) })
    }
}

fn read<T>(value: Value, answer: impl FnOnce(&str, u64, &str) -> Option<T>) -> Option<(T, Reading)> {
    let mut texts = value.list()?.into_iter().map(|value| match value {
        Value::Octets(octets) => String::from_utf8(octets).ok(),
        _ => None,
    });
    let mut next = || texts.next().flatten();
    let (done, epoch, now, by) = (next()?, next()?, next()?, next()?);
    let answer = answer(&done, epoch.parse().ok()?, &by)?;
    let now = Timestamp(now.parse().ok()?);
    let lines = std::iter::from_fn(|| Some((next()?, next()?))).collect();
    Some((answer, Reading { now, lines }))
}
