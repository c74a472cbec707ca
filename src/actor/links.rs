//! The links of one worker to all other nodes: one for each member of the cluster, and none to a node that is none.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use flowhold_cluster::directory::{Member, View};
use flowhold_cluster::flow::NodeRun;

use super::cluster::Cluster;
use super::message::{LinkChanged, MemberGone, Members};
use super::node_link;
use super::worker::Worker;

/// The actor that has a link opened to each member.
struct Links {
    cluster: Arc<Cluster>,
    worker: Rc<Worker>,
    proxy: Recipient<LinkChanged>,
    to: BTreeMap<Arc<str>, Link>,
}

/// The link to one run of a node, at the address that it said.
struct Link {
    run: NodeRun,
    at: Arc<str>,
    gone: Recipient<MemberGone>,
}

/// Starts it for this thread's worker.
pub fn start(cluster: Arc<Cluster>, worker: Rc<Worker>, proxy: Recipient<LinkChanged>) -> Recipient<Members> {
    Links { cluster, worker, proxy, to: BTreeMap::new() }.start().recipient()
}

impl Links {
    fn close_to_those_gone(&mut self, view: &View) {
        let is_there = |node: &Arc<str>, link: &Link| {
            view.member(node).is_some_and(|member| member.run == link.run && member.at == link.at)
        };
        self.to.retain(|node, link| {
            let stays = is_there(node, link);
            if !stays {
                link.gone.do_send(MemberGone);
            }
            stays
        });
    }

    fn open_to(&mut self, member: &Arc<Member>) {
        let Member { run, at, .. } = &**member;
        if run.node == self.cluster.me.run.node || self.to.contains_key(&run.node) {
            return;
        }
        let gone = node_link::start(
            Arc::clone(member),
            Arc::clone(&self.cluster),
            Rc::clone(&self.worker),
            self.proxy.clone(),
        );
        self.to.insert(Arc::clone(&run.node), Link { run: run.clone(), at: Arc::clone(at), gone });
    }
}

impl Actor for Links {
    type Context = Context<Self>;
}

impl Handler<Members> for Links {
    type Result = ();

    fn handle(&mut self, Members(view): Members, _: &mut Self::Context) {
        self.close_to_those_gone(&view);
        for member in view.members() {
            self.open_to(member);
        }
    }
}
