//! What a token promises: it comes back whole, nobody changes it, it tells nothing, and keys can be changed.

#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;

const OLD: &[u8] = b"the first secret, long enough";
const NEW: &[u8] = b"another secret, also long enough";

fn ring(secrets: &[(u8, &'static [u8])]) -> KeyRing {
    KeyRing::new(secrets.iter().copied()).unwrap()
}

fn token(remote: Option<&str>) -> FlowToken {
    FlowToken {
        run: NodeRun { node: "a".into(), epoch: 1_760_000_000_000 },
        flow: FlowId { worker: 3, slot: 17, generation: 2 },
        over: remote.map_or(Over::Tcp, |remote| Over::Udp(remote.parse().unwrap())),
    }
}

fn octets(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

const STREAMS: [Over; 4] = [Over::Tcp, Over::Tls, Over::Ws, Over::Wss];

fn overs() -> impl Strategy<Value = Over> {
    let v4 = any::<([u8; 4], u16)>().prop_map(|(ip, port)| SocketAddr::new(Ipv4Addr::from(ip).into(), port));
    let v6 = (any::<[u8; 16]>(), any::<u16>(), prop_oneof![Just(0), any::<u32>()])
        .prop_map(|(ip, port, scope)| SocketAddrV6::new(Ipv6Addr::from(ip), port, 0, scope).into());
    prop_oneof![prop::sample::select(&STREAMS[..]), v4.prop_map(Over::Udp), v6.prop_map(Over::Udp)]
}

fn tokens() -> impl Strategy<Value = FlowToken> {
    ("[a-z0-9._-]{1,63}", any::<u64>(), any::<(u16, u32, u32)>(), overs()).prop_map(
        |(node, epoch, (worker, slot, generation), over)| FlowToken {
            run: NodeRun { node: node.into(), epoch },
            flow: FlowId { worker, slot, generation },
            over,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn s5_2_the_flow_is_had_back_from_its_token(token in tokens()) {
        let keys = ring(&[(1, OLD)]);
        let text = keys.seal(&token);
        prop_assert!(text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_'), "{text}");
        prop_assert_eq!(&keys.seal(&token), &text);
        prop_assert_eq!(keys.open(text.as_bytes()), Ok(token));
        prop_assert_eq!(key_id(text.as_bytes()), Ok(1));
    }

    #[test]
    fn s5_2_a_token_with_any_bit_of_its_text_flipped_does_not_open(token in tokens()) {
        let keys = ring(&[(1, OLD)]);
        let text = keys.seal(&token).into_bytes();
        for bit in 0..text.len() * 8 {
            let mut changed = text.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(keys.open(&changed).is_err(), "bit {} of {:?}", bit, text);
        }
    }

    #[test]
    fn s5_2_a_token_with_any_bit_of_its_octets_flipped_does_not_open_and_says_why(token in tokens()) {
        // One secret under two ids: only authentication tells that the id was changed.
        let keys = ring(&[(1, OLD), (3, OLD)]);
        let sealed = octets(&keys.seal(&token));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let expected = match (bit / 8, changed[1]) {
                (0, _) => TokenError::NotAToken,
                (1, 3) | (2.., _) => TokenError::Forged,
                (1, _) => TokenError::UnknownKey,
            };
            prop_assert_eq!(keys.open(URL_SAFE_NO_PAD.encode(&changed).as_bytes()), Err(expected), "bit {}", bit);
        }
    }

    #[test]
    fn a_part_of_a_token_or_more_than_a_token_does_not_open(token in tokens(), more in "[A-Za-z0-9_-]{1,200}") {
        let keys = ring(&[(1, OLD)]);
        let text = keys.seal(&token);
        for length in 0..text.len() {
            prop_assert!(keys.open(&text.as_bytes()[..length]).is_err(), "{} octets", length);
        }
        prop_assert!(keys.open([text, more].concat().as_bytes()).is_err());
    }

    #[test]
    fn octets_that_are_no_token_do_no_harm(text in any::<Vec<u8>>(), rest in any::<Vec<u8>>()) {
        let keys = ring(&[(1, OLD)]);
        prop_assert!(keys.open(&text).is_err());
        let good_head = [&[VERSION, 1], rest.as_slice()].concat();
        prop_assert!(keys.open(URL_SAFE_NO_PAD.encode(good_head).as_bytes()).is_err());
    }

    #[test]
    fn addresses_that_differ_in_a_bit_give_tokens_that_share_nothing(
        ip in any::<[u8; 4]>(), port in any::<u16>(), bit in 0..32usize,
    ) {
        let mut other = ip;
        other[bit / 8] ^= 1 << (bit % 8);
        let keys = ring(&[(1, OLD)]);
        let sealed = |ip: [u8; 4]| {
            let over = Over::Udp(SocketAddr::new(ip.into(), port));
            octets(&keys.seal(&FlowToken { over, ..token(None) }))
        };
        let (one, two) = (sealed(ip), sealed(other));
        prop_assert_eq!(&one[..2], &two[..2]);
        let same: Vec<bool> = one[2..].iter().zip(&two[2..]).map(|(a, b)| a == b).collect();
        let longest = same.split(|same| !same).map(<[bool]>::len).max();
        prop_assert!(longest < Some(4), "{:?} {:?}", one, two);
    }
}

#[test]
fn s5_2_a_token_is_unique_to_its_flow() {
    let keys = ring(&[(1, OLD)]);
    let first = token(Some("192.0.2.1:5060"));
    let FlowId { worker, slot, generation } = first.flow;
    let on = |flow| FlowToken { flow, ..first.clone() };
    let of = |node: &str, epoch| FlowToken { run: NodeRun { node: node.into(), epoch }, ..first.clone() };
    let all = [
        on(FlowId { worker: worker + 1, slot, generation }),
        on(FlowId { worker, slot: slot + 1, generation }),
        on(FlowId { worker, slot, generation: generation + 1 }),
        of("b", first.run.epoch),
        of("a", first.run.epoch + 1),
        token(Some("192.0.2.1:5061")),
        token(Some("192.0.2.2:5060")),
        first.clone(),
    ];
    let all: Vec<FlowToken> =
        all.into_iter().chain(STREAMS.map(|over| FlowToken { over, ..token(None) })).collect();
    let texts: std::collections::BTreeSet<String> = all.iter().map(|token| keys.seal(token)).collect();
    assert_eq!(texts.len(), all.len());
}

#[test]
fn a_token_fits_a_line() {
    let keys = ring(&[(1, OLD)]);
    let length = |remote| keys.seal(&token(remote)).len();
    assert_eq!(length(None), 51);
    for over in STREAMS {
        assert_eq!(
            keys.seal(&FlowToken { over, ..token(None) }).len(),
            51,
            "{over:?}: nobody else's business"
        );
    }
    assert_eq!(length(Some("192.0.2.1:5060")), 59);
    assert_eq!(length(Some("[2001:db8::1]:5060")), 75);
}

#[test]
fn nodes_of_another_build_read_the_same_tokens() {
    // Change the version with the format: nodes of both meet in one cluster.
    let text = ring(&[(1, OLD)]).seal(&token(Some("192.0.2.1:5060")));
    assert_eq!(text, "AQEsgmhMTvS8C4l-pxoq01cMjG-95Zh8WIZ6ncgj5S9tCpv5SzfOmWWDj64");
    let texts = STREAMS.map(|over| ring(&[(1, OLD)]).seal(&FlowToken { over, ..token(None) }));
    let known = [
        "AQFmsmACNcFlyEVe6270y-Jgmy3kEnP_oubQp2LmBgHIFUsOwPw",
        "AQE270tc_Uwc_KWA3_JnK8_JV689mpD6wQhobWU7i4BAdxXrhaI",
        "AQHl1PJh9iWAaW3Kv1otyRxlVQC4c8WGYY1Wr713d37jSoxwmto",
        "AQFZOjf-Q_cxyxFpX2863IP1nWQhjCzqXAvVr4YZ3FCSVxyUErw",
    ];
    assert_eq!(texts, known);
}

#[test]
fn no_two_texts_are_the_same_token() {
    let keys = ring(&[(1, OLD)]);
    let mut stray = 0;
    for remote in [None, Some("192.0.2.1:5060"), Some("[2001:db8::1]:5060")] {
        for node in ["a", "ab", "abc"] {
            let mut token = token(remote);
            token.run.node = node.into();
            let text = keys.seal(&token);
            for last in b'!'..=b'~' {
                let mut other = text.clone().into_bytes();
                *other.last_mut().unwrap() = last;
                assert_eq!(
                    keys.open(&other).is_ok(),
                    other == text.as_bytes(),
                    "{text} with {}",
                    last as char
                );
                stray += usize::from(keys.open(&other) == Err(TokenError::NotAToken));
            }
            for padded in [format!("{text}="), format!("{text}=="), format!("{text} "), format!(" {text}")] {
                assert_eq!(keys.open(padded.as_bytes()), Err(TokenError::NotAToken), "{padded}");
            }
        }
    }
    assert!(stray > 0, "some texts have bits to spare");
}

#[test]
fn keys_rotate() {
    let token = token(Some("192.0.2.1:5060"));
    let before = ring(&[(1, OLD)]);
    let added = ring(&[(1, OLD), (2, NEW)]);
    let first = ring(&[(2, NEW), (1, OLD)]);
    let removed = ring(&[(2, NEW)]);

    let old = before.seal(&token);
    assert_eq!(added.seal(&token), old, "a key that was added last makes no tokens yet");
    let new = first.seal(&token);
    assert_ne!(new, old);
    for (keys, text) in [(&added, &old), (&added, &new), (&first, &old), (&first, &new), (&removed, &new)] {
        assert_eq!(keys.open(text.as_bytes()), Ok(token.clone()));
    }
    assert_eq!(removed.open(old.as_bytes()), Err(TokenError::UnknownKey));
    assert_eq!(before.open(new.as_bytes()), Err(TokenError::UnknownKey));
    assert_eq!(
        ring(&[(1, NEW)]).open(old.as_bytes()),
        Err(TokenError::Forged),
        "the id of one, another secret"
    );
}

#[test]
fn the_key_of_one_run_reads_its_own_tokens_only() {
    let (one, other) = (KeyRing::of_one_run(&[1; 32]), KeyRing::of_one_run(&[2; 32]));
    let text = one.seal(&token(None));
    assert_eq!(one.open(text.as_bytes()), Ok(token(None)));
    assert_eq!(other.open(text.as_bytes()), Err(TokenError::Forged));
}

#[test]
fn a_list_of_secrets_that_makes_no_ring_is_told() {
    let error = |secrets: &[(u8, &'static [u8])]| KeyRing::new(secrets.iter().copied()).unwrap_err();
    assert_eq!(error(&[]), KeyRingError::Empty);
    assert_eq!(error(&[(1, OLD), (7, &[b'x'; MIN_SECRET - 1])]), KeyRingError::TooShort(7));
    assert_eq!(error(&[(1, OLD), (2, NEW), (1, NEW)]), KeyRingError::Repeated(1));
}

#[test]
fn a_key_ring_does_not_show_its_keys() {
    assert_eq!(
        format!("{:?}", ring(&[(1, OLD)])),
        "KeyRing { keys: [Key { id: 1, cipher: AesGcmSiv { .. } }] }"
    );
}

#[test]
#[should_panic(expected = "a node's id has 1 to 63 octets")]
fn a_node_without_a_name_has_no_tokens() {
    let run = NodeRun { node: "".into(), epoch: 1 };
    ring(&[(1, OLD)]).seal(&FlowToken { run, ..token(None) });
}

#[test]
fn s5_3_a_token_names_its_own_flow_and_no_other() {
    let run = token(None).run;
    let flow = Flow { id: token(None).flow, remote: SocketAddr::from(([192, 0, 2, 1], 5060)) };
    let elsewhere = Flow { remote: SocketAddr::from(([192, 0, 2, 1], 5061)), ..flow };
    let later = Flow { id: FlowId { generation: 3, ..flow.id }, ..flow };
    let restarted = NodeRun { epoch: run.epoch + 1, ..run.clone() };

    let udp = FlowToken::of(run.clone(), &flow, Transport::Udp);
    assert_eq!((udp.over, udp.over.transport()), (Over::Udp(flow.remote), Transport::Udp));
    assert!(udp.names(&run, &flow));
    assert!(!udp.names(&run, &elsewhere), "another peer of the same socket");

    let streams = [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
    let streams = streams.map(|transport| {
        let token = FlowToken::of(run.clone(), &flow, transport);
        assert_eq!(token.over.transport(), transport);
        assert_eq!(token.over.remote(), None, "a connection's address is nobody's business");
        assert!(token.names(&run, &flow) && token.names(&run, &elsewhere));
        token
    });
    for token in streams.iter().chain([&udp]) {
        assert!(!token.names(&run, &later), "a later connection with the same addresses");
        assert!(!token.names(&restarted, &flow), "the same place in another run");
    }
}
