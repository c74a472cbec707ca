//! Opening listeners: a socket per worker on the same address (`SO_REUSEPORT`), so that the kernel spreads peers
//! over the workers and a peer's packets always reach the same one.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use socket2::{Domain, Protocol, Socket, Type};

use super::icmp;

/// How many connections the kernel holds that are not accepted yet; it caps this at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// What the kernel may hold for a UDP listener in each direction, in octets: a burst of a whole population that
/// registers at once fits. It caps this at `net.core.rmem_max` and `wmem_max`.
const UDP_BUFFER: usize = 4 << 20;

/// One listener: an address and a socket of it for each worker.
#[derive(Debug)]
pub struct Listener<S> {
    /// The address that was got, which names the port where the configuration said 0.
    pub local: SocketAddr,
    /// A socket per worker.
    pub sockets: Vec<S>,
}

/// Opens a TCP listener for `workers` workers.
pub fn tcp(address: SocketAddr, workers: NonZeroUsize) -> io::Result<Listener<std::net::TcpListener>> {
    open(address, workers, |address, sharing| {
        let socket = socket(address, Type::STREAM, Protocol::TCP, sharing)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        if sharing == Sharing::Workers {
            socket.listen(BACKLOG)?;
        }
        Ok(socket)
    })
}

/// Opens a UDP listener for `workers` workers.
pub fn udp(address: SocketAddr, workers: NonZeroUsize) -> io::Result<Listener<std::net::UdpSocket>> {
    open(address, workers, |address, sharing| {
        let socket = socket(address, Type::DGRAM, Protocol::UDP, sharing)?;
        icmp::enable(&socket, address)?;
        // A smaller buffer than asked for is what the kernel's limits say, not a fault.
        let _ = socket.set_recv_buffer_size(UDP_BUFFER);
        let _ = socket.set_send_buffer_size(UDP_BUFFER);
        socket.bind(&address.into())?;
        Ok(socket)
    })
}

/// With whom a socket shares its address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Nobody,
    Workers,
}

fn open<S: From<Socket>>(
    address: SocketAddr,
    workers: NonZeroUsize,
    bind: impl Fn(SocketAddr, Sharing) -> io::Result<Socket>,
) -> io::Result<Listener<S>> {
    // `SO_REUSEPORT` would let a second node of the same owner share a port that is in use, and each would get
    // half of the peers: so a port that was named is first asked for without it, and let go.
    if address.port() != 0 {
        bind(address, Sharing::Nobody)?;
    }
    let first = bind(address, Sharing::Workers)?;
    let local = first.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut sockets = vec![S::from(first)];
    for _ in 1..workers.get() {
        sockets.push(S::from(bind(local, Sharing::Workers)?));
    }
    Ok(Listener { local, sockets })
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol, sharing: Sharing) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_port(sharing == Sharing::Workers)?;
    if address.is_ipv6() {
        // An IPv6 listener means IPv6; IPv4 has a listener of its own.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
    const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

    #[test]
    fn the_workers_share_one_port() {
        let listener = tcp(ANY_PORT, TWO).unwrap();
        assert_ne!(listener.local.port(), 0);
        for socket in &listener.sockets {
            assert_eq!(socket.local_addr().unwrap(), listener.local);
        }
        assert_eq!(listener.sockets.len(), 2);
    }

    #[test]
    fn a_port_in_use_is_refused_though_it_could_be_shared() {
        let first = tcp(ANY_PORT, TWO).unwrap();
        assert_eq!(tcp(first.local, TWO).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let first = udp(ANY_PORT, TWO).unwrap();
        assert_eq!(udp(first.local, TWO).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
