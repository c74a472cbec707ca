//! A metric with one label whose values are known beforehand: an array of numbers, indexed by the value.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// A label: a name and its numbered values.
pub trait Label: Copy + Send + Sync + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// How many values it has.
    const COUNT: usize;
    /// Whether a value that never occurred is shown with 0. That is the custom, so that a rate can be taken from the
    /// first occurrence; it is left off where there are hundreds of values.
    const SHOW_ZERO: bool = true;
    /// This value's number, below `COUNT`.
    fn index(self) -> usize;
    /// The value of a number, as it is shown.
    fn text(index: usize) -> Cow<'static, str>;
}

/// Counts that only rise. A clone counts into the same place.
pub struct Counters<L>(Arc<[AtomicU64]>, PhantomData<L>);

impl<L: Label> Counters<L> {
    /// One more of `label`.
    pub fn inc(&self, label: L) {
        self.0[label.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// `count` more of `label`.
    pub fn inc_by(&self, label: L, count: u64) {
        self.0[label.index()].fetch_add(count, Ordering::Relaxed);
    }

    /// There were `count` of `label` by now, where somebody else has counted.
    pub fn rise_to(&self, label: L, count: u64) {
        self.0[label.index()].fetch_max(count, Ordering::Relaxed);
    }

    /// How many there were of `label`.
    pub fn get(&self, label: L) -> u64 {
        self.at(label.index())
    }

    /// How many there were of the value with this number.
    pub(super) fn at(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::Relaxed)
    }
}

/// Numbers that rise and fall. A clone is the same number.
pub struct Gauges<L>(Arc<[AtomicI64]>, PhantomData<L>);

impl<L: Label> Gauges<L> {
    /// One more of `label`.
    pub fn inc(&self, label: L) {
        self.0[label.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// One less of `label`.
    pub fn dec(&self, label: L) {
        self.0[label.index()].fetch_sub(1, Ordering::Relaxed);
    }

    /// `change` more of `label`, or less.
    pub fn add(&self, label: L, change: i64) {
        self.0[label.index()].fetch_add(change, Ordering::Relaxed);
    }

    /// There are so many of `label`.
    pub fn set(&self, label: L, number: i64) {
        self.0[label.index()].store(number, Ordering::Relaxed);
    }

    /// How many there are of `label`.
    pub fn get(&self, label: L) -> i64 {
        self.0[label.index()].load(Ordering::Relaxed)
    }
}

impl<L: Label> EncodeMetric for Counters<L> {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        for (index, count) in self.0.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 || L::SHOW_ZERO {
                let labels = [(L::NAME, L::text(index))];
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

impl<L: Label> EncodeMetric for Gauges<L> {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        for (index, number) in self.0.iter().enumerate() {
            let labels = [(L::NAME, L::text(index))];
            encoder.encode_family(&labels)?.encode_gauge(&number.load(Ordering::Relaxed))?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

impl<L: Label> Default for Counters<L> {
    fn default() -> Self {
        Counters((0..L::COUNT).map(|_| AtomicU64::new(0)).collect(), PhantomData)
    }
}

impl<L: Label> Default for Gauges<L> {
    fn default() -> Self {
        Gauges((0..L::COUNT).map(|_| AtomicI64::new(0)).collect(), PhantomData)
    }
}

impl<L> Clone for Counters<L> {
    fn clone(&self) -> Self {
        Counters(Arc::clone(&self.0), PhantomData)
    }
}

impl<L> Clone for Gauges<L> {
    fn clone(&self) -> Self {
        Gauges(Arc::clone(&self.0), PhantomData)
    }
}

impl<L> fmt::Debug for Counters<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}

impl<L> fmt::Debug for Gauges<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}
