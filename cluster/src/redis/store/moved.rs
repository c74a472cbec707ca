//! What a node is told of its own bindings by the others: that one was replaced or removed through another node.
//!
//! A set per node under `PREFIX:moved:NODE`, with a line for each such binding:
//!
//! ```text
//! aor=alice@example.com cseq=7 call-id=... node=a epoch=1760000000000 direct=yes flow=0.12.1 remote=192.0.2.1:40000
//! aor=alice@example.com by=b run=1760000000000 at=1760000000000
//! ```
//!
//! The first names one binding exactly and says nothing of what came in its place. The second says that something may have
//! been lost, and is an occasion to compare. So both are right however late they come and however often, and a node takes
//! a line out of the set only after it has acted on it.

use std::time::Duration;

use crate::binding::{Aor, Binding, Timestamp};
use crate::flow::{Flow, NodeRun};
use crate::location::Unavailable;

use super::text::{self, number};
use super::{Arg, Script, Store, Value};

/// Lines that a node may leave unread. A node that reads none for so long is gone, or has lost its lease by far.
const MOST: u64 = 100_000;
/// Lines that are read at a time.
const AT_A_TIME: u64 = 500;

static MOVED: Script = Script::new(include_str!("moved.lua"));
static TAKE: Script = Script::new(include_str!("take.lua"));

/// What a node is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Moved {
    /// Whose bindings.
    pub(crate) aor: Aor,
    /// The one that is another node's now, or nobody's; none: some may have been lost.
    pub(crate) binding: Option<Named>,
    line: Vec<u8>,
}

/// A binding by the REGISTER and the flow that it came over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Named {
    cseq: u32,
    call_id: Box<[u8]>,
    flow: Flow,
}

impl Named {
    /// Whether it is this one, under whatever lease.
    pub(crate) fn is(&self, binding: &Binding) -> bool {
        self.cseq == binding.cseq && self.flow == binding.flow && self.call_id == binding.call_id
    }
}

impl Moved {
    fn read(line: Vec<u8>) -> Option<Self> {
        let (mut aor, mut cseq, mut call_id, mut id, mut remote) = (None, None, None, None, None);
        for (name, value) in text::pairs(&line) {
            match name {
                b"aor" => aor = text::unescape(value),
                b"cseq" => cseq = number(value),
                b"call-id" => call_id = text::unescape(value),
                b"flow" => id = text::read_flow_id(value),
                b"remote" => remote = number(value),
                _ => {}
            }
        }
        let named = || {
            let flow = Flow { id: id?, remote: remote? };
            Some(Named { cseq: cseq?, call_id: call_id?, flow })
        };
        Some(Self { aor: Aor::from(&*aor?), binding: named(), line })
    }
}

impl Store {
    /// Tells the node that holds a binding of an AOR that it was replaced or removed.
    pub(crate) async fn tell_moved(
        &self,
        aor: &Aor,
        binding: &Binding,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let mut line = line(aor);
        line.push(b' ');
        text::write_identity(binding, &mut line);
        self.tell(&binding.holder.node, &line, binding.expires_at.since(now)).await
    }

    /// Tells a node that a binding of its own may have been lost.
    pub(crate) async fn tell_to_look(
        &self,
        node: &str,
        aor: &Aor,
        me: &NodeRun,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let mut line = line(aor);
        // Else it would be the same line as one that is being acted on, and be taken out of the set with that.
        line.extend_from_slice(format!(" by={} run={} at={}", me.node, me.epoch, now.0).as_bytes());
        self.tell(node, &line, self.remember).await
    }

    async fn tell(&self, node: &str, line: &[u8], lasts: Duration) -> Result<(), Unavailable> {
        // Longer than any registration lasts: Redis does not take everything.
        let lasts = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX).clamp(1, 10 * 365 * 24 * 3_600_000);
        let args = [Arg::Octets(line), lasts.into(), MOST.into()];
        if self.redis.eval(&MOVED, &self.moved(node), &args).await? == Value::Number(0) {
            tracing::warn!(node, "has too much unread of what it was told");
        }
        Ok(())
    }

    /// Removes the binding that a line names, if it is still there as that says.
    pub(crate) async fn remove_named(&self, moved: &Moved, now: Timestamp) -> Result<(), Unavailable> {
        let Some(end) = moved.line.iter().position(|&octet| octet == b' ') else { return Ok(()) };
        let identity = Arg::Octets(&moved.line[end..]);
        self.count(&super::REMOVE, &moved.aor, now, [identity]).await.map(|_| ())
    }

    /// What a node was told and has not seen to yet; `done` it has. Empty: nothing is left.
    pub(crate) async fn take_moved(&self, node: &str, done: &[Moved]) -> Result<Vec<Moved>, Unavailable> {
        let mut args = vec![AT_A_TIME.into()];
        args.extend(done.iter().map(|moved| Arg::Octets(&moved.line)));
        let value = self.redis.eval(&TAKE, &self.moved(node), &args).await?;
        let lines = value.list().unwrap_or_default().into_iter();
        let read = |value| if let Value::Octets(line) = value { Moved::read(line) } else { None };
        Ok(lines.filter_map(read).collect())
    }

    /// What a node was told before this run of it is nothing to this run.
    pub(crate) async fn forget_moved(&self, node: &str) -> Result<(), Unavailable> {
        self.redis.eval(&TAKE, &self.moved(node), &[AT_A_TIME.into(), "*".into()]).await.map(|_| ())
    }

    fn moved(&self, node: &str) -> Vec<u8> {
        format!("{}:moved:{node}", self.redis.prefix()).into_bytes()
    }
}

fn line(aor: &Aor) -> Vec<u8> {
    let mut line = b"aor=".to_vec();
    text::escape(aor.as_bytes(), &mut line);
    line
}

#[cfg(test)]
mod tests {
    use crate::binding::BindingKey;
    use crate::flow::{FlowId, Transport};

    use super::*;

    #[test]
    fn a_line_names_one_binding_exactly() {
        let binding = Binding {
            key: BindingKey::Instance { instance_id: b"urn:a"[..].into(), reg_id: 1 },
            contact: Box::default(),
            params: Box::default(),
            path: Box::default(),
            call_id: b"c d"[..].into(),
            cseq: 7,
            q: 1000,
            expires_at: Timestamp(2000),
            updated_at: Timestamp(1000),
            holder: NodeRun { node: "a".into(), epoch: 1 },
            flow: Flow {
                id: FlowId { worker: 0, slot: 1, generation: 2 },
                remote: "[::1]:5060".parse().unwrap(),
            },
            transport: Transport::Tcp,
            direct: true,
            outbound: true,
            user_agent: Box::default(),
        };
        let mut line = b"aor=al%20ice@h ".to_vec();
        text::write_identity(&binding, &mut line);
        let moved = Moved::read(line).unwrap();
        assert_eq!(moved.aor, Aor::from("al ice@h"));
        let moved = moved.binding.unwrap();
        let renewed = Binding { holder: NodeRun { node: "a".into(), epoch: 2 }, ..binding.clone() };
        assert!(moved.is(&binding) && moved.is(&renewed), "under whatever lease");
        for other in [
            Binding { cseq: 8, ..binding.clone() },
            Binding { call_id: b"c"[..].into(), ..binding.clone() },
            Binding { flow: Flow { remote: "[::1]:5061".parse().unwrap(), ..binding.flow }, ..binding },
        ] {
            assert!(!moved.is(&other));
        }
        assert_eq!(Moved::read(super::line(&"a@h".into())).unwrap().binding, None);
        assert_eq!(Moved::read(b"cseq=1".to_vec()), None);
    }
}
