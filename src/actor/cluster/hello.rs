//! The hello of a link ([`proto::hello`](crate::proto::hello)), carried out over its stream.

use std::io;

use flowhold_cluster::flow::NodeRun;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::error::Elapsed;

use crate::proto::hello::{Acceptor, Arrival, Dialer, Me, Peer, Progress, Refusal};
use crate::sip::{self, Frame, Framer, Message};

/// A hello is a few hundred octets.
const BUFFER: usize = 4096;

/// Why a link did not come about.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The other end has said nothing, and is gone.
    #[error("closed without a word")]
    Silent,
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is no SIP.
    #[error(transparent)]
    Framing(#[from] sip::Refusal),
    /// The hello was refused here or there.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It took too long.
    #[error("it took too long")]
    TooSlow(#[from] Elapsed),
}

/// Says hello, and returns who answered.
pub(super) async fn dial<S>(
    stream: &mut S,
    me: &Me,
    (to, at): (&NodeRun, &str),
    max_message: usize,
) -> Result<Peer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut dialer, hello) = Dialer::new(me, to, at, rand::random(), rand::random());
    let mut talk = Talk::new(stream, max_message);
    talk.say(&hello).await?;
    loop {
        match dialer.arrive(&talk.hear().await?)? {
            Progress::Send(proof) => talk.say(&proof).await?,
            Progress::Up(peer) => return talk.end().map(|()| peer),
            Progress::Wait => {}
        }
    }
}

/// Hears who it is. `is_vouched_for` says whether a certificate names that node, where there are certificates.
pub(super) async fn accept<S>(
    stream: &mut S,
    me: &Me,
    is_vouched_for: impl Fn(&S, &str) -> bool,
    max_message: usize,
) -> Result<Peer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut acceptor = Acceptor::new(me, rand::random());
    let mut talk = Talk::new(stream, max_message);
    loop {
        let message = talk.hear().await?;
        let refusal = match acceptor.arrive(&message) {
            Arrival::Challenged(challenge) => {
                talk.say(&challenge).await?;
                continue;
            }
            Arrival::Proved(peer, _) if !is_vouched_for(talk.stream, &peer.run.node) => {
                Refusal::WrongCertificate
            }
            Arrival::Proved(peer, answer) => {
                talk.end()?;
                talk.say(&answer).await?;
                return Ok(peer);
            }
            Arrival::Refused(refusal) => refusal,
        };
        if let Some(answer) = acceptor.forbid(&message) {
            talk.say(&answer).await?;
            // What is still on its way must not reset the connection before the answer is read.
            let _ = talk.stream.shutdown().await;
        }
        return Err(refusal.into());
    }
}

/// One message after the other, and nothing in between.
struct Talk<'s, S> {
    stream: &'s mut S,
    framer: Framer,
    buffer: Box<[u8]>,
    /// What was read and not looked at.
    unread: std::ops::Range<usize>,
    has_heard: bool,
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Talk<'s, S> {
    fn new(stream: &'s mut S, max_message: usize) -> Self {
        let framer = Framer::new(max_message);
        Self { stream, framer, buffer: vec![0; BUFFER].into(), unread: 0..0, has_heard: false }
    }

    async fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets).await?;
        self.stream.flush().await
    }

    async fn hear(&mut self) -> Result<Message, Failure> {
        loop {
            let mut unread = &self.buffer[self.unread.clone()];
            let frame = self.framer.next(&mut unread)?;
            self.unread.start = self.unread.end - unread.len();
            match frame {
                Some(Frame::Message(message)) => return Ok(message),
                Some(Frame::Ping | Frame::Pong) => return Err(Refusal::NotAHello.into()),
                None => {}
            }
            let read = self.stream.read(&mut self.buffer).await?;
            if read == 0 {
                return Err(if self.has_heard { unexpected_end() } else { Failure::Silent });
            }
            self.has_heard = true;
            self.unread = 0..read;
        }
    }

    /// The link is up: what follows is for the connection, and nothing can have followed yet.
    fn end(&self) -> Result<(), Failure> {
        if self.unread.is_empty() && !self.framer.in_message() {
            Ok(())
        } else {
            Err(Refusal::NotAHello.into())
        }
    }
}

fn unexpected_end() -> Failure {
    Failure::Io(io::ErrorKind::UnexpectedEof.into())
}
