//! What a service manager is told (systemd, `Type=notify`): that the node is ready, and that it is about to end.
//!
//! That is a datagram to the socket that `NOTIFY_SOCKET` names; where it names none, nobody wants to know.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use tracing::debug;

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It listens.
    Ready,
    /// It drains, or ends.
    Stopping,
}

/// Tells whoever started this process, if that wants to know.
pub fn notify(state: State) {
    let Some(to) = std::env::var_os("NOTIFY_SOCKET").filter(|to| !to.is_empty()) else { return };
    if let Err(error) = send(&to, state) {
        debug!(%error, ?state, "the service manager could not be told");
    }
}

fn send(to: &OsStr, state: State) -> io::Result<()> {
    let to = match to.as_bytes() {
        // As systemd writes an abstract socket.
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let text: &[u8] = match state {
        State::Ready => b"READY=1",
        State::Stopping => b"STOPPING=1",
    };
    UnixDatagram::unbound()?.send_to_addr(text, &to).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_told_by_a_path_or_by_an_abstract_name() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("flowhold-{}", std::process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (manager, to) in [(by_path, path.into_os_string()), (by_name, format!("@{name}").into())] {
            for (state, expected) in [(State::Ready, "READY=1"), (State::Stopping, "STOPPING=1")] {
                send(&to, state).unwrap();
                let mut told = [0; 64];
                let length = manager.recv(&mut told).unwrap();
                assert_eq!(std::str::from_utf8(&told[..length]), Ok(expected));
            }
        }
    }

    #[test]
    fn a_manager_that_is_not_there_is_an_error_and_no_panic() {
        assert!(send(OsStr::new("/nowhere/at/all"), State::Ready).is_err());
    }
}
