//! How long to wait before a failed flow is formed anew. RFC 5626 §4.5.

use crate::proto::random::between;
use std::time::Duration;

/// The three times of RFC 5626 §4.5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BackOff {
    /// The longest wait.
    pub max: Duration,
    /// What the wait grows from while no flow is up.
    pub base_all_failed: Duration,
    /// What it grows from while another flow is up.
    pub base_some_up: Duration,
}

impl Default for BackOff {
    fn default() -> BackOff {
        BackOff {
            max: Duration::from_secs(1800),
            base_all_failed: Duration::from_secs(30),
            base_some_up: Duration::from_secs(90),
        }
    }
}

impl BackOff {
    /// The wait after so many consecutive failures; `random` is uniform.
    pub fn wait(&self, failures: u32, is_another_up: bool, random: u32) -> Duration {
        // RFC 5626 §4.5: only a failure in forming a flow is waited after, so a flow that was a success is formed anew
        // at once.
        if failures == 0 {
            return Duration::ZERO;
        }
        let base = if is_another_up { self.base_some_up } else { self.base_all_failed };
        // RFC 5626 §4.5: W = min(max-time, (base-time * (2 ^ consecutive-failures)))
        let factor = 2_u32.checked_pow(failures).unwrap_or(u32::MAX);
        let upper = base.checked_mul(factor).unwrap_or(self.max).min(self.max);
        // RFC 5626 §4.5: a uniform random time between 50 and 100 % of it.
        between(upper / 2, upper, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(failures: u32, is_another_up: bool) -> (u64, u64) {
        let wait = |random| BackOff::default().wait(failures, is_another_up, random).as_secs();
        (wait(0), wait(u32::MAX))
    }

    #[test]
    fn appendix_a_row_by_row() {
        const MINUTE: u64 = 60;
        // Failures, the wait while all flows are unusable, the wait while another is not, from and to.
        let rows = [
            (0, (0, 0), (0, 0)),
            (1, (30, 60), (90, 180)),
            (2, (MINUTE, 2 * MINUTE), (3 * MINUTE, 6 * MINUTE)),
            (3, (2 * MINUTE, 4 * MINUTE), (6 * MINUTE, 12 * MINUTE)),
            (4, (4 * MINUTE, 8 * MINUTE), (12 * MINUTE, 24 * MINUTE)),
            (5, (8 * MINUTE, 16 * MINUTE), (15 * MINUTE, 30 * MINUTE)),
            (6, (15 * MINUTE, 30 * MINUTE), (15 * MINUTE, 30 * MINUTE)),
            (7, (15 * MINUTE, 30 * MINUTE), (15 * MINUTE, 30 * MINUTE)),
            (u32::MAX, (15 * MINUTE, 30 * MINUTE), (15 * MINUTE, 30 * MINUTE)),
        ];
        for (failures, all_failed, some_up) in rows {
            assert_eq!(range(failures, false), all_failed, "{failures} failures, all flows unusable");
            assert_eq!(range(failures, true), some_up, "{failures} failures, another flow up");
        }
    }

    #[test]
    fn s4_5_the_times_are_configurable() {
        let second = Duration::from_secs(1);
        let back_off = BackOff { max: 5 * second, base_all_failed: second / 2, base_some_up: second };
        assert_eq!(back_off.wait(1, false, u32::MAX), second);
        assert_eq!(back_off.wait(1, true, u32::MAX), 2 * second);
        assert_eq!(back_off.wait(3, true, 0), 5 * second / 2);
    }
}
