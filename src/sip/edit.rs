//! Forwarding: a message with changes, as a list of slices of the octets that came and the few that are new.
//!
//! Each change touches its own span only; what is not named leaves as it came, to the octet.

use super::index::Field;
use super::lex::{List, offset_in};
use super::message::Message;
use super::name::Name;
use super::source::marks;
use super::wire::{Gather, Wire};
use bytes::BytesMut;
use smallvec::SmallVec;
use std::net::IpAddr;
use std::ops::Range;

/// A list of changes to one message. RFC 3261 §16.6, §16.7.
///
/// Values handed in are written as they are: the caller keeps CR and LF out of them. A change within a field that
/// another call removes is dropped.
pub struct Edit<'m> {
    message: &'m Message,
    patches: SmallVec<[Patch; 8]>,
    /// The new octets of all patches.
    text: BytesMut,
    pops: SmallVec<[(Name, usize); 2]>,
}

/// `text` in the place of `span`. At one place, insertions stand in order of `rank` and before what is replaced.
struct Patch {
    span: Range<usize>,
    rank: i32,
    text: Range<usize>,
}

impl<'m> Edit<'m> {
    /// No changes yet.
    pub fn new(message: &'m Message) -> Self {
        Self { message, patches: SmallVec::new(), text: BytesMut::new(), pops: SmallVec::new() }
    }

    /// A request's new Request-URI.
    pub fn request_uri(&mut self, uri: &[u8]) -> &mut Self {
        let old = self.message.request_uri();
        if self.message.is_request() {
            let start = offset_in(self.message.bytes(), old);
            self.replace(start..start + old.len(), &[uri]);
        }
        self
    }

    /// A Via above all others.
    pub fn push_via(&mut self, value: &[u8]) -> &mut Self {
        self.push(Name::Via, value)
    }

    /// A Route above all others.
    pub fn push_route(&mut self, value: &[u8]) -> &mut Self {
        self.push(Name::Route, value)
    }

    /// A Record-Route above all others.
    pub fn push_record_route(&mut self, value: &[u8]) -> &mut Self {
        self.push(Name::RecordRoute, value)
    }

    /// A Path above all others. RFC 3327 §5.2.
    pub fn push_path(&mut self, value: &[u8]) -> &mut Self {
        self.push(Name::Path, value)
    }

    /// Removes the topmost Via value; once more, the next one.
    pub fn pop_via(&mut self) -> &mut Self {
        self.pop(Name::Via)
    }

    /// Removes the topmost Route value; once more, the next one.
    pub fn pop_route(&mut self) -> &mut Self {
        self.pop(Name::Route)
    }

    /// Writes the source into the topmost Via that the message came with: `received` and, where asked for, `rport`.
    pub fn note_source(&mut self, ip: IpAddr, port: u16) -> &mut Self {
        for mark in marks(self.message, ip, port) {
            self.replace(mark.span, &[&mark.text]);
        }
        self
    }

    /// Sets Max-Forwards, adding it where there is none.
    pub fn max_forwards(&mut self, hops: u8) -> &mut Self {
        self.set(Name::MaxForwards, hops.to_string().as_bytes())
    }

    /// States the body's length where the message does not: a stream needs it.
    pub fn ensure_content_length(&mut self) -> &mut Self {
        if self.message.first(Name::ContentLength).is_none() {
            let length = self.message.body().len().to_string();
            self.append(Name::ContentLength, length.as_bytes());
        }
        self
    }

    /// Sets the value of the first field of that name, adding the field where there is none.
    pub fn set(&mut self, name: Name, value: &[u8]) -> &mut Self {
        let field = self.message.index.fields.iter().find(|field| field.name == name).map(Field::value_span);
        match field {
            Some(span) => self.replace(span, &[value]),
            None => self.append(name, value),
        }
    }

    /// Adds a field behind all others.
    pub fn append(&mut self, name: impl AsRef<str>, value: &[u8]) -> &mut Self {
        let end = self.message.index.fields_end();
        self.insert(end, 1, name.as_ref(), value);
        self
    }

    /// Removes every field of that name.
    pub fn remove(&mut self, name: Name) -> &mut Self {
        let index = &self.message.index;
        for (position, field) in index.fields.iter().enumerate() {
            if field.name == name {
                let span = field.start()..index.line_end(position);
                self.patches.push(Patch { span, rank: i32::MAX, text: 0..0 });
            }
        }
        self
    }

    /// Removes the field of that name that has this index among those of the name.
    pub fn remove_nth(&mut self, name: Name, nth: usize) -> &mut Self {
        let index = &self.message.index;
        let mut named = index.fields.iter().enumerate().filter(|(_, field)| field.name == name);
        if let Some((position, field)) = named.nth(nth) {
            let span = field.start()..index.line_end(position);
            self.patches.push(Patch { span, rank: i32::MAX, text: 0..0 });
        }
        self
    }

    /// The message with its changes.
    pub fn finish(mut self) -> Wire {
        for (name, count) in std::mem::take(&mut self.pops) {
            self.cut_values(name, count);
        }
        self.patches.sort_by_key(|patch| (patch.span.start, patch.rank));
        let old = self.message.bytes();
        let mut out = Gather::new(old, self.text.len());
        let mut at = 0;
        for patch in &self.patches {
            if patch.span.start >= at {
                out.keep(at..patch.span.start);
                out.write(&self.text[patch.text.clone()]);
                at = patch.span.end;
            }
        }
        out.keep(at..old.len());
        out.finish()
    }
}

impl Edit<'_> {
    /// A line above the first field of that name, or behind all fields where there is none.
    fn push(&mut self, name: Name, value: &[u8]) -> &mut Self {
        let index = &self.message.index;
        let first = index.fields.iter().find(|field| field.name == name);
        let place = first.map_or(index.fields_end(), Field::start);
        // The later push stands above the earlier one.
        let rank = -1 - i32::try_from(self.patches.len()).expect("a handful of changes");
        self.insert(place, rank, name.as_str(), value);
        self
    }

    fn pop(&mut self, name: Name) -> &mut Self {
        match self.pops.iter_mut().find(|(popped, _)| *popped == name) {
            Some((_, count)) => *count += 1,
            None => self.pops.push((name, 1)),
        }
        self
    }

    /// Removes the first `count` values of a list: whole lines where all their values go.
    fn cut_values(&mut self, name: Name, mut count: usize) {
        let message = self.message;
        for (position, field) in message.index.fields.iter().enumerate() {
            if count == 0 {
                return;
            }
            if field.name != name {
                continue;
            }
            let value = message.value(field);
            let span = if let Some(stays) = List::new(value).nth(count) {
                count = 0;
                field.value_span().start..offset_in(message.bytes(), stays)
            } else {
                count -= List::new(value).count();
                field.start()..message.index.line_end(position)
            };
            self.patches.push(Patch { span, rank: i32::MAX, text: 0..0 });
        }
    }

    fn insert(&mut self, place: usize, rank: i32, name: &str, value: &[u8]) {
        let text = self.write(&[name.as_bytes(), b": ", value, b"\r\n"]);
        self.patches.push(Patch { span: place..place, rank, text });
    }

    fn replace(&mut self, span: Range<usize>, text: &[&[u8]]) -> &mut Self {
        let text = self.write(text);
        self.patches.push(Patch { span, rank: 0, text });
        self
    }

    fn write(&mut self, parts: &[&[u8]]) -> Range<usize> {
        let start = self.text.len();
        for part in parts {
            self.text.extend_from_slice(part);
        }
        start..self.text.len()
    }
}
