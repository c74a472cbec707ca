//! The users of a cluster, in Redis: of each some fields of text, which mean nothing here.
//!
//! # What is stored
//!
//! | key | value |
//! | --- | --- |
//! | `PREFIX:user:{NAME@REALM}` | a hash with the user's fields |
//! | `PREFIX:users:changed` | a stream with the names of the users that have changed, the last 1,000 of them |
//!
//! A user is one key, so in a Redis Cluster its slot is its own. The stream is on another key, hence written by a command of
//! its own, after the user: whoever reads it finds what it tells of. It spares those who remember users from asking again
//! and again; that it was not written costs them time, and nothing else.

use crate::location::Unavailable;

use super::client::Redis;
use super::script::{Arg, Script};
use super::value::Value;

static PUT: Script = Script::new(include_str!("put.lua"));
static REMOVE: Script = Script::new("return redis.call('DEL', KEYS[1])");
static TELL: Script =
    Script::new("return redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*', 'user', ARGV[2])");
static NEWS: Script = Script::new(include_str!("news.lua"));

/// How many changes are kept for those who have not heard of them.
const KEPT: u64 = 1000;

/// The users of a cluster.
#[derive(Clone)]
pub struct Users {
    redis: Redis,
}

/// A user's fields: name and value.
pub type Fields = Vec<(Box<[u8]>, Box<[u8]>)>;

/// Which users have changed since a place in the stream of changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// Where to go on from.
    pub place: Box<[u8]>,
    /// Their names; none: too many to tell, so it may be any.
    pub changed: Option<Vec<Box<[u8]>>>,
}

impl Users {
    /// Those that are stored in this Redis.
    pub fn new(redis: Redis) -> Self {
        Self { redis }
    }

    /// A user's fields; none: there is no such user. `name` is `NAME@REALM`.
    pub async fn get(&self, name: &[u8]) -> Result<Option<Fields>, Unavailable> {
        let fields = self.redis.hash(&self.key(name)).await?;
        if fields.is_empty() {
            return Ok(None);
        }
        let octets = |value: Value| match value {
            Value::Octets(octets) => Some(octets.into_boxed_slice()),
            _ => None,
        };
        let mut values = fields.into_iter().filter_map(octets);
        Ok(Some(std::iter::from_fn(|| Some((values.next()?, values.next()?))).collect()))
    }

    /// Stores these fields in the place of `gone`, and leaves what else is there of the user. When this fails, it may have
    /// been done all the same; so may [`Users::remove`].
    pub async fn put(&self, name: &[u8], gone: &[&str], fields: &[(&str, &str)]) -> Result<(), Unavailable> {
        let count = u64::try_from(gone.len()).unwrap_or(u64::MAX);
        let fields = fields.iter().flat_map(|(field, value)| [Arg::from(*field), Arg::from(*value)]);
        let gone = gone.iter().map(|field| Arg::from(*field));
        let args: Vec<Arg<'_>> = std::iter::once(Arg::Number(count)).chain(gone).chain(fields).collect();
        self.redis.eval(&PUT, &self.key(name), &args).await.map(|_| ())
    }

    /// Removes a user. False: there was none.
    pub async fn remove(&self, name: &[u8]) -> Result<bool, Unavailable> {
        let removed = self.redis.eval(&REMOVE, &self.key(name), &[]).await?;
        Ok(removed.number() == Some(1))
    }

    /// Tells all who remember users that this one has changed.
    pub async fn tell(&self, name: &[u8]) -> Result<(), Unavailable> {
        self.redis.eval(&TELL, &self.stream(), &[Arg::Number(KEPT), name.into()]).await.map(|_| ())
    }

    /// Which users have changed since that place; without one nothing but the place to go on from.
    pub async fn news(&self, since: Option<&[u8]>) -> Result<News, Unavailable> {
        let args = [Arg::Octets(since.unwrap_or_default()), Arg::Number(KEPT)];
        let value = self.redis.eval(&NEWS, &self.stream(), &args).await?;
        read_news(&value).ok_or_else(|| self.redis.unexpected(&value))
    }

    fn key(&self, name: &[u8]) -> Vec<u8> {
        [self.redis.prefix().as_bytes(), b":user:{", name, b"}"].concat()
    }

    fn stream(&self) -> Vec<u8> {
        [self.redis.prefix().as_bytes(), b":users:changed"].concat()
    }
}

fn read_news(value: &Value) -> Option<News> {
    let Value::List(parts) = value else { return None };
    let [place, is_more, names @ ..] = parts.as_slice() else { return None };
    let names = names.iter().map(|name| Some(name.octets()?.into())).collect::<Option<Vec<_>>>()?;
    Some(News { place: place.octets()?.into(), changed: (is_more.number()? == 0).then_some(names) })
}
