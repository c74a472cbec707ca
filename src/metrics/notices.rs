//! What is said of things that may happen any number of times a second: at the first one, and then what they came to.
//!
//! ```text
//!   quiet --- one: said at once ---> going on --- each period: how many more ---> going on
//!     ^                                 |
//!     +---- a whole period without -----+
//! ```
//!
//! A peer decides how many packets it sends. It does not decide how many lines the log has.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::family::{Counters, Label};

/// Of each value of a label, whether it has been said, and how many there were by then.
#[derive(Debug)]
pub struct Notices<L> {
    each: Box<[Notice]>,
    label: PhantomData<L>,
}

#[derive(Debug, Default)]
struct Notice {
    is_said: AtomicBool,
    /// Since the last sum, so that no whole period has gone by.
    is_new: AtomicBool,
    counted: AtomicU64,
}

/// What a value has come to since it was said, or summed up, last.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    /// The value.
    pub what: Cow<'static, str>,
    /// How many more there were; none: it is over.
    pub more: u64,
}

impl<L: Label> Notices<L> {
    /// Whether one of `label`, which has been counted, is the first and is to be said.
    pub fn is_first(&self, label: L, counters: &Counters<L>) -> bool {
        let notice = &self.each[label.index()];
        // Looked at first, so that a flood writes to nothing that threads share but the counter.
        let is_first =
            !notice.is_said.load(Ordering::Relaxed) && !notice.is_said.swap(true, Ordering::Relaxed);
        if is_first {
            notice.counted.store(counters.get(label), Ordering::Relaxed);
            notice.is_new.store(true, Ordering::Relaxed);
        }
        is_first
    }

    /// Of all that goes on, what it has come to. For one caller, once in a period.
    pub fn sum_up(&self, counters: &Counters<L>) -> Vec<Summary> {
        let going_on =
            self.each.iter().enumerate().filter(|(_, notice)| notice.is_said.load(Ordering::Relaxed));
        going_on
            .filter_map(|(index, notice)| {
                let count = counters.at(index);
                let more = count.saturating_sub(notice.counted.swap(count, Ordering::Relaxed));
                let is_new = notice.is_new.swap(false, Ordering::Relaxed);
                if more == 0 && is_new {
                    return None;
                }
                if more == 0 {
                    notice.is_said.store(false, Ordering::Relaxed);
                }
                Some(Summary { what: L::text(index), more })
            })
            .collect()
    }
}

impl<L: Label> Default for Notices<L> {
    fn default() -> Self {
        Self { each: (0..L::COUNT).map(|_| Notice::default()).collect(), label: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Refused;

    #[test]
    fn it_is_said_once_and_then_summed_up_until_it_is_over() {
        let (notices, counters) = (Notices::default(), Counters::default());
        let happens = |refused| {
            counters.inc(refused);
            notices.is_first(refused, &counters)
        };
        let summed_up = || notices.sum_up(&counters);
        let summary = |more| vec![Summary { what: "malformed".into(), more }];
        assert_eq!(summed_up(), []);
        assert!(happens(Refused::Malformed));
        assert!(!happens(Refused::Malformed));
        assert!(!happens(Refused::Malformed));
        assert_eq!(summed_up(), summary(2));
        assert!(!happens(Refused::Malformed));
        assert_eq!(summed_up(), summary(1));
        assert_eq!(summed_up(), summary(0));
        assert_eq!(summed_up(), []);
        assert!(happens(Refused::Malformed), "it begins again");
    }

    #[test]
    fn one_alone_is_over_after_a_whole_period() {
        let (notices, counters) = (Notices::default(), Counters::default());
        counters.inc(Refused::Malformed);
        assert!(notices.is_first(Refused::Malformed, &counters));
        assert_eq!(notices.sum_up(&counters), [], "it was just said");
        assert_eq!(notices.sum_up(&counters), [Summary { what: "malformed".into(), more: 0 }]);
        assert_eq!(notices.sum_up(&counters), []);
    }

    #[test]
    fn one_of_a_kind_does_not_silence_another() {
        let (notices, counters) = (Notices::default(), Counters::default());
        assert!(notices.is_first(Refused::Malformed, &counters));
        assert!(notices.is_first(Refused::Stun, &counters));
    }
}
