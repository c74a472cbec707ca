//! What a node that drains waits for.

use std::collections::HashSet;
use std::time::Duration;

use flowhold_cluster::flow::FlowId;

use super::super::UnderWay;
use super::scenario::*;
use crate::proto::Source;

/// Which of the two are busy, and how many requests are in hand.
fn under_way(scenario: &Scenario, of: &[Source]) -> (usize, Vec<FlowId>) {
    let asked: HashSet<FlowId> = of.iter().map(|source| source.flow.id).collect();
    let UnderWay { requests, flows } = scenario.proxy.under_way(scenario.now, &asked);
    let mut flows: Vec<_> = of.iter().map(|source| source.flow.id).filter(|id| flows.contains(id)).collect();
    flows.dedup();
    (requests, flows)
}

fn both() -> Vec<FlowId> {
    vec![alice().flow.id, bob().flow.id]
}

#[test]
fn a_request_is_under_way_on_both_flows_until_it_is_answered() {
    let mut scenario = Scenario::new();
    assert_eq!(under_way(&scenario, &[alice(), bob()]), (0, vec![]));
    let out = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()));
    assert_eq!(under_way(&scenario, &[alice(), bob()]), (1, both()));
    assert_eq!(under_way(&scenario, &[bob()]), (1, vec![bob().flow.id]), "only what was asked for");
    scenario.message(out.answer(200), bob());
    assert_eq!(under_way(&scenario, &[alice(), bob()]), (0, vec![]));
    scenario.assert_comes_to_rest();
}

#[test]
fn an_invite_is_under_way_while_it_rings_and_until_its_ack_has_had_time_to_come() {
    let mut scenario = Scenario::new();
    let out = scenario.request(&request("INVITE", "TCP", "z9hG4bKa"), alice()).remove(1);
    scenario.message(out.answer(180), bob());
    scenario.wait(Duration::from_secs(60));
    assert_eq!(under_way(&scenario, &[alice(), bob()]), (1, both()));
    scenario.message(out.answer(200), bob());
    scenario.wait(Duration::from_millis(1900));
    assert_eq!(under_way(&scenario, &[alice(), bob()]), (1, both()), "the ACK");
    scenario.wait(Duration::from_millis(200));
    assert_eq!(under_way(&scenario, &[alice(), bob()]), (0, vec![]), "not for as long as timer L runs");
    scenario.assert_comes_to_rest();
}

#[test]
fn an_invite_that_failed_is_no_longer_under_way() {
    let mut scenario = Scenario::new();
    let out = scenario.request(&request("INVITE", "TCP", "z9hG4bKa"), alice()).remove(1);
    scenario.message(out.answer(486), bob());
    assert_eq!(under_way(&scenario, &[alice(), bob()]), (0, vec![]));
    scenario.assert_comes_to_rest();
}

#[test]
fn a_request_whose_aor_is_looked_up_is_under_way_where_it_came_from() {
    let mut scenario = Scenario::new();
    scenario.hold = true;
    scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice());
    assert_eq!(under_way(&scenario, &[alice(), bob()]), (1, vec![alice().flow.id]));
    scenario.release();
    assert_eq!(under_way(&scenario, &[alice(), bob()]), (1, both()));
    scenario.assert_comes_to_rest();
}

#[test]
fn a_flow_that_failed_has_nothing_under_way() {
    let mut scenario = Scenario::new();
    scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice());
    scenario.flow_failed(bob().flow);
    assert_eq!(under_way(&scenario, &[alice(), bob()]), (0, vec![]));
    scenario.assert_comes_to_rest();
}
