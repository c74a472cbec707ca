//! Stores, updates and bindings, made in few words.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flowhold_cluster::binding::{Aor, Binding, BindingKey, Timestamp};
use flowhold_cluster::flow::{Flow, FlowId, NodeRun, Transport};
use flowhold_cluster::location::{
    Bindings, Change, Changes, Counts, Known, Location, Unavailable, Update, UpdateError,
};
use tokio::runtime::Runtime;

/// Opens an empty store.
pub(crate) type Open<'a> = &'a dyn Fn() -> Store;

/// A store whose answers are waited for.
#[derive(Clone)]
pub(crate) struct Store {
    location: Arc<dyn Location>,
    runtime: Arc<Runtime>,
    histories: u32,
    only: Option<NodeRun>,
}

impl Store {
    pub(crate) fn new(location: impl Location) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { location: Arc::new(location), runtime: Arc::new(runtime), histories: 256, only: None }
    }

    /// With fewer random histories tried on it, since each step takes its time.
    pub(crate) fn trying(mut self, histories: u32) -> Self {
        self.histories = histories;
        self
    }

    /// Which takes bindings of this holder alone.
    pub(crate) fn only_of(mut self, holder: NodeRun) -> Self {
        self.only = Some(holder);
        self
    }

    /// Any holder, or the one whose bindings it takes.
    pub(crate) fn holder_or(&self, any: NodeRun) -> NodeRun {
        self.only.clone().unwrap_or(any)
    }

    pub(crate) fn histories(&self) -> u32 {
        self.histories
    }

    pub(crate) fn update(&self, register: Register) -> Result<Bindings, UpdateError> {
        self.update_with(register.into_update())
    }

    pub(crate) fn update_with(&self, update: Update) -> Result<Bindings, UpdateError> {
        self.runtime.block_on(self.location.update(update))
    }

    /// The names of the bindings that are there after an update that must succeed.
    pub(crate) fn names_after(&self, register: Register) -> Vec<String> {
        names(&self.update(register).unwrap())
    }

    pub(crate) fn lookup(&self, aor: &str, second: u64) -> Known {
        self.runtime.block_on(self.location.lookup(&aor.into(), at(second))).unwrap()
    }

    /// The names of the bindings of an AOR that must be known.
    pub(crate) fn names(&self, aor: &str, second: u64) -> Vec<String> {
        match self.lookup(aor, second) {
            Known::Yes(bindings) => names(&bindings),
            Known::No => panic!("{aor} is not known"),
        }
    }

    pub(crate) fn flow_failed(&self, holder: &NodeRun, flow: &Flow, second: u64) -> usize {
        let failed: Result<usize, Unavailable> =
            self.runtime.block_on(self.location.flow_failed(holder, flow, at(second)));
        failed.unwrap()
    }

    /// As often as it takes to come round.
    pub(crate) fn purge(&self, second: u64) {
        for _ in 0..256 {
            self.runtime.block_on(self.location.purge(at(second))).unwrap();
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.location.counts()
    }
}

pub(crate) fn names(bindings: &[Arc<Binding>]) -> Vec<String> {
    bindings.iter().map(|binding| String::from_utf8(binding.contact.to_vec()).unwrap()).collect()
}

pub(crate) fn at(second: u64) -> Timestamp {
    Timestamp(1_700_000_000_000 + second * 1000)
}

pub(crate) fn instance(instance_id: &str, reg_id: u32) -> BindingKey {
    BindingKey::Instance { instance_id: instance_id.as_bytes().into(), reg_id }
}

pub(crate) fn contact(core: &str, params: &[(&str, &str)]) -> BindingKey {
    BindingKey::contact(core.as_bytes(), params.iter().copied())
}

pub(crate) fn flow(slot: u32) -> Flow {
    let remote = SocketAddr::from(([192, 0, 2, 1], 40_000));
    Flow { id: FlowId { worker: 0, slot, generation: 1 }, remote }
}

pub(crate) fn node(name: &str, epoch: u64) -> NodeRun {
    NodeRun { node: name.into(), epoch }
}

/// An update, put together as a REGISTER would. What is said of bindings holds for those that are put after it.
#[derive(Clone)]
pub(crate) struct Register {
    update: Update,
    changes: Vec<Change>,
    lasts: u64,
    flow: Flow,
    holder: NodeRun,
    direct: bool,
    name: Option<&'static str>,
}

impl Register {
    /// Of `aor` with this Call-ID and CSeq in that second.
    pub(crate) fn new(aor: &str, call_id: &str, cseq: u32, second: u64) -> Self {
        let update = Update {
            aor: Aor::from(aor),
            call_id: call_id.as_bytes().into(),
            cseq,
            changes: Changes::None,
            max_bindings: 16,
            now: at(second),
        };
        Self {
            update,
            changes: Vec::new(),
            lasts: 3600,
            flow: flow(1),
            holder: node("a", 1),
            direct: true,
            name: None,
        }
    }

    pub(crate) fn lasting(mut self, seconds: u64) -> Self {
        self.lasts = seconds;
        self
    }

    pub(crate) fn over(mut self, flow: Flow) -> Self {
        self.flow = flow;
        self
    }

    pub(crate) fn held_by(mut self, holder: NodeRun) -> Self {
        self.holder = holder;
        self
    }

    /// Not over a flow of the UA's own.
    pub(crate) fn by_proxy(mut self) -> Self {
        self.direct = false;
        self
    }

    pub(crate) fn at_most(mut self, max_bindings: usize) -> Self {
        self.update.max_bindings = max_bindings;
        self
    }

    /// The name of the binding put next; without one it has the name of its key.
    pub(crate) fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    pub(crate) fn put(mut self, key: BindingKey) -> Self {
        let name = self.name.take().map_or_else(|| format!("{key:?}"), str::to_owned);
        let binding = Binding {
            contact: name.into_bytes().into(),
            params: b";x=1"[..].into(),
            path: b"<sip:edge;lr;ob>"[..].into(),
            call_id: self.update.call_id.clone(),
            cseq: self.update.cseq,
            q: 700,
            expires_at: self.update.now + Duration::from_secs(self.lasts),
            updated_at: self.update.now,
            holder: self.holder.clone(),
            flow: self.flow,
            transport: Transport::Tcp,
            direct: self.direct,
            outbound: matches!(key, BindingKey::Instance { .. }),
            user_agent: b"ua/1"[..].into(),
            key,
        };
        self.changes.push(Change::Put(binding));
        self
    }

    pub(crate) fn remove(mut self, key: BindingKey) -> Self {
        self.changes.push(Change::Remove(key));
        self
    }

    pub(crate) fn remove_all(mut self) -> Self {
        self.update.changes = Changes::RemoveAll;
        self
    }

    pub(crate) fn into_update(mut self) -> Update {
        if !self.changes.is_empty() {
            self.update.changes = Changes::Each(self.changes);
        }
        self.update
    }
}
