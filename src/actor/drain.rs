//! The end of a node that is told to go: its UAs are sent elsewhere a few at a time, and what is under way ends first.
//!
//! When and in which order is [`proto::drain`](crate::proto::drain)'s; who says it is [`node`](super::node). What refuses
//! REGISTERs and leaves pings unanswered looks at [`Node::course`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Recipient;
use flowhold_cluster::flow::FlowId;
use futures_util::future::join_all;
use tracing::info;

use super::message::{AskUnderWay, Close};
use super::worker::Node;
use crate::metrics::FlowClosed;
use crate::proto::drain::{Closing, Course};
use crate::proto::proxy::UnderWay;

/// How often it is looked at which flows have their turn and whether those that were put off are free.
const TICK: Duration = Duration::from_millis(100);

/// RFC 5389 §7.2.1: a STUN request without an answer has failed after 39.5 s.
const STUN_GIVES_UP: Duration = Duration::from_secs(40);

/// How often a UA over UDP pings that was given no Flow-Timer: RFC 5626 §4.4.2 has 24 to 29 s.
const PINGS_EVERY: Duration = Duration::from_secs(29);

/// How long connections may take to be told that they are closed.
const SETTLES: Duration = Duration::from_secs(1);

/// Drains the node; returns when it can end.
pub(super) async fn drain(node: &Node, proxies: &[Recipient<AskUnderWay>]) {
    let course = *node.course.get_or_init(|| course(node));
    let mut closing = Closing::new(course, node.flows.connections(), &mut rand::rng());
    node.metrics.draining.set(1);
    if let Some(cluster) = &node.cluster {
        cluster.look_again();
    }
    let time = humantime::format_duration(node.config.node.drain);
    let udp_flows = node.metrics.udp_flows.get();
    info!(connections = closing.count(), udp_flows, %time, "draining");

    let mut closed = HashSet::new();
    let left = loop {
        let now = Instant::now();
        let is_over = now >= course.over();
        let due = closing.due(now);
        let UnderWay { requests, flows } = under_way(node, proxies, &due).await;
        let busy: HashSet<FlowId> = flows.into_iter().collect();
        for flow in due {
            if busy.contains(&flow) && !is_over {
                closing.put_off(flow);
            } else if node.flows.tell_to_close(flow, Close(FlowClosed::Drain)) {
                closed.insert(flow);
            }
        }
        let is_idle = closing.is_done() && requests == 0 && node.metrics.udp_flows.get() == 0;
        if is_idle || is_over {
            break requests;
        }
        let next = closing.next_turn().filter(|_| !closing.has_put_off()).unwrap_or(now);
        tokio::time::sleep_until(next.max(now + TICK).min(course.over()).into()).await;
    };
    let told = Instant::now();
    #[expect(clippy::iter_over_hash_type, reason = "nothing goes on the wire")]
    for flow in &closed {
        while node.flows.is_open(*flow) && told.elapsed() < SETTLES {
            tokio::time::sleep(TICK / 10).await;
        }
    }
    if left > 0 {
        // Proxies have heard by now of the flows that were closed, and say so to who waits for an answer.
        under_way(node, proxies, &[]).await;
        tokio::time::sleep(TICK).await;
    }
    info!(connections = closed.len(), requests_cut = left, "drained");
}

fn course(node: &Node) -> Course {
    let pings = node.config.outbound.flow_timer_udp.unwrap_or(PINGS_EVERY);
    Course::new(Instant::now(), node.config.node.drain, pings + STUN_GIVES_UP, rand::random())
}

/// What all proxies, and other nodes, have in hand, and which of these flows that is on.
async fn under_way(node: &Node, proxies: &[Recipient<AskUnderWay>], flows: &[FlowId]) -> UnderWay {
    let flows: Arc<HashSet<FlowId>> = Arc::new(flows.iter().copied().collect());
    let mut all = node.relayed.under_way(&node.flows, &flows);
    for one in join_all(proxies.iter().map(|proxy| proxy.send(AskUnderWay(Arc::clone(&flows))))).await {
        // A proxy that does not answer is gone, with all that it had.
        all += one.unwrap_or_default();
    }
    all
}
