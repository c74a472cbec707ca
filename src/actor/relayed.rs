//! What other nodes have under way on flows of this node, noted by the worker of each flow.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use flowhold_cluster::flow::FlowId;

use super::flows::FlowTable;
use crate::config::Config;
use crate::proto::proxy::UnderWay;
use crate::proto::relay::{Code, Notes};
use crate::proto::transaction::Timers;
use crate::sip::{Message, Method};

/// The notes, a part for each worker so that workers do not meet at one lock.
#[derive(Debug)]
pub struct RelayedRequests {
    workers: Box<[Mutex<Notes>]>,
}

impl RelayedRequests {
    /// None yet.
    pub fn new(workers: usize, config: &Config) -> Self {
        let proxy = &config.proxy;
        let timers = Timers { t1: proxy.t1, t2: proxy.t2, t4: proxy.t4 };
        let notes = || Notes::new(proxy.max_transactions.div_ceil(workers), timers, proxy.timer_c);
        Self { workers: (0..workers).map(|_| Mutex::new(notes())).collect() }
    }

    /// A request goes out on a flow.
    pub fn request(&self, code: Code, flow: FlowId, method: Method) {
        if let Some(mut notes) = self.notes_of(flow) {
            notes.request(Instant::now(), code, flow, method);
        }
    }

    /// It did not.
    pub fn undelivered(&self, code: Code, flow: FlowId) {
        if let Some(mut notes) = self.notes_of(flow) {
            notes.undelivered(code);
        }
    }

    /// A response has come over a flow.
    pub fn response(&self, flow: FlowId, response: &Message) {
        let (Some(code), Some(status)) = (Code::of_response(response), response.status()) else { return };
        if let Some(mut notes) = self.notes_of(flow) {
            notes.response(Instant::now(), code, status);
        }
    }

    /// Forgets what nobody waits for. To be called about once a second.
    pub fn purge(&self) {
        for notes in &self.workers {
            lock(notes).expire(Instant::now());
        }
    }

    /// What is out, and on which of these flows.
    pub fn under_way(&self, open: &FlowTable, flows: &HashSet<FlowId>) -> UnderWay {
        let mut all = UnderWay::default();
        for notes in &self.workers {
            all += lock(notes).under_way(Instant::now(), flows, |flow| open.is_open(flow));
        }
        all
    }

    fn notes_of(&self, flow: FlowId) -> Option<MutexGuard<'_, Notes>> {
        self.workers.get(usize::from(flow.worker)).map(lock)
    }
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}
