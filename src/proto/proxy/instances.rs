//! Whom a request for an AOR is sent to, and in which order: RFC 3261 §16.5, RFC 5626 §7.

use std::cmp::Reverse;

use flowhold_cluster::binding::{Binding, BindingKey};
use flowhold_cluster::location::Bindings;
use smallvec::SmallVec;

use super::target::Target;
use crate::proto::edge::transport_of;
use crate::proto::forking::Instance;

/// Instances and their flows.
pub(super) type Instances = SmallVec<[Instance<Target>; 1]>;

/// More targets than a branch index can tell apart are not tried; `registrar.max_bindings` is far below.
const MAX_TARGETS: usize = u8::MAX as usize;

/// The targets among an AOR's bindings; `secure`: those over TLS only.
///
/// RFC 5626 §7: bindings with one instance-id are flows to one UA, to be tried one after another. The newest registration
/// goes first: it is the flow that was alive last. A binding without an instance-id is a UA of its own.
pub(super) fn instances(mut bindings: Bindings, secure: bool) -> Instances {
    // RFC 3261 §26.2.2: a request for a sips URI goes over TLS or not at all.
    bindings.retain(|binding| !secure || transport_of(binding.transport).is_secure());
    bindings.sort_by_key(|binding| Reverse(binding.updated_at));
    bindings.truncate(MAX_TARGETS);
    let mut instances = Instances::new();
    for binding in bindings {
        let q = binding.q;
        match instances.iter_mut().find(|instance| are_one_ua(&instance.targets[0], &binding)) {
            Some(instance) => {
                // The UA prefers one of its flows to another, and is itself preferred as much as the best of them.
                instance.q = instance.q.max(q);
                instance.targets.push(Target::Binding(binding));
            }
            None => instances.push(Instance { q, targets: SmallVec::from_iter([Target::Binding(binding)]) }),
        }
    }
    instances
}

fn are_one_ua(target: &Target, binding: &Binding) -> bool {
    let Target::Binding(known) = target else { return false };
    match (&known.key, &binding.key) {
        (BindingKey::Instance { instance_id, .. }, BindingKey::Instance { instance_id: other, .. }) => {
            instance_id == other
        }
        _ => false,
    }
}
