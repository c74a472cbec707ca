//! What every store of the location service does: one suite of rules, run over each store.
//!
//! A rule is a function over `dyn Location`, and `suite!` makes a test of each rule for a store. A rule that is not in the
//! list of `suite!` is dead code, which the build refuses. To add a store, add a function that opens an empty one. A store
//! that does not limit how many AORs there are says why.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod clustered;
mod make;
mod model;
mod redis;
mod rules;

use std::time::Duration;

use flowhold_cluster::memory::{Memory, Settings};

use make::Store;

/// How long each store of the suite remembers an AOR without bindings.
const REMEMBER: Duration = Duration::from_secs(600);
/// How many AORs each store of the suite holds.
const MAX_AORS: usize = 64;

macro_rules! suite {
    ($store:ident, $open:expr) => {
        suite! { @rules $store, $open, limit: an_aor_over_the_limit_of_aors_is_refused_until_one_is_forgotten; }
    };
    ($store:ident, $open:expr, no limit of AORs because $reason:literal) => {
        suite! { @rules $store, $open, }
    };
    (@rules $store:ident, $open:expr, $($file:ident: $rule:ident;)*) => {
        mod $store {
            use super::*;

            suite! { @tests $open, $($file: $rule;)*
                replace: s6_the_same_instance_and_reg_id_replace_whatever_contact_and_call_id;
                replace: s6_another_reg_id_or_instance_is_another_binding;
                replace: s10_3_a_contact_replaces_all_that_it_is_equivalent_to;
                replace: s10_3_another_contact_is_another_binding;
                replace: an_update_lists_the_newest_first_and_its_own_in_their_order;
                replace: what_was_put_comes_back_as_it_was;
                order: s10_3_a_cseq_that_is_not_higher_aborts_the_update;
                order: s10_3_another_call_id_is_in_order;
                order: s10_3_one_binding_out_of_order_undoes_the_whole_update;
                order: s10_3_a_removal_out_of_order_fails;
                order: s10_3_a_star_out_of_order_removes_nothing;
                order: s10_3_an_expired_binding_orders_nothing;
                order: s10_3_two_changes_of_one_binding_in_one_update_do_not_order_each_other;
                remove: s10_3_a_star_removes_all;
                remove: s10_3_a_removal_removes_all_that_it_matches_and_nothing_else;
                remove: s10_3_removing_what_is_not_there_succeeds;
                remove: a_query_changes_nothing_and_makes_no_aor_known;
                limit: a_binding_over_the_limit_undoes_the_whole_update;
                limit: the_limit_counts_neither_replaced_nor_removed_nor_expired_bindings;
                limit: an_aor_over_a_lowered_limit_may_refresh_and_remove;
                time: an_expired_binding_is_never_returned;
                time: an_aor_is_known_for_a_time_after_its_last_binding_ended;
                time: purging_forgets_what_is_over_and_nothing_else;
                flows: s7_a_failed_flow_takes_its_bindings_of_every_aor;
                flows: s7_a_binding_that_moved_to_another_flow_stays;
                flows: s7_a_flow_of_another_node_run_or_remote_is_another_flow;
                flows: s7_a_flow_that_failed_may_be_used_again;
                flows: s7_a_binding_that_came_by_a_proxy_outlives_the_proxys_connection;
                races: threads_that_race_on_one_aor_lose_no_update;
                races: of_two_that_race_on_one_binding_one_wins_everywhere;
                races: a_failing_flow_and_a_move_away_from_it_leave_the_moved_binding;
                model: any_history_gives_what_a_naive_model_gives;
            }
        }
    };
    (@tests $open:expr, $($file:ident: $rule:ident;)+) => {
        $(
            #[test]
            fn $rule() {
                $crate::rules::$file::$rule(&$open);
            }
        )+
    };
}

suite!(memory, || {
    let settings = Settings { remember: REMEMBER, max_aors: MAX_AORS };
    Store::new(Memory::new(settings))
});

suite!(
    redis_store,
    redis::open,
    no limit of AORs because "a count over all slots cannot be part of an atomic step on one: Redis has maxmemory"
);

suite!(clustered_store, clustered::open);
