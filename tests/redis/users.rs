//! The users of a cluster in Redis: what is stored of each, and who hears of changes.

use flowhold_cluster::redis::{Fields, News, Redis, Users};

use crate::support::RedisServer;
use crate::{Worker, settings};

const ALICE: &[u8] = b"alice@example.com";
const HASHES: [&str; 2] = ["one", "two"];

fn pairs(fields: &[(&str, &str)]) -> Fields {
    fields.iter().map(|(field, value)| (field.as_bytes().into(), value.as_bytes().into())).collect()
}

#[test]
fn a_user_is_a_hash_whose_other_fields_stay() {
    let (server, worker) = (RedisServer::start(), Worker::start());
    let users = Users::new(Redis::new(settings(server.url())).unwrap());
    worker.runtime.block_on(async {
        assert_eq!(users.get(ALICE).await, Ok(None));
        assert_eq!(users.remove(ALICE).await, Ok(false));
        users.put(ALICE, &HASHES, &[("one", "1"), ("two", "2")]).await.unwrap();
        assert_eq!(users.get(ALICE).await, Ok(Some(pairs(&[("one", "1"), ("two", "2")]))));
        let key = "flowhold:user:{alice@example.com}";
        server.command(&["HSET", key, "desk", "7"]);
        users.put(ALICE, &HASHES, &[("two", "3")]).await.unwrap();
        assert_eq!(server.command(&["HGETALL", key]), "desk\n7\ntwo\n3");
        assert_eq!(users.remove(ALICE).await, Ok(true));
        assert_eq!(server.command(&["KEYS", "*"]), "");
    });
}

#[test]
fn changes_are_heard_of_once_and_too_many_are_any() {
    let (server, worker) = (RedisServer::start(), Worker::start());
    let users = Users::new(Redis::new(settings(server.url())).unwrap());
    let news =
        |since: Option<&News>| worker.runtime.block_on(users.news(since.map(|news| &*news.place))).unwrap();
    let tell = |name: &[u8]| worker.runtime.block_on(users.tell(name)).unwrap();
    let none = news(None);
    assert_eq!(none.changed, Some(vec![]));
    tell(ALICE);
    let first = news(Some(&none));
    assert_eq!(first.changed, Some(vec![ALICE.into()]));
    assert_eq!(news(None).changed, Some(vec![]), "who begins now has read nothing before");
    tell(b"bob@example.com");
    // As an operator writes it.
    server.command(&["XADD", "flowhold:users:changed", "*", "user", "carol@example.com"]);
    let second = news(Some(&first));
    assert_eq!(
        second.changed,
        Some(vec![b"bob@example.com".as_slice().into(), b"carol@example.com".as_slice().into()])
    );
    assert_eq!(news(Some(&second)), News { changed: Some(vec![]), ..second.clone() });
    for _ in 0..1001 {
        tell(ALICE);
    }
    assert_eq!(server.command(&["XLEN", "flowhold:users:changed"]), "1000");
    let third = news(Some(&second));
    assert_eq!(third.changed, None);
    assert_eq!(news(Some(&third)).changed, Some(vec![]));
}
