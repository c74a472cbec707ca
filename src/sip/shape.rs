//! What a message may be made of: how many fields, how long each, how many hops. A limit of an implementation, which the
//! grammar does not have: each field and each value costs time and memory that its sender does not spend.

use memchr::memchr_iter;

use super::message::Message;
use super::name::Name;

/// The most there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Header fields.
    pub headers: usize,
    /// Octets of one header field, its name and its line end included.
    pub header_length: usize,
    /// Values of Via.
    pub vias: usize,
    /// Values of Route, of Record-Route, and of Path, each for itself.
    pub routes: usize,
}

/// What there is too much of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misshapen {
    /// More fields than [`Shape::headers`].
    Headers,
    /// One longer than [`Shape::header_length`].
    HeaderLength,
    /// More than [`Shape::vias`].
    Vias,
    /// More than [`Shape::routes`].
    Routes,
}

impl Misshapen {
    /// The status code and the reason phrase that answer it.
    pub const fn status(self) -> (u16, &'static str) {
        match self {
            // RFC 3261 §21.5.7: a message whose length exceeds what the server can do.
            Self::Headers => (513, "Too Many Header Fields"),
            Self::HeaderLength => (513, "Header Field Too Long"),
            // RFC 3261 §21.4.21: as many hops as if Max-Forwards had not been looked at.
            Self::Vias => (483, "Too Many Hops"),
            Self::Routes => (400, "Too Many Routes"),
        }
    }
}

impl Message {
    /// Whether the message keeps to `shape`.
    ///
    /// The values of a list are counted by its commas, also those in quotes: who has hundreds of them there is not missed.
    pub fn check_shape(&self, shape: &Shape) -> Result<(), Misshapen> {
        let fields = &self.index.fields;
        if fields.len() > shape.headers {
            return Err(Misshapen::Headers);
        }
        let (mut vias, mut routes, mut record_routes, mut paths) = (0, 0, 0, 0);
        let mut end = self.index.fields_end();
        for field in fields.iter().rev() {
            if end - field.start() > shape.header_length {
                return Err(Misshapen::HeaderLength);
            }
            end = field.start();
            let count = match field.name {
                Name::Via => &mut vias,
                Name::Route => &mut routes,
                Name::RecordRoute => &mut record_routes,
                Name::Path => &mut paths,
                _ => continue,
            };
            *count += 1 + memchr_iter(b',', self.value(field)).count();
        }
        if vias > shape.vias {
            return Err(Misshapen::Vias);
        }
        if routes.max(record_routes).max(paths) > shape.routes {
            return Err(Misshapen::Routes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const SHAPE: Shape = Shape { headers: 20, header_length: 100, vias: 3, routes: 2 };

    fn check(fields: &str) -> Result<(), Misshapen> {
        let text = format!("OPTIONS sip:example.com SIP/2.0\r\n{fields}\r\n");
        Message::parse(Bytes::from(text)).unwrap().check_shape(&SHAPE)
    }

    #[test]
    fn as_many_as_there_may_be_pass_and_one_more_does_not() {
        assert_eq!(check(&"A: 1\r\n".repeat(20)), Ok(()));
        assert_eq!(check(&"A: 1\r\n".repeat(21)), Err(Misshapen::Headers));
        assert_eq!(check(&format!("A:{}\r\n", "x".repeat(96))), Ok(()));
        assert_eq!(check(&format!("A:{}\r\nB: 1\r\n", "x".repeat(97))), Err(Misshapen::HeaderLength));
        assert_eq!(check("Via: a,b\r\nv: c\r\n"), Ok(()));
        assert_eq!(check("Via: a,b\r\nv: c\r\nVia: d\r\n"), Err(Misshapen::Vias));
        assert_eq!(check("Route: a,b\r\nRecord-Route: a\r\nRecord-Route: b\r\nPath: a,b\r\n"), Ok(()));
        for too_many in ["Route: a,b,c\r\n", "Record-Route: a,b\r\nRecord-Route: c\r\n", "Path: a,b,c\r\n"] {
            assert_eq!(check(too_many), Err(Misshapen::Routes), "{too_many}");
        }
    }

    #[test]
    fn a_field_that_is_folded_counts_with_all_of_its_lines() {
        assert_eq!(
            check(&format!("A:{}\r\n {}\r\n", "x".repeat(50), "x".repeat(50))),
            Err(Misshapen::HeaderLength)
        );
    }
}
