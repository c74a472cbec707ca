//! A message's head, read in one pass over its lines.

use std::ops::Range;

use memchr::memchr;

/// Where the floor finds what it needs.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// End of the start line, its CRLF included.
    pub(super) start: usize,
    /// The first Via line. Lines have their CRLF.
    pub(super) via: Range<usize>,
    pub(super) from: Range<usize>,
    pub(super) to: Range<usize>,
    pub(super) call_id: Range<usize>,
    pub(super) cseq: Range<usize>,
    /// Length of the message, its body included.
    pub(super) length: usize,
}

impl Head {
    /// The head of the message that `bytes` begin with; `None` until all of the message is there.
    pub(super) fn read(bytes: &[u8]) -> Option<Head> {
        let start = memchr(b'\n', bytes)? + 1;
        let mut head = Head { start, ..Head::default() };
        let mut body = 0;
        let mut at = start;
        loop {
            let end = at + memchr(b'\n', &bytes[at..])? + 1;
            let line = &bytes[at..end];
            if line == b"\r\n" {
                head.length = end + body;
                return (head.length <= bytes.len()).then_some(head);
            }
            match line[0] {
                b'V' if head.via.is_empty() && line.starts_with(b"Via:") => head.via = at..end,
                b'F' if line.starts_with(b"From:") => head.from = at..end,
                b'T' if line.starts_with(b"To:") => head.to = at..end,
                b'C' if line.starts_with(b"Call-ID:") => head.call_id = at..end,
                b'C' if line.starts_with(b"CSeq:") => head.cseq = at..end,
                b'C' if line.starts_with(b"Content-Length:") => body = number(&line[15..]),
                _ => {}
            }
            at = end;
        }
    }
}

/// The digits of `bytes` as a number.
pub(super) fn number(bytes: &[u8]) -> usize {
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}
