//! The instance-id of a UA: the URN in its `+sip.instance` parameter. RFC 5626 §4.1.

use crate::sip::unquote;

/// The URN of a `+sip.instance` value, written so that equal URNs have equal octets; `None` for an empty one.
pub(super) fn normal(value: &[u8]) -> Option<Box<[u8]>> {
    let value = unquote(value);
    // RFC 5626 §4.1: the URN is taken out of its angle brackets. Some UAs leave them off.
    let inner = value.strip_prefix(b"<").and_then(|inner| inner.strip_suffix(b">"));
    let urn = inner.unwrap_or(&value);
    if urn.is_empty() {
        return None;
    }
    let mut urn: Box<[u8]> = urn.into();
    let end = if starts_with(&urn, b"urn:uuid:") {
        // RFC 4122 §3: a UUID is compared without regard to case.
        urn.len()
    } else if starts_with(&urn, b"urn:") {
        // RFC 2141 §5: so are `urn` and the namespace behind it, and the digits of each escape.
        lower_escapes(&mut urn);
        urn.iter().enumerate().filter(|(_, octet)| **octet == b':').nth(1).map_or(urn.len(), |(at, _)| at)
    } else {
        0
    };
    urn[..end].make_ascii_lowercase();
    Some(urn)
}

fn starts_with(urn: &[u8], prefix: &[u8]) -> bool {
    urn.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn lower_escapes(urn: &mut [u8]) {
    for at in 0..urn.len() {
        if urn[at] == b'%'
            && let Some(digits) = urn.get_mut(at + 1..at + 3)
            && digits.iter().all(u8::is_ascii_hexdigit)
        {
            digits.make_ascii_lowercase();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: &str, right: &str) -> bool {
        normal(left.as_bytes()) == normal(right.as_bytes())
    }

    #[test]
    fn s4_1_a_uuid_is_compared_without_regard_to_case() {
        assert!(same("\"<urn:uuid:F81D4FAE-7DEC>\"", "\"<URN:UUID:f81d4fae-7dec>\""));
        assert!(!same("\"<urn:uuid:f81d4fae-7dec>\"", "\"<urn:uuid:f81d4fae-7ded>\""));
    }

    #[test]
    fn s4_1_other_urns_are_compared_lexically() {
        assert!(same("\"<URN:Foo:a123,456>\"", "\"<urn:foo:a123,456>\""));
        assert!(same("\"<urn:foo:a%2C>\"", "\"<urn:foo:a%2c>\""));
        assert!(!same("\"<urn:foo:A123,456>\"", "\"<urn:foo:a123,456>\""));
        assert!(!same("\"<urn:foo:a123%2C456>\"", "\"<urn:foo:a123,456>\""));
        assert!(!same("\"<mac:AB>\"", "\"<mac:ab>\""));
        assert!(same("\"<URN:Foo>\"", "\"<urn:foo>\""));
        assert!(same("\"<urn:foo:%>\"", "\"<urn:foo:%>\"") && same("\"<urn:foo:%A>\"", "\"<urn:FOO:%A>\""));
    }

    #[test]
    fn s4_1_the_urn_is_taken_out_of_quotes_and_brackets() {
        assert_eq!(normal(b"\"<urn:x-y:1>\"").as_deref(), Some(&b"urn:x-y:1"[..]));
        assert_eq!(normal(b"\"urn:x-y:1\"").as_deref(), Some(&b"urn:x-y:1"[..]));
        assert_eq!(normal(b"\"<urn:x-y:\\1>\"").as_deref(), Some(&b"urn:x-y:1"[..]));
        assert_eq!(normal(b"\"<>\""), None);
        assert_eq!(normal(b"\"\""), None);
    }
}
