//! What happens to a UA, in words for people and as JSON for scripts. One line each.

use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_millis;
use serde_json::{Map, Value, json};

use crate::proto::recovery::{self, Registered};
use crate::proto::ua::{CallEvent, Event, Outcome};

/// A line for people: the time of day (UTC), and what happened.
pub fn in_words(at: SystemTime, event: &Event, proxies: &[String]) -> String {
    let time = format_rfc3339_millis(at).to_string();
    format!("{} {}", &time[11..23], plain(&words(event, proxies)))
}

/// The same as an object. Every one has `time` and `event`; what else it has is listed in the help of `flowhold ua`.
pub fn as_json(at: SystemTime, event: &Event, proxies: &[String]) -> String {
    let mut object = Map::new();
    object.insert("time".to_owned(), format_rfc3339_millis(at).to_string().into());
    let (name, fields) = fields(event, proxies);
    object.insert("event".to_owned(), name.into());
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    Value::Object(object).to_string()
}

fn words(event: &Event, proxies: &[String]) -> String {
    match event {
        Event::Connecting { reg_id } => {
            format!("flow {reg_id}: connecting to {}", proxy(proxies, *reg_id))
        }
        Event::Connected { reg_id, link } => {
            let transport = link.transport.as_via_str();
            format!("flow {reg_id}: connected over {transport}, {} to {}", link.local, link.remote)
        }
        Event::Ping { reg_id } => format!("flow {reg_id}: ping"),
        Event::Flow { reg_id, event } => format!("flow {reg_id}: {}", flow_words(event)),
        Event::Message { reg_id, from, text } => format!("message from {from} over flow {reg_id}: {text}"),
        Event::Sending { reg_id, to } => format!("message to {to} goes out over flow {reg_id}"),
        Event::Sent { to, outcome: Outcome::Answered { reg_id, status, reason } } => {
            format!("message to {to} answered over flow {reg_id}: {status} {reason}")
        }
        Event::Sent { to, outcome: Outcome::NoAnswer } => format!("message to {to}: no answer"),
        Event::Call { reg_id, from, call } => {
            format!("call from {from} over flow {reg_id}: {}", call_words(*call))
        }
    }
}

fn flow_words(event: &recovery::Event) -> String {
    use recovery::Event as E;
    match event {
        E::Registered { registered, is_refresh } => {
            let Registered { expires, keepalive, is_outbound } = registered;
            let what = if *is_refresh { "refreshed" } else { "registered" };
            let outbound = if *is_outbound { "with outbound" } else { "without outbound" };
            let pace = keepalive
                .flow_timer
                .map_or_else(|| "no Flow-Timer".to_owned(), |timer| format!("Flow-Timer {}", spoken(timer)));
            format!("{what} for {}, {outbound}, {pace}", spoken(*expires))
        }
        E::Pong { round_trip } => format!("pong after {}", spoken(*round_trip)),
        E::Refused { refused, retry_in } => {
            let again = spoken(*retry_in);
            format!("refresh refused: {} {}; retry in {again}", refused.status, refused.reason)
        }
        E::Failed { why, failures, retry_in } => {
            let again = match (failures, retry_in.is_zero()) {
                (_, true) => "retry at once".to_owned(),
                (0 | 1, _) => format!("retry in {}", spoken(*retry_in)),
                _ => format!("failure {failures} in a row, retry in {}", spoken(*retry_in)),
            };
            format!("failed: {why}; {again}")
        }
        E::Removed => "binding removed, closed".to_owned(),
    }
}

fn call_words(call: CallEvent) -> String {
    match call {
        CallEvent::Ringing => "ringing".to_owned(),
        CallEvent::Refused { status } => format!("refused with {status}"),
        CallEvent::Answered => "answered".to_owned(),
        CallEvent::Confirmed => "the caller knows of the answer".to_owned(),
        CallEvent::Cancelled => "given up by the caller".to_owned(),
        CallEvent::Ended => "ended by the caller".to_owned(),
        CallEvent::HungUp => "ended here".to_owned(),
        CallEvent::Unconfirmed => "ended here, the caller never acknowledged the answer".to_owned(),
    }
}

fn fields(event: &Event, proxies: &[String]) -> (&'static str, Value) {
    match event {
        Event::Connecting { reg_id } => {
            ("connecting", json!({"reg_id": reg_id, "proxy": proxy(proxies, *reg_id)}))
        }
        Event::Connected { reg_id, link } => (
            "connected",
            json!({
                "reg_id": reg_id, "transport": link.transport.as_uri_str(),
                "local": link.local.to_string(), "remote": link.remote.to_string(),
            }),
        ),
        Event::Ping { reg_id } => ("ping", json!({ "reg_id": reg_id })),
        Event::Flow { reg_id, event } => {
            let (name, mut fields) = flow_fields(event);
            fields["reg_id"] = (*reg_id).into();
            (name, fields)
        }
        Event::Message { reg_id, from, text } => {
            ("message", json!({"reg_id": reg_id, "from": from, "text": text}))
        }
        Event::Sending { reg_id, to } => ("sending", json!({"reg_id": reg_id, "to": to})),
        Event::Sent { to, outcome: Outcome::Answered { reg_id, status, reason } } => {
            ("sent", json!({"to": to, "reg_id": reg_id, "status": status, "reason": reason}))
        }
        Event::Sent { to, outcome: Outcome::NoAnswer } => ("sent", json!({"to": to, "status": null})),
        Event::Call { reg_id, from, call } => {
            let mut fields = json!({"reg_id": reg_id, "from": from, "state": call_state(*call)});
            if let CallEvent::Refused { status } = call {
                fields["status"] = (*status).into();
            }
            ("call", fields)
        }
    }
}

fn flow_fields(event: &recovery::Event) -> (&'static str, Value) {
    use recovery::Event as E;
    match event {
        E::Registered { registered, is_refresh } => {
            let flow_timer = registered.keepalive.flow_timer.map(|timer| timer.as_secs());
            let fields = json!({
                "expires": registered.expires.as_secs(), "flow_timer": flow_timer,
                "outbound": registered.is_outbound,
            });
            (if *is_refresh { "refreshed" } else { "registered" }, fields)
        }
        E::Pong { round_trip } => ("pong", json!({"round_trip": round_trip.as_secs_f64()})),
        E::Refused { refused, retry_in } => (
            "refused",
            json!({"status": refused.status, "reason": refused.reason, "retry_in": retry_in.as_secs_f64()}),
        ),
        E::Failed { why, failures, retry_in } => (
            "failed",
            json!({"reason": why.to_string(), "failures": failures, "retry_in": retry_in.as_secs_f64()}),
        ),
        E::Removed => ("removed", json!({})),
    }
}

const fn call_state(call: CallEvent) -> &'static str {
    match call {
        CallEvent::Ringing => "ringing",
        CallEvent::Refused { .. } => "refused",
        CallEvent::Answered => "answered",
        CallEvent::Confirmed => "confirmed",
        CallEvent::Cancelled => "cancelled",
        CallEvent::Ended => "ended",
        CallEvent::HungUp => "hung_up",
        CallEvent::Unconfirmed => "unconfirmed",
    }
}

fn proxy(proxies: &[String], reg_id: u32) -> &str {
    let position = usize::try_from(reg_id).expect("a small number").saturating_sub(1);
    proxies.get(position).map_or("", String::as_str)
}

/// A time as people say it.
pub fn spoken(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if time.is_zero() || (seconds >= 1.0 && time.subsec_nanos() == 0) || seconds >= 60.0 {
        format!("{seconds:.0} s")
    } else if seconds >= 1.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.1} ms", seconds * 1000.0)
    }
}

/// With nothing in it that a terminal would obey: messages come from strangers.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::keepalive::client;
    use crate::proto::recovery::Why;
    use std::time::UNIX_EPOCH;

    const PROXY: &str = "sip:a.example.com";

    fn both(event: &Event) -> (String, String) {
        let (at, proxies) = (UNIX_EPOCH + Duration::from_millis(61_500), [PROXY.to_owned()]);
        (in_words(at, event, &proxies), as_json(at, event, &proxies))
    }

    #[test]
    fn an_event_is_a_line_in_words_and_an_object_in_json() {
        let (words, json) = both(&Event::Connecting { reg_id: 1 });
        assert_eq!(words, "00:01:01.500 flow 1: connecting to sip:a.example.com");
        let expected = r#"{"event":"connecting","proxy":"sip:a.example.com","reg_id":1,"time":"1970-01-01T00:01:01.500Z"}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn a_flow_says_what_it_was_given() {
        let flow_timer = Some(Duration::from_secs(120));
        let keepalive = client::Registered { flow_timer, outbound_required: true };
        let registered = Registered { expires: Duration::from_secs(3600), keepalive, is_outbound: true };
        let event = recovery::Event::Registered { registered, is_refresh: false };
        let (words, json) = both(&Event::Flow { reg_id: 1, event });
        assert!(words.ends_with("flow 1: registered for 3600 s, with outbound, Flow-Timer 120 s"), "{words}");
        assert!(
            json.contains(r#""event":"registered","expires":3600,"flow_timer":120,"outbound":true"#),
            "{json}"
        );
    }

    #[test]
    fn a_failure_says_why_and_when_the_flow_is_formed_anew() {
        let failed = |failures, retry_in| {
            let event = recovery::Event::Failed { why: Why::Closed, failures, retry_in };
            both(&Event::Flow { reg_id: 2, event }).0[13..].to_owned()
        };
        assert_eq!(failed(0, Duration::ZERO), "flow 2: failed: connection closed; retry at once");
        assert_eq!(failed(1, Duration::from_secs(42)), "flow 2: failed: connection closed; retry in 42 s");
        assert_eq!(
            failed(2, Duration::from_millis(1234)),
            "flow 2: failed: connection closed; failure 2 in a row, retry in 1.2 s"
        );
    }

    #[test]
    fn what_strangers_write_cannot_move_the_cursor() {
        let text = "\x1b[2J\nhällo".to_owned();
        let event = Event::Message { reg_id: 1, from: "sip:bob@example.com".to_owned(), text };
        let (words, json) = both(&event);
        assert!(words.ends_with(r"over flow 1: \u{1b}[2J\nhällo"), "{words}");
        assert!(json.contains(r#""text":"\u001b[2J\nhällo""#), "{json}");
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let spoken = |micros| spoken(Duration::from_micros(micros));
        assert_eq!(
            [0, 400, 12_345, 1_000_000, 1_260_000, 61_400_000].map(spoken),
            ["0 s", "0.4 ms", "12.3 ms", "1 s", "1.3 s", "61 s"]
        );
    }
}
