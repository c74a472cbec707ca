//! What this crate's tests share with those of the whole: a `redis-server` of their own, and waiting for conditions.
#![allow(dead_code, reason = "each test target uses its own part of it")]

#[path = "../../../tests/support/redis.rs"]
pub(crate) mod redis;
#[path = "../../../tests/support/wait.rs"]
pub(crate) mod wait;

pub(crate) use redis::RedisServer;
