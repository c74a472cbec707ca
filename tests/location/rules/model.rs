//! Any history of updates, failures and time gives what the naive model of `crate::model` gives.

use flowhold_cluster::location::{Changes, Known, UpdateError};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::make::{Open, Register, Store, contact, flow, instance, node};
use crate::model::Model;

#[derive(Clone, Debug)]
enum Step {
    Update {
        aor: u8,
        call_id: u8,
        cseq: u32,
        changes: Vec<(bool, u8, u64)>,
        star: bool,
        slot: u32,
        epoch: u64,
        max: usize,
    },
    Lookup {
        aor: u8,
    },
    FlowFailed {
        slot: u32,
        epoch: u64,
    },
    Purge,
    Wait {
        seconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let change = (any::<bool>(), 0..8_u8, 1..200_u64);
    prop_oneof![
        8 => (0..3_u8, 0..2_u8, 1..12_u32, prop::collection::vec(change, 0..4), prop::bool::weighted(0.1), 0..3_u32, 1..3_u64, 1..5_usize)
            .prop_map(|(aor, call_id, cseq, changes, star, slot, epoch, max)| {
                Step::Update { aor, call_id, cseq, changes, star, slot, epoch, max }
            }),
        2 => (0..4_u8).prop_map(|aor| Step::Lookup { aor }),
        2 => (0..3_u32, 1..3_u64).prop_map(|(slot, epoch)| Step::FlowFailed { slot, epoch }),
        1 => Just(Step::Purge),
        2 => (0..400_u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

fn key(n: u8) -> flowhold_cluster::binding::BindingKey {
    match n {
        0..=3 => instance(["urn:a", "urn:b"][usize::from(n / 2)], u32::from(n % 2) + 1),
        4 => contact("sip:a@h", &[]),
        5 => contact("sip:a@h", &[("x", "1")]),
        6 => contact("sip:a@h", &[("x", "2"), ("y", "1")]),
        _ => contact("sip:b@h", &[]),
    }
}

pub(crate) fn any_history_gives_what_a_naive_model_gives(open: Open) {
    let cases = open().histories();
    let mut runner = TestRunner::new(Config { failure_persistence: None, cases, ..Config::default() });
    let histories = prop::collection::vec(step(), 1..60);
    runner.run(&histories, |steps| run(&open(), steps)).unwrap();
}

fn run(store: &Store, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let mut now = 0;
    for step in steps {
        match step {
            Step::Wait { seconds } => now += seconds,
            Step::Purge => store.purge(now),
            Step::Lookup { aor } => {
                let aor = format!("{aor}@h");
                let ours = match store.lookup(&aor, now) {
                    Known::No => None,
                    Known::Yes(bindings) => {
                        Some(bindings.iter().map(|binding| (**binding).clone()).collect())
                    }
                };
                prop_assert_eq!(ours, model.lookup(&aor, now));
            }
            Step::FlowFailed { slot, epoch } => {
                let holder = store.holder_or(node("a", epoch));
                let failed = store.flow_failed(&holder, &flow(slot), now);
                prop_assert_eq!(failed, model.flow_failed(&holder, &flow(slot), now));
            }
            Step::Update { aor, call_id, cseq, changes, star, slot, epoch, max } => {
                let mut register = Register::new(&format!("{aor}@h"), &call_id.to_string(), cseq, now)
                    .over(flow(slot))
                    .held_by(store.holder_or(node("a", epoch)))
                    .at_most(max);
                for (is_put, n, lasts) in changes {
                    register =
                        if is_put { register.lasting(lasts).put(key(n)) } else { register.remove(key(n)) };
                }
                let mut update = register.into_update();
                if star {
                    update.changes = Changes::RemoveAll;
                }
                let ours: Result<Vec<_>, UpdateError> = store
                    .update_with(update.clone())
                    .map(|bindings| bindings.iter().map(|binding| (**binding).clone()).collect());
                prop_assert_eq!(ours, model.update(update));
            }
        }
    }
    Ok(())
}
