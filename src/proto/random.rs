//! Random choices, made of numbers that are passed in.

use std::time::Duration;

/// A time from `shortest` to `longest`, both included; uniform where `random` is.
pub(super) fn between(shortest: Duration, longest: Duration, random: u32) -> Duration {
    let span = longest.saturating_sub(shortest).as_nanos();
    let nanoseconds = span * u128::from(random) / u128::from(u32::MAX);
    shortest + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_can_be_drawn_and_nothing_beyond() {
        let (shortest, longest) = (Duration::from_secs(95), Duration::from_secs(120));
        assert_eq!(between(shortest, longest, 0), shortest);
        assert_eq!(between(shortest, longest, u32::MAX), longest);
        assert_eq!(between(shortest, longest, u32::MAX / 5), Duration::from_secs(100));
        assert_eq!(between(longest, shortest, 7), longest, "an empty range is its start");
    }
}
