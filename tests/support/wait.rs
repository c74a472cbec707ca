//! Conditions that are waited for.

use std::time::{Duration, Instant};

/// How long anything may take that has to happen. Far beyond what it takes, since tests share the machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);

/// How often a condition is looked at, if it is not met at once.
const INTERVAL: Duration = Duration::from_millis(2);

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_until_within(DEADLINE, what, condition);
}

/// Waits until `condition` holds, for what takes its time.
#[track_caller]
pub(crate) fn wait_until_within(time: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < time, "{what}: not within {time:?}");
        std::thread::sleep(INTERVAL);
    }
}
