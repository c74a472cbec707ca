//! The marks of a request's source in its topmost Via: `received` and `rport`. RFC 3261 §18.2.1, RFC 3581 §4.

use super::lex::offset_in;
use super::message::Message;
use super::name::Name;
use super::via::Via;
use smallvec::SmallVec;
use std::fmt::Display;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

/// Room for the longest mark, `;received=` with an IPv6 address.
type Text = SmallVec<[u8; 56]>;

/// A replacement of a part of the message.
pub(super) struct Mark {
    pub(super) span: Range<usize>,
    pub(super) text: Text,
}

/// What has to change in the topmost Via so that it tells where the message came from. Nothing when that Via cannot be
/// read.
pub(super) fn marks(message: &Message, ip: IpAddr, port: u16) -> SmallVec<[Mark; 2]> {
    let Some(value) = message.values(Name::Via).next() else { return SmallVec::new() };
    let Ok(via) = Via::parse(value) else { return SmallVec::new() };
    let ip = ip.to_canonical();
    let mut marks = SmallVec::new();
    let value_end = offset_in(message.bytes(), value) + value.len();

    let asks_rport = via.params().iter().find(|(name, _)| name.eq_ignore_ascii_case(b"rport"));
    if let Some((name, old)) = asks_rport {
        // RFC 3581 §4: an rport without a value gets the source port. One that has a value was not asked for by any rule
        // and would lead the response astray, so it is overwritten.
        marks.push(param_mark(message, name, old, port));
    }
    let old = via.params().iter().find(|(name, _)| name.eq_ignore_ascii_case(b"received"));
    match old {
        // A received that came with the request was not written by us and may be false.
        Some((name, old)) => marks.push(param_mark(message, name, old, ip)),
        // RFC 3261 §18.2.1: where sent-by is not the source address, received tells it.
        // RFC 3581 §4: with rport it is there even when the two are equal.
        None if asks_rport.is_some() || via.host_addr().map(|host| host.to_canonical()) != Some(ip) => {
            marks.push(Mark { span: value_end..value_end, text: text(format_args!(";received={ip}")) });
        }
        None => {}
    }
    marks
}

/// Behind `name`: `=text` in the place of what was there.
fn param_mark(message: &Message, name: &[u8], old: Option<&[u8]>, value: impl Display) -> Mark {
    let whole = message.bytes();
    let start = offset_in(whole, name) + name.len();
    let end = old.map_or(start, |old| offset_in(whole, old) + old.len());
    Mark { span: start..end, text: text(format_args!("={value}")) }
}

fn text(what: std::fmt::Arguments<'_>) -> Text {
    let mut text = Text::new();
    text.write_fmt(what).expect("a vector takes all that is written");
    text
}

/// RFC 3261 §18.2.2, RFC 3581 §4: where a response goes when it does not go back over its request's flow. `None` when
/// that has to be looked up by name, or is no single host's address.
pub fn response_target(via: &Via<'_>) -> Option<SocketAddr> {
    let ip = via.received().or_else(|| via.host_addr())?;
    let default = via.transport().map_or(5060, super::Transport::default_port);
    // RFC 4475 §3.3.10: a Via is no way to have us send to everyone at once.
    if ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return None;
    }
    let port = via.rport().flatten().or_else(|| via.port()).unwrap_or(default);
    Some(SocketAddr::new(ip, port))
}
