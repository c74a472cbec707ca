use super::*;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const OUTBOUND: Registered = Registered { flow_timer: None, outbound_required: true };
const PLAIN: Registered = Registered { flow_timer: None, outbound_required: false };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn with_flow_timer(flow_timer: u64) -> Registered {
    Registered { flow_timer: Some(seconds(flow_timer)), ..OUTBOUND }
}

/// A client whose REGISTER has just been answered.
fn registered(now: Instant, pace: Pace, registered: Registered) -> Client {
    let mut client = Client::new(pace);
    client.registered(now, registered, 0);
    client
}

/// Every interval between pings that are all answered at once.
fn intervals(client: &mut Client, start: Instant, count: usize) -> Vec<Duration> {
    let mut random = StdRng::seed_from_u64(5626);
    let mut last = start;
    let mut intervals = Vec::with_capacity(count);
    while intervals.len() < count {
        let now = client.deadline().expect("pings go on");
        let Due::Ping(ping) = client.expire(now, random.random()) else { panic!("a ping") };
        match ping {
            Ping::Crlf => _ = client.pong(now),
            Ping::Stun(transaction) => {
                assert!(client.stun_response(now, &mapped(transaction, 1)).unwrap().is_some());
            }
        }
        intervals.push(now - last);
        last = now;
    }
    intervals
}

fn mapped(transaction: [u8; 12], port: u16) -> stun::BindingResponse {
    stun::BindingResponse { transaction, outcome: Ok(SocketAddr::from(([192, 0, 2, 1], port))) }
}

fn count(intervals: &[Duration]) -> f64 {
    f64::from(u32::try_from(intervals.len()).unwrap())
}

#[track_caller]
fn assert_within(intervals: &[Duration], shortest: Duration, longest: Duration) {
    for interval in intervals {
        assert!((shortest..=longest).contains(interval), "{interval:?}");
    }
    let mean = intervals.iter().map(Duration::as_secs_f64).sum::<f64>() / count(intervals);
    let expected = f64::midpoint(shortest.as_secs_f64(), longest.as_secs_f64());
    assert!((mean / expected - 1.0).abs() < 0.01, "the mean is {mean}");
}

#[test]
fn s4_4_a_million_intervals_are_80_to_100_percent_of_flow_timer() {
    let start = Instant::now();
    let mut client = registered(start, Pace::STREAM, with_flow_timer(120));
    let intervals = intervals(&mut client, start, 1_000_000);
    assert_within(&intervals, seconds(96), seconds(120));
    let mean = intervals.iter().map(Duration::as_secs_f64).sum::<f64>() / count(&intervals);
    assert!((mean / 120.0 / 0.9 - 1.0).abs() < 0.01, "the mean is {mean}");
    // The whole range is used.
    assert!(
        *intervals.iter().min().unwrap() < seconds(97) && *intervals.iter().max().unwrap() > seconds(119)
    );
}

#[test]
fn s4_4_1_without_flow_timer_a_stream_is_pinged_every_95_to_120_seconds() {
    let start = Instant::now();
    let mut client = registered(start, Pace::STREAM, OUTBOUND);
    assert_within(&intervals(&mut client, start, 100_000), seconds(95), seconds(120));
}

#[test]
fn s4_4_1_on_a_battery_it_is_672_to_840_seconds() {
    let start = Instant::now();
    let mut client = registered(start, Pace::STREAM_ON_BATTERY, OUTBOUND);
    assert_within(&intervals(&mut client, start, 100_000), seconds(672), seconds(840));
}

#[test]
fn s4_4_2_without_flow_timer_udp_is_pinged_every_24_to_29_seconds() {
    let start = Instant::now();
    let mut client = registered(start, Pace::UDP, OUTBOUND);
    assert_within(&intervals(&mut client, start, 100_000), seconds(24), seconds(29));
}

#[test]
fn s4_4_1_no_pong_in_10_seconds_fails_the_flow_where_outbound_was_required() {
    let start = Instant::now();
    let mut client = registered(start, Pace::STREAM, with_flow_timer(100));
    let sent = start + seconds(80);
    assert_eq!(client.expire(sent, 0), Due::Ping(Ping::Crlf));
    assert_eq!(client.deadline(), Some(sent + seconds(10)));
    assert_eq!(client.expire(sent + seconds(9), 0), Due::NotBefore(sent + seconds(10)));
    assert_eq!(client.expire(sent + seconds(10), 0), Due::Failed(Failure::NoPong));
}

#[test]
fn s4_4_without_outbound_in_require_no_pong_is_waited_for() {
    let start = Instant::now();
    for flow_timer in [None, Some(seconds(5)), Some(seconds(100))] {
        let mut client = registered(start, Pace::STREAM, Registered { flow_timer, ..PLAIN });
        for _ in 0..1000 {
            let now = client.deadline().unwrap();
            assert_eq!(client.expire(now, 7), Due::Ping(Ping::Crlf));
        }
        assert_eq!(client.pong(start + seconds(1_000_000)), None, "one that comes means nothing");
    }
}

#[test]
fn a_pong_tells_how_long_it_took() {
    let start = Instant::now();
    let mut client = registered(start, Pace::STREAM, with_flow_timer(100));
    assert!(!client.has_answered());
    client.expire(start + seconds(80), 0);
    let pong = client.pong(start + seconds(83)).unwrap();
    assert_eq!(pong.round_trip, seconds(3));
    assert!(client.has_answered());
    assert_eq!(client.pong(start + seconds(83)), None, "a second one answers nothing");
    assert_eq!(client.deadline(), Some(start + seconds(160)));
}

#[test]
fn a_flow_timer_below_the_wait_for_a_pong_has_each_ping_answered_in_its_own_time() {
    let start = Instant::now();
    let mut client = registered(start, Pace::STREAM, with_flow_timer(5));
    for ping in 1..=3 {
        assert_eq!(client.expire(start + seconds(4 * ping), 0), Due::Ping(Ping::Crlf));
    }
    // The first, of second 4, has its pong; the second left at 8, and is late at 18.
    client.pong(start + seconds(13)).unwrap();
    assert_eq!(client.expire(start + seconds(16), 0), Due::Ping(Ping::Crlf));
    assert_eq!(client.expire(start + seconds(18), 0), Due::Failed(Failure::NoPong));
}

#[test]
fn s4_4_a_refresh_puts_no_ping_off() {
    let start = Instant::now();
    let mut client = registered(start, Pace::STREAM, with_flow_timer(100));
    client.registered(start + seconds(70), with_flow_timer(100), u128::MAX);
    assert_eq!(client.deadline(), Some(start + seconds(80)));
    client.registered(start + seconds(70), with_flow_timer(10), 0);
    assert_eq!(client.deadline(), Some(start + seconds(78)), "a shorter Flow-Timer counts at once");
}

#[test]
fn s4_4_the_most_recent_response_decides_whether_a_pong_is_expected() {
    let start = Instant::now();
    let mut client = registered(start, Pace::STREAM, with_flow_timer(100));
    client.expire(start + seconds(80), 0);
    client.registered(start + seconds(85), PLAIN, 0);
    assert_eq!(client.expire(start + seconds(90), 0), Due::NotBefore(start + seconds(160)));
    let mut client = registered(start, Pace::STREAM, PLAIN);
    client.expire(start + seconds(95), 0);
    client.registered(start + seconds(96), OUTBOUND, 0);
    assert_eq!(client.deadline(), Some(start + seconds(190)), "the ping of before is not waited for");
}

#[test]
fn a_flow_timer_of_zero_is_none() {
    let start = Instant::now();
    assert_eq!(registered(start, Pace::STREAM, with_flow_timer(0)).deadline(), Some(start + seconds(95)));
}

#[test]
fn s4_4_stun_is_not_sent_without_outbound_in_require() {
    let start = Instant::now();
    let mut client = registered(start, Pace::UDP, Registered { flow_timer: Some(seconds(25)), ..PLAIN });
    assert_eq!((client.deadline(), client.expire(start + seconds(1000), 0)), (None, Due::Idle));
    let known = Pace { is_supported_by_peer: true, ..Pace::UDP };
    let client = registered(start, known, PLAIN);
    assert_eq!(client.deadline(), Some(start + seconds(24)), "an explicit indication of another kind");
    assert!(client.is_pong_expected());
}

#[test]
fn s4_4_2_a_binding_request_is_sent_seven_times_and_given_up_16_rto_later() {
    let start = Instant::now();
    let mut client = registered(start, Pace::UDP, OUTBOUND);
    let first = start + seconds(24);
    let mut at = Vec::new();
    let failed = loop {
        let now = client.deadline().unwrap();
        match client.expire(now, 0xABCD << 32) {
            Due::Ping(Ping::Stun(transaction)) => {
                assert_eq!(transaction, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xAB, 0xCD]);
                at.push((now - first).as_millis());
            }
            due => break (due, (now - first).as_millis()),
        }
    };
    assert_eq!(at, [0, 500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(failed, (Due::Failed(Failure::NoPong), 39500));
}

#[test]
fn a_late_response_stops_the_retransmissions() {
    let start = Instant::now();
    let mut client = registered(start, Pace::UDP, OUTBOUND);
    let first = start + seconds(24);
    client.expire(first, 1 << 32);
    client.expire(first + Duration::from_millis(500), 2 << 32);
    let transaction = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let now = first + seconds(1);
    assert_eq!(client.stun_response(now, &mapped([9; 12], 1)), Ok(None), "not ours");
    let pong = client.stun_response(now, &mapped(transaction, 1)).unwrap().unwrap();
    assert_eq!(pong.round_trip, seconds(1));
    assert_eq!(client.stun_response(now, &mapped(transaction, 1)), Ok(None), "the answer to the other");
    assert_eq!(client.deadline(), Some(first + Duration::from_millis(24_500)), "from the last that was sent");
}

#[test]
fn s4_4_2_a_changed_mapped_address_is_a_failed_flow() {
    let start = Instant::now();
    let mut client = registered(start, Pace::UDP, OUTBOUND);
    let mut answer = |port| {
        let now = client.deadline().unwrap();
        let Due::Ping(Ping::Stun(transaction)) = client.expire(now, 0) else { panic!("a ping") };
        client.stun_response(now, &mapped(transaction, port))
    };
    assert!(answer(1000).is_ok() && answer(1000).is_ok());
    let (was, is) = (mapped([0; 12], 1000).outcome.unwrap(), mapped([0; 12], 1001).outcome.unwrap());
    assert_eq!(answer(1001), Err(Failure::Moved { was, is }));
}

#[test]
fn s4_4_2_a_binding_error_response_is_a_failed_flow() {
    let start = Instant::now();
    let mut client = registered(start, Pace::UDP, OUTBOUND);
    client.expire(start + seconds(24), 0);
    let response = stun::BindingResponse { transaction: [0; 12], outcome: Err(420) };
    assert_eq!(client.stun_response(start + seconds(25), &response), Err(Failure::StunError(420)));
}

#[test]
fn rfc8489_s6_2_2_over_a_stream_a_binding_request_is_sent_once() {
    let start = Instant::now();
    let pace = Pace { means: Means::StunOverStream, is_supported_by_peer: true, ..Pace::STREAM };
    let mut client = registered(start, pace, PLAIN);
    let first = start + seconds(95);
    assert!(matches!(client.expire(first, 0), Due::Ping(Ping::Stun(_))));
    let given_up = first + Duration::from_millis(39_500);
    assert_eq!(client.deadline(), Some(given_up));
    assert_eq!(client.expire(given_up, 0), Due::Failed(Failure::NoPong));
}

#[test]
fn a_link_between_nodes_is_pinged_at_a_fixed_pace() {
    let start = Instant::now();
    let mut client = Client::fixed(start, seconds(2), seconds(1));
    for ping in 1..100 {
        let now = start + seconds(2 * ping);
        assert_eq!(client.expire(now, u128::MAX / 3), Due::Ping(Ping::Crlf));
        assert_eq!(client.deadline(), Some(now + seconds(1)));
        assert!(client.pong(now).is_some());
    }
    client.expire(start + seconds(200), 0);
    assert_eq!(client.expire(start + seconds(201), 0), Due::Failed(Failure::NoPong));
}

#[test]
fn a_stopped_keep_alive_asks_for_nothing() {
    let start = Instant::now();
    let mut client = registered(start, Pace::STREAM, OUTBOUND);
    client.expire(start + seconds(95), 0);
    client.stop();
    assert_eq!((client.deadline(), client.pong(start)), (None, None));
    assert_eq!(client.expire(start + seconds(10_000), 0), Due::Idle);
}

#[test]
fn a_ping_is_what_goes_over_the_flow() {
    assert_eq!(Ping::Crlf.octets()[..], *b"\r\n\r\n");
    let octets = Ping::Stun([7; 12]).octets();
    assert!(stun::parse(&octets).is_some());
}

proptest! {
    /// Whatever comes and goes, the deadline never lies behind what the rules allow, and a failure has its reason.
    #[test]
    fn a_flow_fails_only_for_want_of_a_pong(
        flow_timer in 1..200_u64,
        outbound_required: bool,
        answers in prop::collection::vec(any::<bool>(), 1..60),
        random: u64,
    ) {
        let start = Instant::now();
        let flow_timer = Some(seconds(flow_timer));
        let mut client = registered(start, Pace::STREAM, Registered { flow_timer, outbound_required });
        let mut random = StdRng::seed_from_u64(random);
        let mut unanswered: VecDeque<Instant> = VecDeque::new();
        for answered in answers {
            let now = client.deadline().unwrap();
            match client.expire(now, random.random()) {
                Due::Ping(_) => unanswered.push_back(now),
                Due::Failed(_) => {
                    prop_assert!(outbound_required);
                    prop_assert_eq!(unanswered.front().map(|sent| *sent + seconds(10)), Some(now));
                    return Ok(());
                }
                due => prop_assert!(false, "{due:?}"),
            }
            if answered && client.pong(now).is_some() {
                unanswered.pop_front();
            }
        }
    }
}
