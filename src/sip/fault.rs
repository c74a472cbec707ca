//! What a peer did wrong: one variant per rule broken, with the answer that it earns.

use thiserror::Error;

/// The message cannot be taken for SIP at all, so there is nothing to answer: it is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Unintelligible {
    /// No octets, or only line ends.
    #[error("the message is empty")]
    Empty,
    /// More octets than an offset can hold (4 GiB).
    #[error("the message is too long for its offsets")]
    TooLong,
    /// The first line is neither a request line nor a status line, or has no end.
    #[error("the start line is not SIP")]
    StartLine,
    /// A response whose status code is not three digits from 100 to 699.
    #[error("the status code is not one of SIP")]
    StatusCode,
}

/// A rule that a message breaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
#[error("{}", self.reason())]
pub enum Fault {
    /// RFC 3261 §7.1: white space in a start line where none belongs, or a method that is no token.
    StartLine,
    /// RFC 3261 §21.5.6: a version other than 2.0.
    Version,
    /// RFC 3261 §7.3.1: a line that is no header field, or a bare CR or LF.
    HeaderLine,
    /// RFC 3261 §7: no empty line after the header fields.
    UnfinishedHead,
    /// The Request-URI is malformed.
    RequestUri,
    /// RFC 3261 §16.3 step 2: the Request-URI's scheme is not one that we know.
    UnsupportedScheme,
    /// No Via, or the topmost cannot be read.
    Via,
    /// No From, several, or one that cannot be read.
    From,
    /// No To, several, or one that cannot be read.
    To,
    /// No Call-ID, several, or an empty one.
    CallId,
    /// No `CSeq`, several, or one that cannot be read or is 2^31 or more.
    CSeq,
    /// RFC 3261 §8.1.1.5: the method in `CSeq` is not that of the request.
    CSeqMethod,
    /// As [`Fault::CSeqMethod`] for a method that we do not know.
    UnknownMethod,
    /// Max-Forwards several times or not a number from 0 to 255.
    MaxForwards,
    /// Content-Length that is no number, or several that disagree.
    ContentLength,
    /// RFC 3261 §18.3: the datagram ends before the body does.
    Truncated,
    /// A `name-addr` or `addr-spec` that cannot be read.
    Address,
    /// Header parameters that cannot be read.
    Params,
    /// A header that is a number, and is not one.
    Number,
    /// A URI that cannot be read.
    Uri,
}

impl Fault {
    /// The status code that answers it.
    pub const fn status(self) -> u16 {
        match self {
            Fault::Version => 505,
            Fault::UnsupportedScheme => 416,
            Fault::UnknownMethod => 501,
            _ => 400,
        }
    }

    /// The reason phrase that answers it.
    pub const fn reason(self) -> &'static str {
        match self {
            Fault::StartLine => "Malformed Start Line",
            Fault::Version => "Version Not Supported",
            Fault::HeaderLine => "Malformed Header Line",
            Fault::UnfinishedHead => "Unfinished Header",
            Fault::RequestUri => "Malformed Request-URI",
            Fault::UnsupportedScheme => "Unsupported URI Scheme",
            Fault::Via => "Missing or Malformed Via",
            Fault::From => "Missing or Malformed From",
            Fault::To => "Missing or Malformed To",
            Fault::CallId => "Missing or Malformed Call-ID",
            Fault::CSeq => "Missing or Malformed CSeq",
            Fault::CSeqMethod => "CSeq Method Does Not Match",
            Fault::UnknownMethod => "Not Implemented",
            Fault::MaxForwards => "Malformed Max-Forwards",
            Fault::ContentLength => "Malformed Content-Length",
            Fault::Truncated => "Body Shorter than Content-Length",
            Fault::Address => "Malformed Address",
            Fault::Params => "Malformed Header Parameters",
            Fault::Number => "Malformed Number",
            Fault::Uri => "Malformed URI",
        }
    }
}
