//! How long a binding lasts. RFC 3261 §10.2.1.1, §10.3 step 7.

use std::time::Duration;

use crate::sip::{Message, Name};

use super::Settings;
use super::reject::Reject;

/// RFC 3261 §10.2 and §20.10: what a value that is no number stands for.
const MALFORMED: u32 = 3600;
/// RFC 3261 §10.3 step 7: what asks for this much or more is never too brief.
const NEVER_TOO_BRIEF: Duration = Duration::from_secs(3600);

/// The Expires field, for all Contact values that have no time of their own; in seconds.
pub(super) fn of_request(request: &Message) -> Option<u32> {
    request.first(Name::Expires).map(seconds)
}

/// Whether the Expires field is there and says zero in so many words.
pub(super) fn is_zero(request: &Message) -> bool {
    request.first(Name::Expires).is_some_and(|value| seconds(value) == 0)
}

/// What a Contact value gets, in whole seconds; zero: its binding is to be removed. `own` is the value of its `expires`
/// parameter.
pub(super) fn granted(
    settings: &Settings,
    own: Option<&[u8]>,
    of_request: Option<u32>,
) -> Result<Duration, Reject> {
    // RFC 3261 §10.3 step 7: its own time, or else that of the request, or else ours.
    let requested = match (own, of_request) {
        (Some(value), _) => Duration::from_secs(seconds(value).into()),
        (None, Some(seconds)) => Duration::from_secs(seconds.into()),
        (None, None) => settings.default_expires,
    };
    if requested.is_zero() {
        return Ok(requested);
    }
    // RFC 3261 §10.3 step 7: refused only if below one hour and below our minimum; shortened at will.
    if requested < NEVER_TOO_BRIEF && requested < settings.min_expires {
        return Err(Reject::TooBrief { min_expires: settings.min_expires });
    }
    let granted = requested.min(settings.max_expires).as_secs();
    // Nobody who asked for a binding is given none.
    Ok(Duration::from_secs(granted.max(1)))
}

/// What a value says. RFC 3261 §20.10
pub(super) fn seconds(value: &[u8]) -> u32 {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return MALFORMED;
    }
    // RFC 3261 §10.2: more than 2^32-1 is as good as that.
    let add = |sum: u32, digit: &u8| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
    value.iter().fold(0, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_2_what_is_no_number_of_seconds_is_an_hour() {
        for value in ["", "-1", "+5", "1.5", "60s", "Thu, 01 Dec 1994 16:00:00 GMT"] {
            assert_eq!(seconds(value.as_bytes()), 3600, "{value}");
        }
    }

    #[test]
    fn s10_2_more_than_32_bits_of_seconds_are_all_that_there_are() {
        assert_eq!(seconds(b"4294967295"), u32::MAX);
        assert_eq!(seconds(b"4294967296"), u32::MAX);
        assert_eq!(seconds(b"99999999999999999999999999"), u32::MAX);
        assert_eq!(seconds(b"000000000000000000000000060"), 60);
    }
}
