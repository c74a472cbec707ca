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
                Some(Frame::Ping | Frame::Pong | Frame::Stun(_)) => return Err(Refusal::NotAHello.into()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;
    use std::time::Duration;
    use tokio::io::duplex;

    const MAX: usize = 4096;

    fn me(node: &str, at: &str, secret: &[u8]) -> Me {
        let run = NodeRun { node: node.into(), epoch: 1_700_000_000_000 };
        Me { run, at: at.into(), transport: Transport::Tcp, links: 2, secret: Some(secret.into()) }
    }

    fn both(secret: &[u8]) -> (Me, Me) {
        (me("a", "127.0.0.1:5070", secret), me("b", "127.0.0.1:5071", b"0123456789abcdef"))
    }

    #[tokio::test]
    async fn both_ends_know_each_other_however_the_octets_are_split() {
        for room in [1, 7, 64 << 10] {
            let (a, b) = both(b"0123456789abcdef");
            let (mut near, mut far) = duplex(room);
            let (dialed, accepted) = tokio::join!(
                dial(&mut near, &a, (&b.run, &b.at), MAX),
                accept(&mut far, &b, |_, node| node == "a", MAX)
            );
            assert_eq!(dialed.unwrap().run, b.run);
            assert_eq!(accepted.unwrap().run, a.run);
        }
    }

    #[tokio::test]
    async fn who_is_refused_hears_403_and_why_is_known_at_the_other_end() {
        let (a, b) = both(b"another secret..");
        let (mut near, mut far) = duplex(64 << 10);
        let (dialed, accepted) =
            tokio::join!(dial(&mut near, &a, (&b.run, &b.at), MAX), accept(&mut far, &b, |_, _| true, MAX));
        assert!(matches!(dialed, Err(Failure::Refused(Refusal::Status(403)))), "{dialed:?}");
        assert!(matches!(accepted, Err(Failure::Refused(Refusal::WrongSecret))), "{accepted:?}");

        let (a, b) = both(b"0123456789abcdef");
        let (mut near, mut far) = duplex(64 << 10);
        let (_, accepted) =
            tokio::join!(dial(&mut near, &a, (&b.run, &b.at), MAX), accept(&mut far, &b, |_, _| false, MAX));
        assert!(matches!(accepted, Err(Failure::Refused(Refusal::WrongCertificate))), "{accepted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_nothing_or_does_not_end_is_waited_for_as_long_as_it_is_said() {
        for begun in [&b""[..], b"OPTIONS sip:a SIP/2.0\r\nVia: "] {
            let (_, b) = both(b"0123456789abcdef");
            let (mut near, mut far) = duplex(64 << 10);
            near.write_all(begun).await.unwrap();
            let accepted =
                tokio::time::timeout(Duration::from_secs(5), accept(&mut far, &b, |_, _| true, MAX));
            let failure = accepted.await.map_err(Failure::from).unwrap_err();
            assert!(matches!(failure, Failure::TooSlow(_)), "{failure:?}");
        }
    }

    #[tokio::test]
    async fn the_end_of_a_stream_is_no_refusal_and_garbage_is() {
        for (octets, silent) in [(&b""[..], true), (b"OPTIONS sip:a", false)] {
            let (_, b) = both(b"0123456789abcdef");
            let (mut near, mut far) = duplex(64 << 10);
            near.write_all(octets).await.unwrap();
            drop(near);
            let failure = accept(&mut far, &b, |_, _| true, MAX).await.unwrap_err();
            assert_eq!(matches!(failure, Failure::Silent), silent, "{failure:?}");
        }
        for octets in [&b"\x16\x03\x01"[..], b"\r\n\r\n", &[b'a'; 2 * MAX]] {
            let (_, b) = both(b"0123456789abcdef");
            let (mut near, mut far) = duplex(64 << 10);
            near.write_all(octets).await.unwrap();
            let failure = accept(&mut far, &b, |_, _| true, MAX).await.unwrap_err();
            assert!(matches!(failure, Failure::Framing(_) | Failure::Refused(_)), "{failure:?}");
        }
    }

    #[tokio::test]
    async fn nothing_may_follow_a_hello_before_it_is_answered() {
        let (a, b) = both(b"0123456789abcdef");
        let (mut near, mut far) = duplex(64 << 10);
        let acceptor = async {
            let mut acceptor = Acceptor::new(&b, [1; 16]);
            let mut talk = Talk::new(&mut far, MAX);
            loop {
                match acceptor.arrive(&talk.hear().await.unwrap()) {
                    Arrival::Challenged(challenge) => talk.say(&challenge).await.unwrap(),
                    Arrival::Proved(_, answer) => {
                        return talk.say(&[&answer[..], b"\r\n\r\nx"].concat()).await.unwrap();
                    }
                    Arrival::Refused(refusal) => panic!("{refusal}"),
                }
            }
        };
        let (dialed, ()) = tokio::join!(dial(&mut near, &a, (&b.run, &b.at), MAX), acceptor);
        assert!(matches!(dialed, Err(Failure::Refused(Refusal::NotAHello))), "{dialed:?}");
    }
}
