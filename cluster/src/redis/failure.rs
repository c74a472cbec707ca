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

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(text: &str) -> Result<Value, Failure> {
        read(redis::parse_redis_value(text.as_bytes()))
    }

    #[test]
    fn an_answer_is_what_a_script_returned() {
        let octets = |text: &str| Value::Octets(text.as_bytes().to_vec());
        for (text, value) in [
            ("$2\r\nab\r\n", octets("ab")),
            ("+OK\r\n", octets("OK")),
            ("+fine\r\n", octets("fine")),
            (":-3\r\n", Value::Number(-3)),
            ("_\r\n", Value::Nil),
            ("$-1\r\n", Value::Nil),
            ("#t\r\n", Value::Number(1)),
            ("*2\r\n:1\r\n$1\r\na\r\n", Value::List(vec![Value::Number(1), octets("a")])),
            ("%1\r\n+a\r\n:1\r\n", Value::List(vec![octets("a"), Value::Number(1)])),
        ] {
            assert_eq!(answered(text), Ok(value), "{text}");
        }
        assert!(matches!(answered(",1.5\r\n"), Err(Failure::Refused(_))));
    }

    #[test]
    fn an_error_says_what_is_to_be_done() {
        let address = |host: &str, port| Address { host: host.into(), port };
        let not_serving = |words: &str| Failure::NotServing(words.to_owned());
        let refused = |words: &str| Failure::Refused(words.to_owned());
        for (text, failure) in [
            ("NOSCRIPT No matching script.", Failure::UnknownScript),
            ("READONLY You can't write against a read only replica.", Failure::NoMaster),
            ("MOVED 3999 127.0.0.1:6381", Failure::Moved(address("127.0.0.1", 6381))),
            ("MOVED 3999 ::1:6381", Failure::Moved(address("::1", 6381))),
            ("ASK 3999 redis.example.com:6381", Failure::Ask(address("redis.example.com", 6381))),
            ("MOVED 3999 nowhere", not_serving("MOVED 3999 nowhere")),
            ("LOADING Redis is loading", not_serving("LOADING Redis is loading")),
            ("CLUSTERDOWN The cluster is down", not_serving("CLUSTERDOWN The cluster is down")),
            ("BUSY Redis is busy", not_serving("BUSY Redis is busy")),
            ("OOM command not allowed", refused("OOM command not allowed")),
            ("NOPERM this user has no permissions", refused("NOPERM this user has no permissions")),
            ("ERR user_script:1: a fault", refused("ERR user_script:1: a fault")),
        ] {
            assert_eq!(answered(&format!("-{text}\r\n")), Err(failure), "{text}");
        }
        let io = |kind: std::io::ErrorKind| read(Err(std::io::Error::from(kind).into()));
        assert_eq!(io(std::io::ErrorKind::TimedOut), Err(Failure::Late));
        assert_eq!(io(std::io::ErrorKind::ConnectionReset), Err(Failure::Lost));
    }
}
