//! The location service as one would write it with all the time in the world: a list, searched from end to end.

use flowhold_cluster::binding::{Binding, Timestamp};
use flowhold_cluster::flow::{Flow, NodeRun};
use flowhold_cluster::location::{Change, Changes, Update, UpdateError};

use crate::REMEMBER;
use crate::make::at;

/// Every AOR that ever had a binding.
#[derive(Default)]
pub(crate) struct Model {
    aors: Vec<Known>,
}

struct Known {
    aor: String,
    bindings: Vec<Binding>,
    ended_at: Timestamp,
}

impl Model {
    pub(crate) fn update(&mut self, update: Update) -> Result<Vec<Binding>, UpdateError> {
        self.expire(update.now);
        let aor = update.aor.to_string();
        let before =
            self.aors.iter().find(|known| known.aor == aor).map_or(vec![], |known| known.bindings.clone());
        let is_late = |binding: &Binding| binding.call_id == update.call_id && binding.cseq >= update.cseq;

        let after = match update.changes {
            Changes::None => return Ok(before),
            Changes::RemoveAll if before.iter().any(is_late) => return Err(UpdateError::OutOfOrder),
            Changes::RemoveAll => vec![],
            Changes::Each(changes) => {
                let (mut old, mut new) = (before.clone(), vec![]);
                for change in changes {
                    let key = match &change {
                        Change::Put(binding) => binding.key.clone(),
                        Change::Remove(key) => key.clone(),
                    };
                    if before.iter().any(|binding| binding.key.matches(&key) && is_late(binding)) {
                        return Err(UpdateError::OutOfOrder);
                    }
                    old.retain(|binding: &Binding| !binding.key.matches(&key));
                    new.retain(|binding: &Binding| !binding.key.matches(&key));
                    if let Change::Put(binding) = change {
                        new.push(binding);
                    }
                }
                new.extend(old);
                new
            }
        };
        if after.len() > update.max_bindings && after.len() > before.len() {
            return Err(UpdateError::TooManyBindings);
        }
        self.replace(&aor, after.clone(), update.now);
        Ok(after)
    }

    /// None: not known.
    pub(crate) fn lookup(&mut self, aor: &str, second: u64) -> Option<Vec<Binding>> {
        self.expire(at(second));
        let known = self.aors.iter().find(|known| known.aor == aor)?;
        let is_known = !known.bindings.is_empty() || at(second).since(known.ended_at) < REMEMBER;
        is_known.then(|| known.bindings.clone())
    }

    pub(crate) fn flow_failed(&mut self, holder: &NodeRun, flow: &Flow, second: u64) -> usize {
        self.expire(at(second));
        let mut failed = 0;
        for known in &mut self.aors {
            let before = known.bindings.len();
            known.bindings.retain(|binding| binding.flow != *flow || binding.holder != *holder);
            failed += before - known.bindings.len();
            if before > 0 && known.bindings.is_empty() {
                known.ended_at = at(second);
            }
        }
        failed
    }

    fn replace(&mut self, aor: &str, after: Vec<Binding>, now: Timestamp) {
        match self.aors.iter_mut().find(|known| known.aor == aor) {
            None if after.is_empty() => {}
            None => self.aors.push(Known { aor: aor.to_owned(), bindings: after, ended_at: now }),
            Some(known) => {
                if after.is_empty() && !known.bindings.is_empty() {
                    known.ended_at = now;
                }
                known.bindings = after;
            }
        }
    }

    fn expire(&mut self, now: Timestamp) {
        for known in &mut self.aors {
            let (live, expired): (Vec<_>, Vec<_>) =
                known.bindings.drain(..).partition(|binding| binding.expires_at > now);
            if let (true, Some(last)) =
                (live.is_empty(), expired.iter().map(|binding| binding.expires_at).max())
            {
                known.ended_at = last;
            }
            known.bindings = live;
        }
    }
}
