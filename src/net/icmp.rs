//! What ICMP says of a UDP peer: Linux keeps it on the socket's error queue, with the address that the lost
//! datagram was sent to.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

use futures_util::Stream;
use futures_util::stream::unfold;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt,
    sockopt::{Ipv4RecvErr, Ipv6RecvErr},
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

const ICMP_DEST_UNREACH: u8 = 3;
const ICMP_FRAG_NEEDED: u8 = 4;
const ICMPV6_DEST_UNREACH: u8 = 1;

/// Asks the kernel to keep ICMP errors of this UDP socket on its error queue.
pub fn enable(socket: &impl AsFd, local: SocketAddr) -> io::Result<()> {
    match local {
        SocketAddr::V4(_) => setsockopt(socket, Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, Ipv6RecvErr, &true)?,
    }
    Ok(())
}

/// The peers of this socket that ICMP says are unreachable, as it says so.
///
/// Ends when the error queue cannot be read.
pub fn unreachable(socket: Rc<UdpSocket>) -> impl Stream<Item = io::Result<SocketAddr>> {
    unfold(Some(socket), async |socket| {
        let socket = socket?;
        loop {
            if let Err(error) = socket.ready(Interest::ERROR).await {
                return Some((Err(error), None));
            }
            // `WouldBlock` is what makes the next `ready` wait for the next entry.
            let entry = socket.try_io(Interest::ERROR, || {
                next_entry(&*socket)?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
            });
            match entry {
                Ok(Entry::Unreachable(peer)) => return Some((Ok(peer), Some(socket))),
                Ok(Entry::Other) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Some((Err(error), None)),
            }
        }
    })
}

/// What the error queue says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entry {
    /// This peer cannot be reached.
    Unreachable(SocketAddr),
    /// Something that does not end a flow.
    Other,
}

/// Takes one entry off the error queue; `None` when it is empty.
fn next_entry(socket: &impl AsRawFd) -> io::Result<Option<Entry>> {
    // The error's own record, and the address of who reported it.
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let entry = match recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut [], Some(&mut control), flags) {
        Ok(entry) => entry,
        Err(Errno::EAGAIN) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let unreachable = entry.cmsgs()?.any(|control| match control {
        ControlMessageOwned::Ipv4RecvErr(error, _) => {
            error.ee_origin == libc::SO_EE_ORIGIN_ICMP
                && error.ee_type == ICMP_DEST_UNREACH
                && error.ee_code != ICMP_FRAG_NEEDED
        }
        ControlMessageOwned::Ipv6RecvErr(error, _) => {
            error.ee_origin == libc::SO_EE_ORIGIN_ICMP6 && error.ee_type == ICMPV6_DEST_UNREACH
        }
        _ => false,
    });
    let peer = entry.address.filter(|_| unreachable).as_ref().and_then(to_std);
    Ok(Some(peer.map_or(Entry::Other, Entry::Unreachable)))
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4(SocketAddrV4::from(*v4)));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::time::{Duration, Instant};

    fn unreachable_peer(bind: &str) {
        let socket = UdpSocket::bind(bind).unwrap();
        enable(&socket, socket.local_addr().unwrap()).unwrap();
        assert_eq!(next_entry(&socket).unwrap(), None, "nothing was sent yet");
        let nobody = UdpSocket::bind(bind).unwrap().local_addr().unwrap();
        socket.send_to(b"anyone?", nobody).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(found) = next_entry(&socket).unwrap() {
                assert_eq!(found, Entry::Unreachable(nobody));
                break;
            }
            assert!(Instant::now() < deadline, "no ICMP error came");
            std::thread::yield_now();
        }
        assert_eq!(next_entry(&socket).unwrap(), None);
    }

    #[test]
    fn a_closed_port_is_named() {
        unreachable_peer("127.0.0.1:0");
    }

    #[test]
    fn a_closed_port_is_named_over_ipv6() {
        unreachable_peer("[::1]:0");
    }
}
