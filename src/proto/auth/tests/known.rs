use super::*;

const LIFETIMES: Lifetimes = Lifetimes { fresh: Duration::from_secs(30), stale: HOUR };

fn users(limit: usize) -> KnownUsers {
    KnownUsers::new(LIFETIMES, limit, (1, 2))
}

fn secrets(password: &str) -> Arc<Secrets> {
    Arc::new(Secrets::of(&user("alice"), password.as_bytes(), &[Algorithm::Md5]))
}

fn after(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

#[test]
fn what_was_read_is_good_for_a_while_also_that_nobody_is_there() {
    let mut known = users(10);
    assert_eq!(known.get(START, &user("alice")), None);
    known.put(START, &user("alice"), Some(secrets("one")));
    known.put(START, &user("nobody"), None);
    assert_eq!(known.get(after(29), &user("alice")), Some(Some(secrets("one"))));
    assert_eq!(known.get(after(29), &user("nobody")), Some(None));
    assert_eq!(known.get(after(30), &user("alice")), None);
    assert_eq!(known.get(after(30), &user("nobody")), None);
}

#[test]
fn while_nobody_can_be_asked_users_are_good_for_longer_and_invented_names_are_not() {
    let mut known = users(10);
    known.put(START, &user("alice"), Some(secrets("one")));
    known.put(START, &user("nobody"), None);
    assert_eq!(known.get_stale(after(3599), &user("alice")), Some(secrets("one")));
    assert_eq!(known.get_stale(after(3600), &user("alice")), None);
    assert_eq!(known.get_stale(after(31), &user("nobody")), None);
}

#[test]
fn it_is_noticed_that_a_user_has_changed() {
    let mut known = users(10);
    assert!(!known.put(START, &user("alice"), Some(secrets("one"))), "nothing was known");
    assert!(!known.put(START, &user("alice"), Some(secrets("one"))), "the same as before");
    assert!(known.put(START, &user("alice"), Some(secrets("two"))));
    assert!(known.put(START, &user("alice"), None), "removed");
    assert_eq!(known.get(START, &user("alice")), Some(None));
    assert!(
        !known.put(START, &user("alice"), Some(secrets("two"))),
        "nobody has trusted a name that nobody had"
    );
    assert_eq!(known.len(), (1, 0));
    known.forget(&user("alice"));
    assert_eq!(known.get_stale(START, &user("alice")), None);
    assert!(known.is_empty());
}

#[test]
fn invented_names_push_no_user_out_and_have_a_limit_as_users_have() {
    let mut known = users(3);
    known.put(START, &user("alice"), Some(secrets("one")));
    for name in 0..1000 {
        known.put(START, &user(&format!("invented{name}")), None);
    }
    assert_eq!(known.len(), (1, 3));
    assert_eq!(known.get(START, &user("alice")), Some(Some(secrets("one"))));
    for name in 0..5 {
        known.put(START, &user(&format!("user{name}")), Some(secrets("x")));
        known.put(START, &user("alice"), Some(secrets("one")));
    }
    assert_eq!(known.len(), (3, 3));
    assert!(known.get(START, &user("alice")).is_some(), "who is read again stays");
    assert_eq!(known.get(START, &user("user0")), None);
}

#[test]
fn users_who_come_and_go_leave_nothing_behind() {
    let mut known = users(2);
    for _ in 0..100 {
        known.put(START, &user("alice"), Some(secrets("one")));
        known.put(START, &user("alice"), None);
    }
    known.put(START, &user("bob"), Some(secrets("one")));
    known.put(START, &user("carol"), Some(secrets("one")));
    assert_eq!(known.len(), (2, 1));
    known.forget_all();
    assert!(known.is_empty());
}

#[test]
fn who_follows_changes_hears_of_each_or_that_it_was_too_many() {
    let mut changed = Changed::default();
    assert_eq!(changed.since(0), Some(vec![]));
    changed.add(user("alice"));
    changed.add(user("bob"));
    assert_eq!(changed.version(), 2);
    assert_eq!(changed.since(0), Some(vec![user("alice"), user("bob")]));
    assert_eq!(changed.since(1), Some(vec![user("bob")]));
    assert_eq!(changed.since(2), Some(vec![]));
    changed.add_all();
    assert_eq!((changed.since(2), changed.since(3)), (None, Some(vec![])));
    changed.add(user("carol"));
    assert_eq!((changed.since(2), changed.since(3)), (None, Some(vec![user("carol")])));
    for _ in 0..2000 {
        changed.add(user("dave"));
    }
    assert_eq!(changed.since(4), None);
}
