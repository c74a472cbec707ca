//! Why a command failed.

use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};

use super::slots::Address;
use super::value::Value;

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("there is no connection")]
    NotConnected,
    #[error("the connection broke")]
    Lost,
    #[error("no answer in time")]
    Late,
    /// It is for a Redis that has become a replica.
    #[error("the server is a replica")]
    NoMaster,
    /// It has the server's own words, as all that follow.
    #[error("{0}")]
    NotServing(String),
    #[error("{0}")]
    Refused(String),
    #[error("the server does not know the script")]
    UnknownScript,
    /// Another master of the Redis Cluster has the key.
    #[error("the key moved to {0:?}")]
    Moved(Address),
    /// It is on its way to another master, which is to be asked this once.
    #[error("the key is moving to {0:?}")]
    Ask(Address),
}

/// What Redis answered.
pub(super) fn read(answer: RedisResult<redis::Value>) -> Result<Value, Failure> {
    match answer {
        Ok(value) => convert(value),
        Err(error) => Err(of(&error)),
    }
}

fn convert(value: redis::Value) -> Result<Value, Failure> {
    match value {
        redis::Value::Nil => Ok(Value::Nil),
        redis::Value::Int(number) => Ok(Value::Number(number)),
        redis::Value::Boolean(truth) => Ok(Value::Number(truth.into())),
        redis::Value::BulkString(octets) => Ok(Value::Octets(octets)),
        redis::Value::SimpleString(text) => Ok(Value::Octets(text.into_bytes())),
        redis::Value::Okay => Ok(Value::Octets(b"OK".to_vec())),
        redis::Value::Array(values) => {
            values.into_iter().map(convert).collect::<Result<_, _>>().map(Value::List)
        }
        redis::Value::Map(pairs) => {
            let values = pairs.into_iter().flat_map(|(field, value)| [field, value]);
            values.map(convert).collect::<Result<_, _>>().map(Value::List)
        }
        redis::Value::ServerError(error) => Err(of(&RedisError::from(error))),
        other => Err(Failure::Refused(format!("an answer of an unexpected kind: {other:?}"))),
    }
}

fn of(error: &RedisError) -> Failure {
    let words = || match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    };
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::NoScript) => Failure::UnknownScript,
        ErrorKind::Server(kind @ (ServerErrorKind::Moved | ServerErrorKind::Ask)) => {
            let address = error.redirect_node().and_then(|(address, _)| address.rsplit_once(':'));
            let read = |(host, port): (&str, &str)| {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                Some(Address { host: host.into(), port: port.parse().ok()? })
            };
            match address.and_then(read) {
                Some(address) if kind == ServerErrorKind::Moved => Failure::Moved(address),
                Some(address) => Failure::Ask(address),
                None => Failure::NotServing(words()),
            }
        }
        ErrorKind::Server(ServerErrorKind::ReadOnly) => Failure::NoMaster,
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::TryAgain,
        ) => Failure::NotServing(words()),
        _ if error.is_timeout() => Failure::Late,
        _ if error.is_io_error() => Failure::Lost,
        _ if error.code() == Some("BUSY") => Failure::NotServing(words()),
        _ => Failure::Refused(words()),
    }
}
