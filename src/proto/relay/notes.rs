//! Which requests of other nodes are out on flows of this one. A drain asks, so that it leaves those flows open for a while;
//! carrying them on takes none of it, so a note that is missing, or stays too long, costs nobody a message.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use flowhold_cluster::flow::FlowId;

use super::{BRANCH, CODE, PLACE, START};
use crate::proto::hex;
use crate::proto::proxy::UnderWay;
use crate::proto::transaction::Timers;
use crate::sip::{Message, Method};

/// What tells a request that was carried on from all others: the code in its branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(u128);

impl Code {
    /// The one in the topmost Via of a response.
    pub fn of_response(response: &Message) -> Option<Code> {
        let via = response.top_via().ok()?;
        Code::in_branch(via.branch()?)
    }

    pub(super) fn in_branch(branch: &[u8]) -> Option<Code> {
        let text = branch.get(START.len() + 2 * PLACE..).filter(|_| branch.len() == BRANCH)?;
        Some(Code(u128::from_be_bytes(hex::read::<CODE>(text)?)))
    }
}

/// The notes about the flows of one worker.
#[derive(Debug)]
pub struct Notes {
    out: BTreeMap<Code, Note>,
    most: usize,
    timers: Timers,
    timer_c: Duration,
}

#[derive(Debug)]
struct Note {
    flow: FlowId,
    is_invite: bool,
    /// When nobody waits for the answer any more.
    until: Instant,
}

impl Notes {
    /// Of `most` requests at a time. The times are those of the nodes that sent them, which are as this one.
    pub fn new(most: usize, timers: Timers, timer_c: Duration) -> Notes {
        Notes { out: BTreeMap::new(), most, timers, timer_c }
    }

    /// A request goes out on this flow, perhaps once more.
    pub fn request(&mut self, now: Instant, code: Code, flow: FlowId, method: Method) {
        // RFC 3261 §9.1, §17: neither has an answer that somebody waits for.
        if matches!(method, Method::Ack | Method::Cancel) {
            return;
        }
        let is_invite = method == Method::Invite;
        let until = now + if is_invite { self.timer_c } else { Duration::ZERO } + self.timers.patience();
        if self.out.len() < self.most || self.out.contains_key(&code) {
            self.out.insert(code, Note { flow, is_invite, until });
        }
    }

    /// It did not go out.
    pub fn undelivered(&mut self, code: Code) {
        self.out.remove(&code);
    }

    /// A response has come.
    pub fn response(&mut self, now: Instant, code: Code, status: u16) {
        let Some(note) = self.out.get_mut(&code) else { return };
        note.until = match (note.is_invite, status) {
            // RFC 3261 §16.7 step 2: whoever waits does so anew.
            (true, ..200) => now + self.timer_c + self.timers.patience(),
            (false, ..200) => note.until,
            // The ACK has yet to come the same way.
            (true, 200..300) => now + self.timers.ack_travels(),
            _ => now,
        };
        if note.until <= now {
            self.out.remove(&code);
        }
    }

    /// Forgets what nobody waits for.
    pub fn expire(&mut self, now: Instant) {
        self.out.retain(|_, note| note.until > now);
    }

    /// What is out on flows that are open, and on which of these.
    pub fn under_way(
        &self,
        now: Instant,
        flows: &HashSet<FlowId>,
        is_open: impl Fn(FlowId) -> bool,
    ) -> UnderWay {
        let out = || self.out.values().filter(|note| note.until > now && is_open(note.flow));
        UnderWay {
            requests: out().count(),
            flows: out().filter_map(|note| flows.get(&note.flow).copied()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMER_C: Duration = Duration::from_secs(181);
    const HERE: FlowId = FlowId { worker: 0, slot: 1, generation: 1 };
    const THERE: FlowId = FlowId { worker: 0, slot: 2, generation: 1 };

    fn notes() -> Notes {
        Notes::new(3, Timers::default(), TIMER_C)
    }

    /// How many are out, and whether one is on `HERE`.
    fn out(notes: &Notes, now: Instant) -> (usize, bool) {
        let UnderWay { requests, flows } = notes.under_way(now, &HashSet::from([HERE]), |_| true);
        (requests, flows.contains(&HERE))
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_request_is_out_until_its_final_response() {
        let (mut notes, now) = (notes(), Instant::now());
        notes.request(now, Code(1), HERE, Method::Message);
        notes.request(now, Code(2), THERE, Method::Message);
        assert_eq!(out(&notes, now), (2, true));
        notes.response(now, Code(1), 100);
        notes.response(now, Code(3), 200);
        assert_eq!(out(&notes, now), (2, true));
        notes.response(now, Code(1), 404);
        assert_eq!(out(&notes, now), (1, false));
    }

    #[test]
    fn nobody_waits_for_longer_than_a_transaction_lasts() {
        let (mut notes, now) = (notes(), Instant::now());
        notes.request(now, Code(1), HERE, Method::Message);
        notes.request(now, Code(2), HERE, Method::Invite);
        assert_eq!(out(&notes, now + seconds(31)).0, 2);
        assert_eq!(out(&notes, now + seconds(33)).0, 1);
        assert_eq!(out(&notes, now + TIMER_C + seconds(33)).0, 0);
        notes.expire(now + TIMER_C + seconds(33));
        assert!(notes.out.is_empty());
    }

    #[test]
    fn an_invite_is_out_while_it_rings_and_until_its_ack_has_had_time() {
        let (mut notes, now) = (notes(), Instant::now());
        notes.request(now, Code(1), HERE, Method::Invite);
        let later = now + seconds(180);
        notes.response(later, Code(1), 180);
        assert!(out(&notes, later + TIMER_C).1);
        notes.response(later, Code(1), 200);
        assert!(out(&notes, later + seconds(1)).1);
        assert!(!out(&notes, later + seconds(3)).1);
        notes.request(later, Code(2), HERE, Method::Invite);
        notes.response(later, Code(2), 486);
        assert!(!out(&notes, later + seconds(3)).1, "its ACK means nothing to the UA's user");
    }

    #[test]
    fn what_has_no_answer_of_its_own_and_what_was_not_delivered_is_not_out() {
        let (mut notes, now) = (notes(), Instant::now());
        notes.request(now, Code(1), HERE, Method::Ack);
        notes.request(now, Code(2), HERE, Method::Cancel);
        notes.request(now, Code(3), HERE, Method::Info);
        notes.undelivered(Code(3));
        assert_eq!(out(&notes, now), (0, false));
    }

    #[test]
    fn no_more_are_noted_than_there_may_be() {
        let (mut notes, now) = (notes(), Instant::now());
        for code in 1..=9 {
            notes.request(now, Code(code), HERE, Method::Info);
        }
        assert_eq!(out(&notes, now).0, 3);
        notes.request(now + seconds(20), Code(1), HERE, Method::Info);
        assert_eq!(out(&notes, now + seconds(40)).0, 1, "but one that is sent again is noted again");
    }

    #[test]
    fn what_was_out_on_a_flow_that_is_gone_is_lost_already() {
        let (mut notes, now) = (notes(), Instant::now());
        notes.request(now, Code(1), HERE, Method::Info);
        notes.request(now, Code(2), THERE, Method::Info);
        let left = notes.under_way(now, &HashSet::from([HERE, THERE]), |flow| flow == THERE);
        assert_eq!(left, UnderWay { requests: 1, flows: vec![THERE] });
    }
}
