//! Which counter each event of the proxy's core and of the owner's hop is counted by.

use crate::metrics::{BranchFailed, Metrics, Refused};
use crate::proto::proxy::Event;

/// Counts it.
pub fn count(metrics: &Metrics, event: Event) {
    match label(event) {
        Label::Refused(reason) => metrics.refused.inc(reason),
        Label::Failover => _ = metrics.failovers.inc(),
        Label::BranchFailed(reason) => metrics.branches_failed.inc(reason),
    }
}

/// Where an event is counted.
enum Label {
    Refused(Refused),
    BranchFailed(BranchFailed),
    Failover,
}

fn label(event: Event) -> Label {
    let refused = match event {
        Event::Unanswerable => Refused::Unanswerable,
        Event::Malformed(_) => Refused::Malformed,
        Event::UnsupportedScheme => Refused::UnsupportedScheme,
        Event::TooManyHops => Refused::TooManyHops,
        Event::Loop => Refused::Loop,
        Event::Merged => Refused::Merged,
        Event::BranchReused => Refused::BranchReused,
        Event::BadExtension => Refused::BadExtension,
        Event::NotOurs => Refused::NotOurs,
        Event::ForgedToken => Refused::ForgedToken,
        Event::FlowGone => Refused::FlowGone,
        Event::NotRegistered => Refused::NotRegistered,
        Event::NotServed => Refused::NotServed,
        Event::NotFound => Refused::NotFound,
        Event::NoBinding => Refused::NoBinding,
        Event::NotSecure => Refused::NotSecure,
        Event::Overload => Refused::MaxTransactions,
        Event::Unavailable => Refused::LocationUnavailable,
        Event::UpstreamDown => Refused::UpstreamDown,
        Event::NothingToCancel => Refused::NothingToCancel,
        Event::StrayAck => Refused::StrayAck,
        Event::StrayResponse => Refused::StrayResponse,
        Event::LateResponse => Refused::LateResponse,
        Event::ResponseOnOtherFlow => Refused::ResponseOnOtherFlow,
        Event::TooBroad => Refused::MaxBreadth,
        Event::Failover => return Label::Failover,
        Event::FlowFailed => return Label::BranchFailed(BranchFailed::FlowFailed),
        Event::NoLink => return Label::BranchFailed(BranchFailed::NoLink),
        Event::Undeliverable => return Label::BranchFailed(BranchFailed::Undeliverable),
        Event::TimedOut => return Label::BranchFailed(BranchFailed::TimedOut),
        Event::TimerC => return Label::BranchFailed(BranchFailed::TimerC),
        Event::NoAck => return Label::BranchFailed(BranchFailed::NoAck),
    };
    Label::Refused(refused)
}
