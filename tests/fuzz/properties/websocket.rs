//! WebSocket: the handshake, and the frames of a client.

use flowhold::sip::websocket::{Event, Fault, Receiver, Terms, accept, find_end};

/// The first octet says how the stream is split, the second how long a message may be; then a handshake, or frames.
pub(crate) fn websocket(octets: &[u8]) {
    let [segment, max, octets @ ..] = octets else { return };
    if let Some(end) = find_end(octets) {
        handshake(&octets[..end]);
    }
    let max = usize::from(*max) * 4;
    let (events, fault, in_message) = drain(max, std::iter::once(octets));
    let split = drain(max, octets.chunks(usize::from(*segment).max(1)));
    assert_eq!(split.0, events, "any split gives the same events");
    assert_eq!(split.1, fault, "and the same fault");
    assert!(fault.is_some() || split.2 == in_message, "and the same state");
    let mut held = 0;
    for event in &events {
        held += match event {
            Event::Message(message) => {
                assert!(message.len() <= max);
                message.len()
            }
            Event::Ping(payload) => {
                assert!(payload.len() <= 125, "a Pong can repeat it");
                payload.len()
            }
            Event::Pong | Event::Close(_) => 0,
        };
    }
    assert!(held <= octets.len(), "nothing is made of nothing");
}

fn handshake(head: &[u8]) {
    let Ok(upgrade) = accept(head, Terms { path: "", origins: &[] }) else { return };
    let response = upgrade.response();
    assert_eq!(find_end(response.as_bytes()), Some(response.len()), "the answer is one head");
    // Whatever pages may come from, and whatever the path is, it is taken or refused.
    let origins = ["https://phone.example.com".to_owned()];
    let _ = accept(head, Terms { path: "/ws", origins: &origins }).map_err(|reject| {
        let response = reject.response();
        assert!(find_end(response.as_bytes()).is_some());
    });
}

fn drain<'a>(max: usize, segments: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Option<Fault>, bool) {
    let mut receiver = Receiver::new(max);
    let mut events = Vec::new();
    for mut segment in segments {
        loop {
            match receiver.next(&mut segment) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => {
                    assert!(segment.is_empty());
                    break;
                }
                Err(fault) => return (events, Some(fault), true),
            }
        }
    }
    let in_message = receiver.in_message();
    (events, None, in_message)
}
