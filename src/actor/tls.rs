//! What a node needs for TLS at its listeners, for all of its workers.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;

use super::key_ring;
use super::worker::Node;
use crate::config::{Config, NextHopTransport};
use crate::metrics::{Refused, TlsFailed};
use crate::net::tls::{self, Acceptor, Connector, Failure, Speaks};
use crate::net::turns::{Turn, Turns};
use crate::proto::locate;
use crate::sip::Uri;

/// The TLS of all listeners.
pub struct Tls {
    /// Shakes hands.
    pub acceptor: Acceptor,
    turns: Turns,
}

impl Tls {
    /// As the configuration says; none where no listener is TLS.
    pub fn read(config: &Config) -> Result<Option<Self>, tls::Fault> {
        if !config.listen.each().any(|(transport, ..)| transport.is_secure()) {
            return Ok(None);
        }
        let turns = Turns::new(config.limits.tls_handshakes, config.limits.tls_handshakes_per_address);
        let acceptor = Acceptor::read(&config.tls, key_ring::for_tickets(config))?;
        Ok(Some(Self { acceptor, turns }))
    }
}

/// What next hops and other providers over TLS have to prove; none where there can be none.
pub fn connector(config: &Config) -> Result<Option<Connector>, tls::Fault> {
    let may_be_tls =
        |proxy: &String| Uri::parse(proxy.as_bytes()).is_ok_and(|uri| locate::plan(&uri).may_be_tls());
    let is_wanted = config.proxy.next_hops().any(|next| next.transport == NextHopTransport::Tls)
        || config.upstream.iter().flat_map(|upstream| &upstream.proxies).any(may_be_tls);
    let read = || Connector::read(config.tls.ca.as_deref(), config.tls.own());
    is_wanted.then(read).transpose()
}

impl Node {
    /// Shakes hands with who has dialed a TLS listener. None: nobody is there to speak to; it was counted, and said.
    pub async fn shake_hands(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        speaks: Speaks,
    ) -> Option<TlsStream<TcpStream>> {
        let tls = self.tls.as_ref()?;
        let _turn = self.turn(tls, &stream, peer).await?;
        self.metrics.tls_under_way.inc();
        let shaken = tls.acceptor.accept(stream, speaks, self.config.limits.tls_handshake_timeout).await;
        self.metrics.tls_under_way.dec();
        match shaken {
            Ok((stream, kind)) => {
                self.metrics.tls_handshakes.inc(kind);
                Some(stream)
            }
            Err(failure) => {
                self.tls_failed(&failure, peer);
                None
            }
        }
    }

    /// Waits until it is a client's turn to shake hands. Whoever has not begun takes nobody's place.
    async fn turn<'t>(&self, tls: &'t Tls, stream: &TcpStream, peer: SocketAddr) -> Option<Turn<'t>> {
        let until = Instant::now() + self.config.limits.tls_handshake_timeout;
        let failure = match timeout_at(until, stream.peek(&mut [0])).await {
            Ok(Ok(1..)) => {
                let turn = timeout_at(until, tls.turns.take(peer.ip())).await;
                return turn.map_err(|_| self.refuse(Refused::TlsHandshakes, peer)).ok();
            }
            Ok(Ok(0)) => Failure::from(TlsFailed::Closed),
            Ok(Err(error)) => Failure::from(error),
            Err(_) => Failure::from(TlsFailed::Timeout),
        };
        self.tls_failed(&failure, peer);
        None
    }
}
