//! Starts the actors of all workers, and opens their listeners when everything behind them is there.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use flowhold_cluster::flow::FlowId;
use tokio::net::TcpListener;

use super::accept::accept;
use super::auth;
use super::cluster;
use super::dialer::Dialer;
use super::links;
use super::listeners::{Kind, Listeners};
use super::load;
use super::message::{AskUnderWay, FlowFailed, Inbound, Members, Unregister, UpstreamChanged, WayOut};
use super::node::StartError;
use super::proxy::Proxy;
use super::registrar::Registrar;
use super::settings;
use super::udp_socket::UdpSocket;
use super::upstream;
use super::worker::{Node, Peers, Worker};
use crate::proto::Profile;
use crate::proto::proxy::Proxy as Core;
use crate::proto::relay::Relay;

/// Whom the actors that were started are reached by.
pub(super) struct Started {
    /// Who knows what is under way.
    pub(super) under_way: Vec<Recipient<AskUnderWay>>,
    /// Those who open links to other nodes, where there is a cluster.
    pub(super) links: Vec<Recipient<Members>>,
    /// Those who keep the registrations with other providers.
    pub(super) upstreams: Vec<Recipient<Unregister>>,
}

/// Starts the actors of all workers, then opens the doors: a flow finds its registrar and every proxy there.
pub(super) async fn start(
    node: &Arc<Node>,
    arbiters: &[Arbiter],
    listeners: Listeners,
) -> Result<Started, StartError> {
    let served = listeners.served();
    let mut registrars = Vec::new();
    let mut proxies = Vec::new();
    let tokens = &node.tokens;
    let mut relays = Vec::new();
    let relay_secret = rand::random();
    for (index, arbiter) in (0..).zip(arbiters) {
        registrars.push(Registrar::start_on(&arbiter.handle(), index, Arc::clone(node)));
        let settings = settings::proxy(node, Arc::clone(tokens), index, &served);
        relays.push(Relay::new(&settings, relay_secret));
        let core = Core::new(settings, rand::random());
        proxies.push(Proxy::start_on(&arbiter.handle(), index, core, Arc::clone(node)));
    }
    let branches_on: Vec<Recipient<FlowFailed>> =
        proxies.iter().map(|proxy| proxy.clone().recipient()).collect();
    let under_way = proxies.iter().map(|proxy| proxy.clone().recipient()).collect();
    let inbound: Vec<Recipient<Inbound>> = proxies.iter().map(|proxy| proxy.clone().recipient()).collect();

    let hear_of_upstreams: Vec<Recipient<UpstreamChanged>> =
        proxies.iter().map(|proxy| proxy.clone().recipient()).collect();

    let (mut links, mut upstreams) = (Vec::new(), Vec::new());
    let mut doors = doors(listeners, arbiters.len());
    let actors = registrars.into_iter().zip(proxies).zip(relays);
    for ((index, arbiter), ((registrar, proxy), relay)) in (0..).zip(arbiters).zip(actors) {
        let peers = Peers {
            proxies: inbound.clone(),
            branches_on: branches_on.clone(),
            bindings_of: registrar.clone().recipient(),
            unreachable: registrar.clone().recipient(),
            registrar: registrar.recipient(),
        };
        let node = Arc::clone(node);
        let doors = doors.pop().expect("there are as many as arbiters");
        let hear_of_upstreams = hear_of_upstreams.clone();
        let (opened, open) = tokio::sync::oneshot::channel();
        arbiter.spawn_fn(move || {
            let authenticator = auth::authenticator(&node.config).map(RefCell::new);
            let lookups = auth::lookups(&node.config);
            let repeats = settings::repeats(&node.config, node.config.proxy.max_transactions);
            let repeats = RefCell::new(repeats);
            let dialer = OnceCell::new();
            let worker = Worker { index, node, peers, relay, authenticator, repeats, lookups, dialer };
            let worker = Rc::new(worker);
            let links = doors.open(&worker, &proxy);
            let _ = opened.send(links.map(|links| (links, upstream::start(&worker, &hear_of_upstreams))));
        });
        let open = open.await.map_err(|_| io::Error::other("a worker ended while it was started"))?;
        let (link, registrations) = open?;
        links.extend(link);
        upstreams.extend(registrations);
    }
    Ok(Started { under_way, links, upstreams })
}

/// The sockets of one worker.
#[derive(Default)]
struct Doors {
    udp: Vec<(std::net::UdpSocket, &'static Profile)>,
    streams: Vec<(std::net::TcpListener, Kind)>,
    cluster: Vec<std::net::TcpListener>,
}

fn doors(listeners: Listeners, workers: usize) -> Vec<Doors> {
    let mut doors: Vec<Doors> = (0..workers).map(|_| Doors::default()).collect();
    for (listener, profile) in listeners.udp {
        doors.iter_mut().zip(listener.sockets).for_each(|(doors, socket)| doors.udp.push((socket, profile)));
    }
    for (listener, kind) in listeners.streams {
        doors.iter_mut().zip(listener.sockets).for_each(|(doors, socket)| doors.streams.push((socket, kind)));
    }
    for listener in listeners.cluster {
        doors.iter_mut().zip(listener.sockets).for_each(|(doors, socket)| doors.cluster.push(socket));
    }
    doors
}

impl Doors {
    /// Opens them, after the proxy has been shown its way out.
    fn open(self, worker: &Rc<Worker>, proxy: &Addr<Proxy>) -> io::Result<Option<Recipient<Members>>> {
        let udp: io::Result<_> =
            self.udp.into_iter().map(|(socket, profile)| open_udp(socket, profile, worker)).collect();
        let (failed, unforwarded) = (proxy.clone().recipient(), proxy.clone().recipient());
        let dialer = Dialer::new(Rc::clone(worker), udp?, failed, unforwarded).start();
        let _ = worker.dialer.set(dialer.clone().recipient());
        actix_rt::spawn(load::watch(Rc::clone(worker)));
        proxy.do_send(WayOut(dialer.recipient()));
        for (listener, kind) in self.streams {
            let listener = TcpListener::from_std(listener)?;
            actix_rt::spawn(accept(listener, kind, Rc::clone(worker)));
        }
        let Some(cluster) = &worker.node.cluster else { return Ok(None) };
        for listener in self.cluster {
            let listener = TcpListener::from_std(listener)?;
            actix_rt::spawn(cluster::accept::accept(listener, Arc::clone(cluster), Rc::clone(worker)));
        }
        Ok(Some(links::start(Arc::clone(cluster), Rc::clone(worker), proxy.clone().recipient())))
    }
}

fn open_udp(
    socket: std::net::UdpSocket,
    profile: &'static Profile,
    worker: &Rc<Worker>,
) -> io::Result<(SocketAddr, FlowId)> {
    let local = socket.local_addr()?;
    Ok((local, UdpSocket::start(socket, profile, Rc::clone(worker))?))
}
