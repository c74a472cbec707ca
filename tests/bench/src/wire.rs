//! The little of SIP that the load reads: where a message ends, what its header fields hold.
//!
//! Not the floor's reading, which is thinner and knows only what this load writes: the load must read what any server
//! may write (any case, compact names).

use memchr::{memchr, memmem};

/// The CRLFCRLF of a UA: RFC 5626 §3.5.1.
pub const PING: &[u8] = b"\r\n\r\n";
/// The CRLF that answers it.
pub const PONG: &[u8] = b"\r\n";

/// Length of the frame (a pong or a message) which `bytes` begin with; `None` until all of it is there.
/// An error says why no frame can begin like this.
pub fn frame_length(bytes: &[u8]) -> Result<Option<usize>, String> {
    if bytes.starts_with(PONG) {
        return Ok(Some(PONG.len()));
    }
    let Some(head) = memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4) else { return Ok(None) };
    let length =
        field(&bytes[..head], "Content-Length", "l").ok_or("a stream message without Content-Length")?;
    let length: usize = std::str::from_utf8(length)
        .ok()
        .and_then(|length| length.parse().ok())
        .ok_or("a Content-Length that is no number")?;
    Ok((bytes.len() >= head + length).then_some(head + length))
}

/// The start line, without its CRLF.
pub fn start_line(message: &[u8]) -> &[u8] {
    message.split(|&byte| byte == b'\r').next().unwrap_or_default()
}

/// The first field of this name (or its compact form), trimmed.
pub fn field<'a>(message: &'a [u8], name: &'a str, compact: &'a str) -> Option<&'a [u8]> {
    fields(message, name, compact).next()
}

/// All fields of this name (or its compact form), trimmed, in their order. Folded lines and comma lists are left as they
/// are: no server here has a reason to write them.
pub fn fields<'a>(message: &'a [u8], name: &'a str, compact: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let head = memmem::find(message, b"\r\n\r\n").unwrap_or(message.len());
    message[..head].split(|&byte| byte == b'\n').skip(1).filter_map(move |line| {
        let colon = memchr(b':', line)?;
        let found = line[..colon].trim_ascii();
        let named =
            found.eq_ignore_ascii_case(name.as_bytes()) || found.eq_ignore_ascii_case(compact.as_bytes());
        named.then(|| line[colon + 1..].trim_ascii())
    })
}

/// All values of this field, in their order, comma lists taken apart: a comma in quotes or angle brackets parts nothing.
pub fn values<'a>(message: &'a [u8], name: &'a str, compact: &'a str) -> impl Iterator<Item = &'a [u8]> {
    fields(message, name, compact).flat_map(|field| {
        let (mut quoted, mut angled) = (false, false);
        let parts = field.split(move |&byte| {
            match byte {
                b'"' => quoted = !quoted,
                b'<' | b'>' if !quoted => angled = byte == b'<',
                _ => {}
            }
            byte == b',' && !quoted && !angled
        });
        parts.map(<[u8]>::trim_ascii)
    })
}

/// What follows the head.
pub fn body(message: &[u8]) -> &[u8] {
    memmem::find(message, b"\r\n\r\n").map_or(&[], |at| &message[at + 4..])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_frame_is_a_pong_or_a_whole_message() {
        assert_eq!(frame_length(b"\r\nSIP").unwrap(), Some(2));
        assert_eq!(frame_length(b"\r").unwrap(), None);
        let message = b"SIP/2.0 200 OK\r\nl: 3\r\n\r\nabcd";
        assert_eq!(frame_length(message).unwrap(), Some(message.len() - 1));
        assert_eq!(frame_length(&message[..message.len() - 2]).unwrap(), None);
        assert!(frame_length(b"SIP/2.0 200 OK\r\nTo: a\r\n\r\n").is_err());
    }

    #[test]
    fn fields_are_found_by_any_case_and_compact_name_and_not_in_the_body() {
        let message = b"SIP/2.0 200 OK\r\nvia: a\r\nV:b\r\nCALL-ID : c \r\n\r\nVia: body";
        assert_eq!(fields(message, "Via", "v").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(field(message, "Call-ID", "i"), Some(&b"c"[..]));
        assert_eq!(body(message), b"Via: body");
        assert_eq!(start_line(message), b"SIP/2.0 200 OK");
    }

    #[test]
    fn values_are_parted_by_commas_but_not_in_quotes_or_angle_brackets() {
        let message =
            b"SIP/2.0 200 OK\r\nRoute: \"a,b\" <sip:a,b@c;lr>;x , <sip:d;lr>\r\nRoute: <sip:e>\r\n\r\n";
        let values: Vec<_> = super::values(message, "Route", "Route").collect();
        assert_eq!(values, [&b"\"a,b\" <sip:a,b@c;lr>;x"[..], b"<sip:d;lr>", b"<sip:e>"]);
    }
}
