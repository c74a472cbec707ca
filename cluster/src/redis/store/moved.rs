//! What a node is told of its own bindings that were replaced or removed through another node.
//!
//! A set per node under `PREFIX:moved:NODE`, with a line for each such binding:
//!
//! ```text
//! aor=alice@example.com cseq=7 call-id=... node=a epoch=1760000000000 direct=yes flow=0.12.1 remote=192.0.2.1:40000
//! ```
//!
//! A line names one binding exactly and says nothing of what came in its place. So it is right however late it comes and
//! however often, and a node takes it out of the set only after it has acted on it.

use std::sync::Arc;

use crate::binding::{Aor, Binding, Timestamp};
use crate::flow::Flow;
use crate::location::Unavailable;

use super::text::{self, number};
use super::{Arg, Script, Store, Value};

/// Lines that a node may leave unread. A node that reads none for so long is gone, or has lost its lease by far.
const MOST: u64 = 100_000;
/// Lines that are read at a time.
const AT_A_TIME: u64 = 500;

static MOVED: Script = Script::new(include_str!("moved.lua"));
static TAKE: Script = Script::new(include_str!("take.lua"));

/// A binding of this node that is another node's now, or nobody's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Moved {
    pub(crate) aor: Aor,
    cseq: u32,
    call_id: Box<[u8]>,
    flow: Flow,
    line: Vec<u8>,
}

impl Moved {
    /// Whether it is this one.
    pub(crate) fn is(&self, binding: &Binding) -> bool {
        self.cseq == binding.cseq && self.flow == binding.flow && self.call_id == binding.call_id
    }

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
        Some(Self {
            aor: Aor::from(&*aor?),
            cseq: cseq?,
            call_id: call_id?,
            flow: Flow { id: id?, remote: remote? },
            line,
        })
    }
}

impl Store {
    /// Tells the node that holds a binding of an AOR that it was replaced or removed.
    pub(crate) async fn tell_moved(
        &self,
        aor: &Aor,
        binding: &Arc<Binding>,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let lasts = u64::try_from(binding.expires_at.since(now).as_millis()).unwrap_or(u64::MAX);
        let mut line = b"aor=".to_vec();
        text::escape(aor.as_bytes(), &mut line);
        line.push(b' ');
        text::write_identity(binding, &mut line);
        // Longer than any registration lasts: Redis does not take everything.
        let lasts = lasts.clamp(1, 10 * 365 * 24 * 3_600_000);
        let args = [Arg::Octets(&line), lasts.into(), MOST.into()];
        let told = self.redis.eval(&MOVED, &self.moved(&binding.holder.node), &args).await?;
        if told == Value::Number(0) {
            tracing::warn!(node = %binding.holder.node, "has too much unread of bindings that moved");
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use crate::binding::BindingKey;
    use crate::flow::{FlowId, NodeRun, Transport};

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
        let renewed = Binding { holder: NodeRun { node: "a".into(), epoch: 2 }, ..binding.clone() };
        assert!(moved.is(&binding) && moved.is(&renewed), "under whatever lease");
        for other in [
            Binding { cseq: 8, ..binding.clone() },
            Binding { call_id: b"c"[..].into(), ..binding.clone() },
            Binding { flow: Flow { remote: "[::1]:5061".parse().unwrap(), ..binding.flow }, ..binding },
        ] {
            assert!(!moved.is(&other));
        }
        assert_eq!(Moved::read(b"aor=a@h cseq=1".to_vec()), None);
    }
}
