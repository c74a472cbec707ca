//! What stands between a phone and the node, such as a NAT: it passes octets on, until its plug is pulled.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A relay in front of one listener of the node.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    is_plugged: watch::Sender<bool>,
}

impl Relay {
    pub(super) async fn before(node: SocketAddr) -> std::io::Result<Relay> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (is_plugged, plug) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((phone, _)) = listener.accept().await {
                tokio::spawn(pass_on(phone, node, plug.clone()));
            }
        });
        Ok(Relay { address, is_plugged })
    }

    /// Every connection through it is gone, and none is made.
    pub(super) fn unplug(&self) {
        self.is_plugged.send_replace(false);
    }

    pub(super) fn plug_in(&self) {
        self.is_plugged.send_replace(true);
    }
}

/// Ends with either side, or with the plug.
async fn pass_on(mut phone: TcpStream, node: SocketAddr, mut plug: watch::Receiver<bool>) {
    if !*plug.borrow() {
        return;
    }
    let Ok(mut node) = TcpStream::connect(node).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut phone, &mut node) => {}
        _ = plug.wait_for(|is_plugged| !is_plugged) => {}
    }
}
