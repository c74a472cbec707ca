//! The sockets that a node listens on: opened before anything is started so that a fault costs nothing, named in the
//! line that says that it is ready, and handed to its workers.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use super::node::StartError;
use super::settings;
use crate::config::Config;
use crate::net::listen::{self, Listener};
use crate::proto::Profile;
use crate::sip::Transport;

/// All sockets of a node.
pub(super) struct Listeners {
    pub(super) udp: Vec<(Listener<std::net::UdpSocket>, &'static Profile)>,
    /// Those for connections of UAs, whatever these are spoken to in.
    pub(super) streams: Vec<(Listener<std::net::TcpListener>, Kind)>,
    /// One or none.
    pub(super) cluster: Vec<Listener<std::net::TcpListener>>,
    pub(super) admin: Option<std::net::TcpListener>,
}

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) transport: Transport,
    pub(super) profile: &'static Profile,
}

impl Listeners {
    /// Opens all that the configuration names.
    pub(super) fn open(config: &Config, workers: NonZeroUsize) -> Result<Self, StartError> {
        let (mut udp, mut streams) = (Vec::new(), Vec::new());
        for (transport, key, listener) in config.listen.each() {
            let (address, profile) = (listener.address, settings::profile(config, listener.profile));
            if transport.is_reliable() {
                let opened = open(key, address, |address| listen::tcp(address, workers))?;
                streams.push((opened, Kind { transport, profile }));
            } else {
                udp.push((open(key, address, |address| listen::udp(address, workers))?, profile));
            }
        }
        let cluster = config
            .cluster
            .listen
            .map(|address| open("cluster.listen", address, |address| listen::tcp(address, workers)));
        let admin = config.admin.listen.map(|address| {
            open("admin.listen", address, |address| {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(listener)
            })
        });
        let cluster = cluster.transpose()?.into_iter().collect();
        Ok(Self { udp, streams, cluster, admin: admin.transpose()? })
    }

    /// Where UAs reach this node, and over what.
    pub(super) fn served(&self) -> Vec<(Transport, SocketAddr)> {
        let udp = self.udp.iter().map(|(listener, _)| (Transport::Udp, listener.local));
        let streams = self.streams.iter().map(|(listener, kind)| (kind.transport, listener.local));
        udp.chain(streams).collect()
    }

    /// What the node says when it is ready: its name and what it listens on, with the ports that it got.
    pub(super) fn ready(&self, node: &str) -> String {
        let mut line = format!("flowhold ready node={node}");
        let sip = self.served().into_iter().map(|(transport, local)| (transport.as_uri_str(), local));
        let cluster = self.cluster.iter().map(|listener| ("cluster", listener.local));
        let admin = self.admin.iter().filter_map(|listener| Some(("admin", listener.local_addr().ok()?)));
        for (name, local) in sip.chain(cluster).chain(admin) {
            write!(line, " {name}={local}").expect("a String takes all that is written");
        }
        line
    }
}

fn open<L>(
    key: &'static str,
    address: SocketAddr,
    open: impl FnOnce(SocketAddr) -> io::Result<L>,
) -> Result<L, StartError> {
    open(address).map_err(|error| StartError::Listen { key, address, error })
}
