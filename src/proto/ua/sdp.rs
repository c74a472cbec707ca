//! The SDP of a UA that has no media: a call with it is up, and silent. RFC 3264, RFC 4566.
//!
//! Of what is offered, the first audio is taken up with `a=inactive` on port 9 (discard), so that neither side sends
//! anything; everything else is refused with port 0.

use std::fmt::Write as _;
use std::net::IpAddr;

/// The port where nothing is heard.
const DISCARD: u16 = 9;

/// The answer to an offer, or an offer where there was none; `None` where nothing of the offer is audio.
pub(super) fn answer(offer: &[u8], local: IpAddr, version: u32) -> Option<String> {
    let mut out = session(local, version, time(offer).unwrap_or("0 0"));
    let mut has_audio = false;
    for media in medias(offer) {
        let (kind, protocol, formats) = media.line?;
        // RFC 3264 §6: each offered stream has its line in the answer, in the same order; port 0 refuses it.
        let is_taken = kind == "audio" && !media.is_refused && !has_audio;
        has_audio |= is_taken;
        let port = if is_taken { DISCARD } else { 0 };
        let _ = write!(out, "m={kind} {port} {protocol} {formats}\r\n");
        if is_taken {
            for map in &media.maps {
                out.extend(["a=", map, "\r\n"]);
            }
            // RFC 3264 §6.1: a stream may be answered inactive whatever was offered.
            out.push_str("a=inactive\r\n");
        }
    }
    has_audio.then_some(out)
}

/// For an INVITE without an offer.
pub(super) fn offer(local: IpAddr, version: u32) -> String {
    let mut out = session(local, version, "0 0");
    let _ = write!(out, "m=audio {DISCARD} RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n");
    out.push_str("a=inactive\r\n");
    out
}

/// What stands above the media lines.
fn session(local: IpAddr, version: u32, time: &str) -> String {
    let family = if local.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- {version} {version} IN {family} {local}\r\ns=-\r\nc=IN {family} {local}\r\nt={time}\r\n"
    )
}

/// A media description.
#[derive(Default)]
struct Media<'o> {
    /// Kind, protocol and formats; `None` where the line cannot be read.
    line: Option<(&'o str, &'o str, &'o str)>,
    /// Whether the offer itself says that it is not wanted.
    is_refused: bool,
    /// What its formats mean.
    maps: Vec<&'o str>,
}

fn medias(offer: &[u8]) -> Vec<Media<'_>> {
    let mut medias: Vec<Media<'_>> = Vec::new();
    for line in lines(offer) {
        if let Some(line) = line.strip_prefix("m=") {
            let mut parts = line.splitn(4, ' ');
            let line = (|| Some((parts.next()?, parts.next()?, parts.next()?, parts.next()?)))();
            let is_refused = line.is_some_and(|(_, port, ..)| port == "0");
            let line = line.map(|(kind, _, protocol, formats)| (kind, protocol, formats));
            medias.push(Media { line, is_refused, maps: Vec::new() });
        } else if let (Some(media), Some(map)) = (medias.last_mut(), line.strip_prefix("a="))
            && (map.starts_with("rtpmap:") || map.starts_with("fmtp:"))
        {
            media.maps.push(map);
        }
    }
    medias
}

/// RFC 3264 §6: the answer's time is the offer's.
fn time(offer: &[u8]) -> Option<&str> {
    lines(offer).find_map(|line| line.strip_prefix("t="))
}

fn lines(offer: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(offer).unwrap_or_default().lines().map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn rfc3264_s6_the_first_audio_is_inactive_and_all_else_is_refused() {
        let offer = b"v=0\r\no=bob 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=1 2\r\n\
            m=video 4000 RTP/AVP 99\r\na=rtpmap:99 VP8/90000\r\nm=audio 4002 RTP/AVP 0 101\r\na=sendrecv\r\n\
            a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\nm=audio 4004 RTP/AVP 8\r\n";
        let answer = answer(offer, LOCAL, 7).unwrap();
        let expected = "v=0\r\no=- 7 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=1 2\r\n\
            m=video 0 RTP/AVP 99\r\nm=audio 9 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n\
            a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=inactive\r\nm=audio 0 RTP/AVP 8\r\n";
        assert_eq!(answer, expected);
    }

    #[test]
    fn an_offer_without_audio_is_not_acceptable() {
        for offer in [
            &b"v=0\r\nm=video 4000 RTP/AVP 99\r\n"[..],
            b"m=audio 0 RTP/AVP 0\r\n",
            b"m=audio\r\n",
            b"\xFF",
            b"",
        ] {
            assert_eq!(answer(offer, LOCAL, 1), None);
        }
    }

    #[test]
    fn an_offer_of_our_own_is_inactive_too() {
        let own = offer("2001:db8::1".parse().unwrap(), 1);
        assert!(own.contains("c=IN IP6 2001:db8::1\r\n") && own.ends_with("a=inactive\r\n"));
        assert!(answer(own.as_bytes(), LOCAL, 1).is_some(), "it can be answered");
    }
}
