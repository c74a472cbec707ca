use super::*;

fn nonces(node: &str, epoch: u64, secrets: &[&'static [u8]]) -> Nonces {
    Nonces::new(Keys::new(secrets.iter().copied()), &run(node, epoch), LIFETIME)
}

const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

#[test]
fn a_nonce_is_good_until_it_has_aged() {
    let nonces = nonces("a", 1, &[SECRET]);
    let text = nonces.mint(START, 7, HERE);
    let nonce = nonces.read(text.as_bytes(), HERE, START + Duration::from_millis(299_999)).good().unwrap();
    assert_eq!((nonce.minted, nonce.id, nonce.is_own), (START, 7, true));
    assert_eq!(nonces.read(text.as_bytes(), HERE, START + LIFETIME), Reading::Aged);
}

#[test]
fn a_nonce_that_was_changed_is_none_of_ours() {
    let nonces = nonces("a", 1, &[SECRET]);
    let text = nonces.mint(START, 7, HERE);
    for at in 0..text.len() {
        let mut other = text.clone().into_bytes();
        other[at] = if other[at] == b'0' { b'1' } else { b'0' };
        assert_eq!(nonces.read(&other, HERE, START), Reading::Other, "digit {at}");
    }
    assert_eq!(nonces.read(&text.as_bytes()[2..], HERE, START), Reading::Other);
    assert_eq!(nonces.read(b"", HERE, START), Reading::Other);
}

#[test]
fn a_nonce_is_good_from_the_address_that_it_was_given_to() {
    let nonces = nonces("a", 1, &[SECRET]);
    let text = nonces.mint(START, 7, HERE);
    assert_eq!(nonces.read(text.as_bytes(), "192.0.2.2".parse().unwrap(), START), Reading::Other);
    let mapped = "::ffff:192.0.2.1".parse().unwrap();
    assert!(nonces.read(text.as_bytes(), mapped, START).good().is_some(), "the same in IPv6's words");
}

#[test]
fn another_node_and_a_later_run_take_it_for_as_long_as_an_answer_takes() {
    let text = nonces("a", 1, &[SECRET]).mint(START, 7, HERE);
    for other in [nonces("b", 1, &[SECRET]), nonces("a", 2, &[SECRET])] {
        let soon = START + Duration::from_secs(30);
        assert!(!other.read(text.as_bytes(), HERE, soon).good().unwrap().is_own);
        assert_eq!(other.read(text.as_bytes(), HERE, START + Duration::from_secs(38)), Reading::Aged);
    }
    let foreign = nonces("b", 1, &[b"another cluster's secret"]);
    assert_eq!(foreign.read(text.as_bytes(), HERE, START), Reading::Other);
}

#[test]
fn clocks_of_nodes_may_differ_by_a_little() {
    let text = nonces("a", 1, &[SECRET]).mint(START + Duration::from_secs(4), 7, HERE);
    let other = nonces("b", 1, &[SECRET]);
    assert!(other.read(text.as_bytes(), HERE, START).good().is_some());
    let far = nonces("a", 1, &[SECRET]).mint(START + Duration::from_secs(6), 7, HERE);
    assert_eq!(other.read(far.as_bytes(), HERE, START), Reading::Aged);
}

#[test]
fn secrets_can_be_changed_while_nonces_are_out() {
    const NEW: &[u8] = b"the secret of tomorrow";
    let (old, both, new) =
        (nonces("a", 1, &[SECRET]), nonces("a", 1, &[NEW, SECRET]), nonces("a", 1, &[SECRET, NEW]));
    let of_old = old.mint(START, 7, HERE);
    assert!(both.read(of_old.as_bytes(), HERE, START).good().is_some());
    let of_both = both.mint(START, 7, HERE);
    assert!(new.read(of_both.as_bytes(), HERE, START).good().is_some(), "added last on every node first");
    assert_eq!(old.read(of_both.as_bytes(), HERE, START), Reading::Other);
}
