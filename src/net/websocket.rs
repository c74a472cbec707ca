//! The opening handshake of WebSocket on a connection that was accepted: reads the request, and answers it.
//!
//! What a request has to be is [`sip::websocket`](crate::sip::websocket)'s. Fields that proxies write, such as
//! X-Forwarded-For, are not looked at: anybody can write them. A balancer says by the PROXY protocol whose a connection is.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::sip::websocket::{Reject, Terms, accept, find_end};

/// Octets of a request that are read at once; browsers send some 600.
const READ: usize = 1024;

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The peer closed before it said all, or the connection failed.
    #[error("closed before a request")]
    Closed(#[from] io::Error),
    /// It was answered.
    #[error(transparent)]
    Rejected(#[from] Reject),
}

/// Answers the request that a connection begins with, which has `max_request` octets at most: from then on it is
/// WebSocket, or it was told why not and is to be closed.
pub async fn receive<S>(stream: &mut S, max_request: usize, terms: Terms<'_>) -> Result<(), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let verdict = match read_head(stream, max_request).await? {
        Ok(head) => accept(&head, terms),
        Err(reject) => Err(reject),
    };
    let response = match &verdict {
        Ok(upgrade) => upgrade.response(),
        Err(reject) => reject.response(),
    };
    stream.write_all(response.as_bytes()).await?;
    stream.flush().await?;
    if let Err(reject) = verdict {
        stream.shutdown().await?;
        return Err(Fault::Rejected(reject));
    }
    Ok(())
}

async fn read_head<S>(stream: &mut S, max_request: usize) -> io::Result<Result<Vec<u8>, Reject>>
where
    S: AsyncRead + Unpin,
{
    let mut head = Vec::with_capacity(READ);
    loop {
        let room = (max_request - head.len()).min(READ) as u64;
        if room == 0 {
            return Ok(Err(Reject::TooLong));
        }
        if (&mut *stream).take(room).read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // No HTTP, and perhaps nothing with an end.
        if !head[0].is_ascii_alphabetic() {
            return Ok(Err(Reject::Malformed));
        }
        match find_end(&head) {
            Some(end) if end == head.len() => return Ok(Ok(head)),
            // RFC 6455 §4.1: a client sends nothing more before it is answered.
            Some(_) => return Ok(Err(Reject::Malformed)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    const ANY: Terms<'static> = Terms { path: "", origins: &[] };
    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n";

    /// What becomes of these segments, and what is answered.
    async fn answered(segments: &[&[u8]], max_request: usize) -> (Result<(), Fault>, String) {
        let (mut client, mut server) = duplex(64 << 10);
        let sends = async {
            for segment in segments {
                client.write_all(segment).await.unwrap();
                tokio::task::yield_now().await;
            }
            client.shutdown().await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let receives = async {
            let outcome = receive(&mut server, max_request, ANY).await;
            drop(server);
            outcome
        };
        let (answer, outcome) = tokio::join!(sends, receives);
        (outcome, answer)
    }

    #[tokio::test]
    async fn a_request_may_be_split_at_any_octet() {
        for at in 1..REQUEST.len() {
            let (first, second) = REQUEST.as_bytes().split_at(at);
            let (outcome, answer) = answered(&[first, second], 8192).await;
            assert!(outcome.is_ok(), "{at}: {outcome:?}");
            assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_request_that_does_not_fit_is_431() {
        let (outcome, answer) = answered(&[REQUEST.as_bytes()], REQUEST.len()).await;
        assert!(outcome.is_ok(), "{answer}");
        let (outcome, answer) = answered(&[REQUEST.as_bytes()], REQUEST.len() - 1).await;
        assert!(matches!(outcome, Err(Fault::Rejected(Reject::TooLong))), "{outcome:?}");
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }

    #[tokio::test]
    async fn what_is_no_http_is_refused_at_once_or_at_its_end() {
        for octets in [&b"\x16\x03\x01"[..], b"\r\n\r\n", b"REGISTER sip:a SIP/2.0\r\n\r\n"] {
            let (outcome, answer) = answered(&[octets], 8192).await;
            assert!(matches!(outcome, Err(Fault::Rejected(Reject::Malformed))), "{outcome:?}");
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        }
        let early = [REQUEST.as_bytes(), b"\x81\x80\0\0\0\0"].concat();
        let (outcome, _) = answered(&[&early], 8192).await;
        assert!(matches!(outcome, Err(Fault::Rejected(Reject::Malformed))), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_peer_that_leaves_is_told_nothing() {
        let (outcome, answer) = answered(&[b"GET / HTTP/1.1\r\n"], 8192).await;
        assert!(matches!(outcome, Err(Fault::Closed(_))), "{outcome:?}");
        assert_eq!(answer, "");
    }
}
