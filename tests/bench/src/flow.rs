//! A UA's flow: one connection, its bytes taken apart into frames.

use std::net::SocketAddr;

use crate::{
    Fault,
    stream::{Dial, Stream},
    ua::Ua,
    wire,
};

/// A flow and the UA that opened it.
#[derive(Debug)]
pub struct Flow {
    /// Its UA.
    pub ua: Ua,
    /// What [`Flow::send`] writes.
    pub out: Vec<u8>,
    dial: Dial,
    local: SocketAddr,
    stream: Stream,
    inbox: Vec<u8>,
    /// Length of the frame at the start of `inbox` which was received last.
    frame: usize,
}

impl Flow {
    /// Opens the UA's flow from the UA's source address.
    pub async fn connect(ua: Ua, dial: &Dial, server: SocketAddr) -> Result<Self, Fault> {
        let (local, stream) = open(&ua, dial, server).await?;
        Ok(Flow { ua, out: Vec::new(), dial: dial.clone(), local, stream, inbox: Vec::new(), frame: 0 })
    }

    /// This end's address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Returns when the server has closed the flow.
    pub async fn closed(&mut self) {
        while let Ok(1..) = self.stream.read(&mut Vec::new()).await {}
    }

    /// Opens the flow of the same UA anew and registers over it.
    pub async fn reopen(&mut self, server: SocketAddr) -> Result<(), Fault> {
        (self.local, self.stream) = open(&self.ua, &self.dial, server).await?;
        self.inbox.clear();
        self.frame = 0;
        self.register().await
    }

    /// Writes the next REGISTER of its UA and waits for its 200; where it is challenged, also the one after that.
    pub async fn register(&mut self) -> Result<(), Fault> {
        self.try_to_register().await?;
        if self.ua.is_challenged(&self.inbox[..self.frame])? {
            self.try_to_register().await?;
        }
        self.ua.check_registered(&self.inbox[..self.frame])
    }

    async fn try_to_register(&mut self) -> Result<(), Fault> {
        self.ua.register(self.dial.over, self.local, &mut self.out);
        self.send().await?;
        self.receive().await
    }

    /// Writes `out`.
    pub async fn send(&mut self) -> Result<(), Fault> {
        let written = self.stream.write(&self.out).await;
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
            match self.stream.read(&mut self.inbox).await {
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
            match self.stream.try_read(&mut self.inbox) {
                Ok(None) => return Ok(()),
                Ok(Some(0)) => return Err(Fault::Closed { flow: self.ua.number }),
                Ok(Some(_)) => {}
                Err(error) => return Err(Fault::Socket { flow: self.ua.number, why: error.to_string() }),
            }
        }
        Err(Fault::wrong(self.ua.number, "bytes that nobody asked for", &self.inbox[self.frame..]))
    }
}

async fn open(ua: &Ua, dial: &Dial, server: SocketAddr) -> Result<(SocketAddr, Stream), Fault> {
    let opened = dial.open(ua.source(), server).await;
    opened.map_err(|error| Fault::Socket { flow: ua.number, why: error.to_string() })
}
