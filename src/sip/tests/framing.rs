use super::text;
use crate::sip::{Frame, Framer, Name, Refusal};

const MAX: usize = 1000;

/// What came of a stream: one word for each frame, and the refusal that ended it.
pub(super) fn drain<'a>(
    framer: &mut Framer,
    segments: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<String>, Option<Refusal>) {
    let mut frames = Vec::new();
    for mut segment in segments {
        loop {
            match framer.next(&mut segment) {
                Ok(Some(Frame::Ping)) => frames.push("ping".to_owned()),
                Ok(Some(Frame::Pong)) => frames.push("pong".to_owned()),
                Ok(Some(Frame::Message(message))) => frames.push(message.bytes().escape_ascii().to_string()),
                Ok(Some(Frame::Stun(octets))) => frames.push(octets.escape_ascii().to_string()),
                Ok(None) => break,
                Err(refusal) => return (frames, Some(refusal)),
            }
        }
        assert!(segment.is_empty(), "None means that all octets are taken");
    }
    (frames, None)
}

fn read(segments: &[&str]) -> (Vec<String>, Option<Refusal>) {
    drain(&mut Framer::new(MAX), segments.iter().map(|segment| segment.as_bytes()))
}

fn good(body: &str) -> String {
    format!("MESSAGE sip:b SIP/2.0\r\nTo: x\r\nl: {}\r\n\r\n{body}", body.len())
}

fn escaped(message: &str) -> String {
    message.as_bytes().escape_ascii().to_string()
}

#[test]
fn rfc5626_s4_4_1_crlf_crlf_is_a_ping() {
    assert_eq!(read(&["\r\n\r\n"]).0, ["ping"]);
}

#[test]
fn rfc5626_s4_4_1_two_pings_in_one_segment_are_two() {
    assert_eq!(read(&["\r\n\r\n\r\n\r\n"]).0, ["ping", "ping"]);
}

#[test]
fn rfc5626_s4_4_1_a_split_ping_is_one() {
    for segments in [["\r", "\n\r\n"], ["\r\n", "\r\n"], ["\r\n\r", "\n"]] {
        assert_eq!(read(&segments).0, ["ping"], "{segments:?}");
    }
    assert_eq!(read(&["\r", "\n", "\r", "\n"]).0, ["ping"]);
}

#[test]
fn rfc5626_s4_4_1_a_ping_in_front_of_a_request_is_one_and_the_request_follows() {
    let request = good("hello");
    assert_eq!(read(&[&format!("\r\n\r\n{request}")]).0, ["ping".to_owned(), escaped(&request)]);
}

#[test]
fn a_ping_between_requests_in_one_segment() {
    let (a, b) = (good("a"), good("b"));
    assert_eq!(read(&[&format!("{a}\r\n\r\n{b}")]).0, [escaped(&a), "ping".to_owned(), escaped(&b)]);
}

#[test]
fn a_lone_crlf_before_a_message_is_a_pong() {
    let request = good("");
    assert_eq!(read(&["\r\n", &request]).0, ["pong".to_owned(), escaped(&request)]);
    assert_eq!(
        read(&["\r\n\r\n\r\n", &request]).0,
        ["ping".to_owned(), "pong".to_owned(), escaped(&request)]
    );
}

#[test]
fn a_pending_crlf_is_a_pong_to_whoever_waits_for_one() {
    let mut framer = Framer::new(MAX);
    assert!(!framer.take_pong());
    assert_eq!(drain(&mut framer, [&b"\r"[..]]).0, [""; 0]);
    assert!(!framer.take_pong());
    assert_eq!(drain(&mut framer, [&b"\n"[..]]).0, [""; 0]);
    assert!(framer.take_pong());
    assert!(!framer.take_pong());
    assert_eq!(drain(&mut framer, [&b"\r\n\r\n"[..]]).0, ["ping"]);
}

#[test]
fn other_white_space_between_messages_is_garbage() {
    for octets in [
        " ",
        "\n",
        "\t\r\n",
        "\r\r\n",
        "\r\n\n",
        "\r\n \r\n",
        "\r\n\r ",
        "\r\n\rX",
        "\rX",
        "\0",
        "\x16\x03\x01",
    ] {
        let (frames, refusal) = read(&[octets]);
        assert!(frames.is_empty(), "{octets:?}");
        assert!(matches!(refusal, Some(Refusal::Garbage)), "{octets:?}");
    }
}

#[test]
fn s18_3_a_body_is_as_long_as_content_length_says() {
    let (a, b) = (good("\r\n\r\n"), good("0123456789"));
    assert_eq!(read(&[&format!("{a}{b}")]).0, [escaped(&a), escaped(&b)]);
}

#[test]
fn s18_3_a_message_without_content_length_is_refused_with_its_head() {
    let (_, refusal) = read(&["MESSAGE sip:b SIP/2.0\r\nCall-ID: x\r\n\r\nbody"]);
    let refusal = refusal.unwrap();
    assert!(matches!(refusal, Refusal::NoContentLength { .. }));
    assert_eq!(refusal.status().0, 400);
    let head = refusal.head().unwrap();
    assert_eq!(head.first(Name::CallId).unwrap(), b"x");
    assert_eq!(head.body(), b"");
}

#[test]
fn s18_3_a_bad_content_length_is_refused_with_its_head() {
    for lines in [
        "l: x",
        "l: -1",
        "l: +1",
        "l: 1 2",
        "l:",
        "l: 1\r\nl: 2",
        "l: 18446744073709551616",
        "l: 0x1",
        "l: 1,1",
    ] {
        let (_, refusal) = read(&[&format!("MESSAGE sip:b SIP/2.0\r\nCall-ID: x\r\n{lines}\r\n\r\n")]);
        let refusal = refusal.unwrap();
        assert!(matches!(refusal, Refusal::BadContentLength { .. }), "{lines}");
        assert_eq!(refusal.status().0, 400);
        assert_eq!(refusal.head().unwrap().first(Name::CallId).unwrap(), b"x");
    }
}

#[test]
fn s20_14_several_content_lengths_that_agree_frame_as_one() {
    let message = "MESSAGE sip:b SIP/2.0\r\nl: 2\r\nContent-Length : 02\r\n\r\nab";
    assert_eq!(read(&[message]).0, [escaped(message)]);
}

#[test]
fn s21_5_7_a_body_announced_too_large_is_refused_at_its_head() {
    let (_, refusal) = read(&[&format!("MESSAGE sip:b SIP/2.0\r\nCall-ID: x\r\nl: {MAX}\r\n\r\n")]);
    let refusal = refusal.unwrap();
    assert_eq!(refusal.status().0, 513);
    assert_eq!(refusal.head().unwrap().first(Name::CallId).unwrap(), b"x");
}

#[test]
fn s21_5_7_a_message_of_exactly_the_limit_passes_and_one_octet_more_does_not() {
    let empty = good("").len() + 2; // two more digits in Content-Length
    let whole = good(&"x".repeat(MAX - empty));
    assert_eq!(whole.len(), MAX);
    assert_eq!(read(&[&whole]).0.len(), 1);
    let (frames, refusal) = read(&[&good(&"x".repeat(MAX - empty + 1))]);
    assert!(frames.is_empty() && matches!(refusal, Some(Refusal::TooLarge { .. })));
}

#[test]
fn s21_5_7_a_head_without_end_is_refused_with_its_whole_lines() {
    let endless = format!("MESSAGE sip:b SIP/2.0\r\nCall-ID: x\r\nX: {}", "y".repeat(2 * MAX));
    for split in [0, 1, 30, MAX - 1, MAX, MAX + 1, 2 * MAX] {
        let (start, end) = endless.split_at(split);
        let (_, refusal) = read(&[start, end]);
        let refusal = refusal.unwrap();
        assert_eq!(refusal.status().0, 513);
        assert_eq!(refusal.head().unwrap().first(Name::CallId).unwrap(), b"x", "{split}");
    }
}

#[test]
fn a_start_line_without_end_is_refused_without_a_head() {
    let (_, refusal) = read(&[&"x".repeat(MAX + 1)]);
    assert!(matches!(refusal, Some(Refusal::TooLarge { head: None })));
}

#[test]
fn what_is_no_sip_is_garbage_at_its_empty_line() {
    assert!(matches!(read(&["GET / HTTP/1.1\r\nHost: x\r\n\r\n"]).1, Some(Refusal::Garbage)));
}

#[test]
fn a_message_that_another_rule_condemns_is_framed_all_the_same() {
    let faulty = "MESSAGE  sip:b SIP/2.0\r\nno field\r\nl: 2\r\n\r\nab";
    assert_eq!(read(&[faulty]).0, [escaped(faulty)]);
}

#[test]
fn in_message_from_the_first_octet_to_the_last() {
    let request = good("ab");
    let mut framer = Framer::new(MAX);
    for ping in [&b"\r"[..], b"\n\r\n"] {
        drain(&mut framer, [ping]);
        assert!(!framer.in_message());
    }
    for at in 1..request.len() {
        drain(&mut framer, [&request.as_bytes()[at - 1..at]]);
        assert!(framer.in_message(), "{}", text(&request.as_bytes()[..at]));
    }
    assert_eq!(drain(&mut framer, [&request.as_bytes()[request.len() - 1..]]).0.len(), 1);
    assert!(!framer.in_message());
}

#[test]
fn an_idle_flow_keeps_no_buffer() {
    // Limit, state of the ping, and one pointer that is null between messages.
    assert!(size_of::<Framer>() <= 3 * size_of::<usize>());
}

#[test]
fn the_end_of_a_head_is_searched_for_once_however_it_is_split() {
    // Would take minutes if each octet had all before it searched again.
    let long = format!("MESSAGE sip:b SIP/2.0\r\nX: {}\r\nl: 0\r\n\r\n", "y".repeat(1 << 20));
    let mut framer = Framer::new(2 << 20);
    let (frames, refusal) = drain(&mut framer, long.as_bytes().chunks(1));
    assert!(refusal.is_none());
    assert_eq!(frames.len(), 1);
}

#[test]
fn stun_between_messages_is_framed_by_its_length_where_it_is_spoken() {
    let request = crate::sip::stun::binding_request([7; 12]);
    let mut longer = request.to_vec();
    longer[3] = 4;
    longer.extend([0x80, 0x22, 0, 0]);
    let message = b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n";
    let stream = [&request[..], message, &longer, b"\r\n", &request, b"\r\n\r\n"].concat();
    let words = |octets: &[u8]| octets.escape_ascii().to_string();
    let expected = [
        words(&request),
        words(message),
        words(&longer),
        "pong".to_owned(),
        words(&request),
        "ping".to_owned(),
    ];
    for size in 1..stream.len() {
        let (frames, refusal) = drain(&mut Framer::with_stun(MAX), stream.chunks(size));
        assert!(refusal.is_none());
        assert_eq!(frames, expected, "in pieces of {size}");
    }
    let (_, refusal) = drain(&mut Framer::new(MAX), [&stream[..]]);
    assert!(matches!(refusal, Some(Refusal::Garbage)), "and nowhere else");
    let (_, refusal) = drain(&mut Framer::with_stun(20), [&longer[..]]);
    assert!(matches!(refusal, Some(Refusal::TooLarge { head: None })));
}
