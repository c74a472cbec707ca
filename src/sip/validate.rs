//! What every element checks before it acts on a message. RFC 3261 §8.1.1, §16.3 step 1, §18.3.
//!
//! A proxy checks what it acts on and passes the rest on unread, so bodies, dates and credentials are not judged here.

use super::address::Address;
use super::fault::Fault;
use super::index::StartLine;
use super::message::Message;
use super::method::Method;
use super::name::Name;
use super::uri::{Scheme, Uri};

impl Message {
    /// The first rule that the message breaks. A request is then answered with the fault's status, a response dropped.
    pub fn validate(&self) -> Result<(), Fault> {
        if let Some(fault) = self.index.fault {
            return Err(fault);
        }
        self.top_via()?;
        self.address(Name::From, Fault::From)?;
        self.address(Name::To, Fault::To)?;
        self.only(Name::CallId, Fault::CallId)?;
        self.only(Name::CSeq, Fault::CSeq)?;
        let cseq = self.cseq()?;
        // RFC 3261 §16.3 step 3: a request without Max-Forwards passes.
        if self.fields(Name::MaxForwards).nth(1).is_some() {
            return Err(Fault::MaxForwards);
        }
        self.max_forwards()?;
        if let StartLine::Request { .. } = self.index.start_line {
            // RFC 3261 §8.1.1.5: the method in CSeq is that of the request.
            if cseq.method != self.method_bytes() {
                // RFC 4475 §3.1.2.18: 501 leaves a method of the future room to mean something by it.
                let known = self.method() != Method::Other;
                return Err(if known { Fault::CSeqMethod } else { Fault::UnknownMethod });
            }
            let uri = Uri::parse(self.request_uri()).map_err(|_| Fault::RequestUri)?;
            // RFC 3261 §16.3 step 2: a scheme that we do not understand is answered 416.
            if uri.scheme == Scheme::Other {
                return Err(Fault::UnsupportedScheme);
            }
            // RFC 3261 §19.1.1: a Request-URI has no headers; RFC 4475 §3.1.2.11: they must not be forwarded.
            if uri.headers.is_some() {
                return Err(Fault::RequestUri);
            }
        }
        // RFC 3261 §18.3: a body that is shorter than stated is an error.
        match self.index.content_length(self.bytes())? {
            Some(length) if u64::try_from(self.body().len()).is_ok_and(|have| have < length) => {
                Err(Fault::Truncated)
            }
            _ => Ok(()),
        }
    }

    /// The value of a header that occurs exactly once and is not empty.
    fn only(&self, name: Name, fault: Fault) -> Result<&[u8], Fault> {
        let mut fields = self.fields(name);
        match (fields.next(), fields.next()) {
            (Some(value), None) if !value.is_empty() => Ok(value),
            _ => Err(fault),
        }
    }

    fn address(&self, name: Name, fault: Fault) -> Result<Address<'_>, Fault> {
        Address::parse(self.only(name, fault)?).map_err(|_| fault)
    }
}
