//! A UA's flow: one TCP connection, its bytes taken apart into frames.

use std::net::{SocketAddr, SocketAddrV4};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::{Fault, ua::Ua, wire};

/// A flow and the UA that opened it.
#[derive(Debug)]
pub struct Flow {
    /// Its UA.
    pub ua: Ua,
    /// What [`Flow::send`] writes.
    pub out: Vec<u8>,
    local: SocketAddr,
    stream: TcpStream,
    inbox: Vec<u8>,
    /// Length of the frame at the start of `inbox` which was received last.
    frame: usize,
}

impl Flow {
    /// Opens the UA's flow from the UA's source address.
    pub async fn connect(ua: Ua, server: SocketAddr) -> Result<Self, Fault> {
        let (local, stream) = open(&ua, server).await?;
        Ok(Flow { ua, out: Vec::new(), local, stream, inbox: Vec::new(), frame: 0 })
    }

    /// This end's address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Returns when the server has closed the flow.
    pub async fn closed(&mut self) {
        let mut stray = [0; 2048];
        while let Ok(1..) = self.stream.read(&mut stray).await {}
    }

    /// Opens the flow of the same UA anew and registers over it.
    pub async fn reopen(&mut self, server: SocketAddr) -> Result<(), Fault> {
        (self.local, self.stream) = open(&self.ua, server).await?;
        self.inbox.clear();
        self.frame = 0;
        self.register().await
    }

    /// Writes the next REGISTER of its UA and waits for its 200.
    pub async fn register(&mut self) -> Result<(), Fault> {
        self.ua.register(self.local, &mut self.out);
        self.send().await?;
        self.receive().await?;
        self.ua.check_registered(self.frame())
    }

    /// Writes `out`.
    pub async fn send(&mut self) -> Result<(), Fault> {
        let written = self.stream.write_all(&self.out).await;
        written.map_err(|error| Fault::Socket { flow: self.ua.number, why: error.to_string() })
    }

    /// Writes what `respond` makes of the frame that was received last, as its UA.
    pub async fn answer(&mut self, respond: impl FnOnce(&Ua, &[u8], &mut Vec<u8>)) -> Result<(), Fault> {
        respond(&self.ua, &self.inbox[..self.frame], &mut self.out);
        self.send().await
    }

    /// Waits for the next frame, which [`Flow::frame`] then shows.
    pub async fn receive(&mut self) -> Result<(), Fault> {
        self.inbox.drain(..self.frame);
        self.frame = 0;
        loop {
            match wire::frame_length(&self.inbox) {
                Ok(Some(length)) => {
                    self.frame = length;
                    return Ok(());
                }
                Ok(None) => {}
                Err(why) => return Err(Fault::wrong(self.ua.number, why, &self.inbox)),
            }
            self.inbox.reserve(2048);
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(0) => return Err(Fault::Closed { flow: self.ua.number }),
                Ok(_) => {}
                Err(error) => return Err(Fault::Socket { flow: self.ua.number, why: error.to_string() }),
            }
        }
    }

    /// The frame that was received last.
    pub fn frame(&self) -> &[u8] {
        &self.inbox[..self.frame]
    }

    /// Checks that nothing came that nobody asked for, and that the flow is still open.
    pub fn check_quiet(&mut self) -> Result<(), Fault> {
        if self.inbox.len() == self.frame {
            let mut stray = [0; 2048];
            match self.stream.try_read(&mut stray) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Fault::Socket { flow: self.ua.number, why: error.to_string() }),
                Ok(0) => return Err(Fault::Closed { flow: self.ua.number }),
                Ok(length) => self.inbox.extend_from_slice(&stray[..length]),
            }
        }
        Err(Fault::wrong(self.ua.number, "bytes that nobody asked for", &self.inbox[self.frame..]))
    }
}

async fn open(ua: &Ua, server: SocketAddr) -> Result<(SocketAddr, TcpStream), Fault> {
    let open: Result<_, std::io::Error> = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::V4(SocketAddrV4::new(ua.source(), 0)))?;
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        Ok((stream.local_addr()?, stream))
    }
    .await;
    open.map_err(|error| Fault::Socket { flow: ua.number, why: error.to_string() })
}
