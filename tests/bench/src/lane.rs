//! A lane: one of the window's places, with the share of the flows that it drives, one operation at a time.
//!
//! As many operations are outstanding as there are lanes. A lane knows which answer it waits for and on which flow, so a
//! check needs no table of requests under way.

use std::net::SocketAddr;

use crate::{Fault, flow::Flow, login::Login, stream::Dial, ua::Ua};

/// A place of the window.
#[derive(Debug)]
pub struct Lane {
    /// Where the server listens; a cluster at several addresses.
    servers: Vec<SocketAddr>,
    /// How its UAs open their flows.
    pub dial: Dial,
    /// UAs that have no flow yet.
    pub waiting: Vec<Ua>,
    /// Flows that are registered.
    pub flows: Vec<Flow>,
    /// The flow that the next operation takes.
    next: usize,
    /// UAs in all.
    size: usize,
}

impl Lane {
    /// Spreads `flows` UAs over as many lanes as the window has places. Each lane has two flows at least, for a row needs
    /// a caller and a callee.
    pub fn spread(servers: &[SocketAddr], dial: &Dial, login: Login, flows: u32, window: u32) -> Vec<Lane> {
        let lanes = window.min(flows / 2).max(1);
        let lane = |first| {
            // From the back, so that the lowest number connects first.
            let numbers = (first..flows.max(2)).step_by(lanes as usize).rev();
            let waiting: Vec<Ua> = numbers.map(|number| Ua::new(number, login)).collect();
            let size = waiting.len();
            Lane { servers: servers.to_vec(), dial: dial.clone(), waiting, flows: Vec::new(), next: 0, size }
        };
        (0..lanes).map(lane).collect()
    }

    /// Where the next UA that waits is to connect: the first half of a lane to the first of two servers, the second half to
    /// the second, so that caller and callee of [`Lane::pair`] are never at the same one where the lane is even.
    pub fn server(&self) -> SocketAddr {
        self.servers[self.flows.len() * self.servers.len() / self.size]
    }

    /// The next flow in turn.
    pub fn flow(&mut self) -> &mut Flow {
        let at = self.advance();
        &mut self.flows[at]
    }

    /// The next flow in turn, and the one that is half of the lane away from it.
    pub fn pair(&mut self) -> (&mut Flow, &mut Flow) {
        let caller = self.advance();
        let callee = (caller + self.flows.len() / 2) % self.flows.len();
        let [caller, callee] =
            self.flows.get_disjoint_mut([caller, callee]).expect("a lane has two flows at least");
        (caller, callee)
    }

    /// The number of the UA whose turn it was last.
    pub fn current(&self) -> u32 {
        let last = (self.next + self.flows.len()).checked_sub(1);
        let flow = last.and_then(|last| self.flows.get(last % self.flows.len().max(1)));
        flow.map_or(0, |flow| flow.ua.number)
    }

    /// Checks that no flow has bytes that nobody asked for.
    pub fn check_quiet(&mut self) -> Result<(), Fault> {
        self.flows.iter_mut().try_for_each(Flow::check_quiet)
    }

    fn advance(&mut self) -> usize {
        let at = self.next;
        self.next = (at + 1) % self.flows.len();
        at
    }
}
