//! A binding as it stands in Redis: a field and a value that a person can read.
//!
//! ```text
//! instance=urn:uuid:... reg-id=1
//!     seq=3 expires=1760003600000 updated=1760000000000 cseq=7 call-id=... node=a epoch=1760000000000 direct=yes
//!     flow=0.12.1 remote=192.0.2.1:40000 transport=tcp outbound=yes q=1000 contact=sip:... params=;x=1 path=
//!     user-agent=...
//! contact=sip:alice@192.0.2.1:5060 params=;transport=tcp
//!     ...
//! ```
//!
//! Pairs are parted by a space. In a value `%`, blanks, control characters and whatever is not ASCII are escaped, so that
//! equal octets have equal text and nothing that a UA sends can look like a pair. The scripts read the first five pairs by
//! their place and put `seq` in front, which orders bindings that were updated in the same millisecond. Pairs that this
//! version does not know are skipped.

use std::io::Write;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::binding::{Binding, BindingKey, Timestamp};
use crate::flow::{Flow, FlowId, NodeRun, Transport};

/// A stored binding, with what orders it among those of its AOR.
pub(super) struct Stored {
    pub(super) binding: Arc<Binding>,
    pub(super) seq: u64,
}

/// The name of the field that holds a binding with this key.
pub(super) fn write_field(key: &BindingKey, into: &mut Vec<u8>) {
    match key {
        BindingKey::Instance { instance_id, reg_id } => {
            pair("instance", instance_id, into);
            put(into, format_args!("reg-id={reg_id}"));
        }
        BindingKey::Contact { core, params } => {
            pair("contact", core, into);
            into.extend_from_slice(b"params=");
            escape(params, into);
        }
    }
}

/// The value of a binding, without `seq`.
pub(super) fn write_value(binding: &Binding, into: &mut Vec<u8>) {
    let Binding { expires_at, updated_at, q, transport, outbound, .. } = binding;
    put(into, format_args!("expires={} updated={} ", expires_at.0, updated_at.0));
    write_identity(binding, into);
    put(into, format_args!("transport={} outbound={} q={q} ", transport.as_str(), yes_no(*outbound)));
    pair("contact", &binding.contact, into);
    pair("params", &binding.params, into);
    pair("path", &binding.path, into);
    into.extend_from_slice(b"user-agent=");
    escape(&binding.user_agent, into);
}

/// What stands in the value of what one REGISTER put over this flow, and of no other binding of its AOR.
pub(super) fn write_identity(binding: &Binding, into: &mut Vec<u8>) {
    put(into, format_args!("cseq={} ", binding.cseq));
    pair("call-id", &binding.call_id, into);
    write_holder(&binding.holder, binding.direct, into);
    write_flow(&binding.flow, into);
}

/// What stands in the value of each binding that a node holds.
pub(super) fn write_node(node: &str, into: &mut Vec<u8>) {
    into.push(b' ');
    pair("node", node.as_bytes(), into);
}

/// What stands in the value of each binding that this run holds, and that ends with its flow if `direct`.
pub(super) fn write_holder(holder: &NodeRun, direct: bool, into: &mut Vec<u8>) {
    pair("node", holder.node.as_bytes(), into);
    put(into, format_args!("epoch={} direct={} ", holder.epoch, yes_no(direct)));
}

/// What follows the holder in the value of each binding over this flow.
pub(super) fn write_flow(flow: &Flow, into: &mut Vec<u8>) {
    put(into, format_args!("flow={} remote={} ", flow.id, flow.remote));
}

/// None: it is not of this form.
pub(super) fn read(field: &[u8], value: &[u8]) -> Option<Stored> {
    let key = read_field(field)?;
    let (mut seq, mut expires_at, mut updated_at, mut cseq, mut call_id) = (None, None, None, None, None);
    let (mut node, mut epoch, mut direct, mut id, mut remote) = (None, None, None, None, None);
    let (mut transport, mut outbound, mut q, mut contact, mut params) = (None, None, None, None, None);
    let (mut path, mut user_agent) = (None, None);
    for (name, value) in pairs(value) {
        match name {
            b"seq" => seq = number(value),
            b"expires" => expires_at = number(value).map(Timestamp),
            b"updated" => updated_at = number(value).map(Timestamp),
            b"cseq" => cseq = number(value),
            b"call-id" => call_id = unescape(value),
            b"node" => node = unescape(value),
            b"epoch" => epoch = number(value),
            b"direct" => direct = read_yes_no(value),
            b"flow" => id = read_flow_id(value),
            b"remote" => remote = number::<SocketAddr>(value),
            b"transport" => transport = Transport::of(value),
            b"outbound" => outbound = read_yes_no(value),
            b"q" => q = number(value),
            b"contact" => contact = unescape(value),
            b"params" => params = unescape(value),
            b"path" => path = unescape(value),
            b"user-agent" => user_agent = unescape(value),
            _ => {}
        }
    }
    let node = String::from_utf8(node?.into_vec()).ok()?;
    let binding = Binding {
        key,
        contact: contact?,
        params: params?,
        path: path?,
        call_id: call_id?,
        cseq: cseq?,
        q: q?,
        expires_at: expires_at?,
        updated_at: updated_at?,
        holder: NodeRun { node: node.into(), epoch: epoch? },
        flow: Flow { id: id?, remote: remote? },
        transport: transport?,
        direct: direct?,
        outbound: outbound?,
        user_agent: user_agent?,
    };
    Some(Stored { binding: Arc::new(binding), seq: seq? })
}

fn read_field(field: &[u8]) -> Option<BindingKey> {
    let mut pairs = pairs(field);
    match (pairs.next()?, pairs.next()?, pairs.next()) {
        ((b"instance", instance_id), (b"reg-id", reg_id), None) => {
            Some(BindingKey::Instance { instance_id: unescape(instance_id)?, reg_id: number(reg_id)? })
        }
        ((b"contact", core), (b"params", params), None) => {
            Some(BindingKey::Contact { core: unescape(core)?, params: unescape(params)? })
        }
        _ => None,
    }
}

pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|&octet| octet == b' ').filter_map(|pair| {
        let equals = pair.iter().position(|&octet| octet == b'=')?;
        Some((&pair[..equals], &pair[equals + 1..]))
    })
}

fn pair(name: &str, value: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(name.as_bytes());
    into.push(b'=');
    escape(value, into);
    into.push(b' ');
}

fn put(into: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    into.write_fmt(text).expect("a Vec takes all");
}

pub(super) fn escape(octets: &[u8], into: &mut Vec<u8>) {
    let mut rest = octets;
    while let Some(plain) = rest.iter().position(|octet| !is_plain(*octet)) {
        into.extend_from_slice(&rest[..plain]);
        put(into, format_args!("%{:02X}", rest[plain]));
        rest = &rest[plain + 1..];
    }
    into.extend_from_slice(rest);
}

fn is_plain(octet: u8) -> bool {
    octet.is_ascii_graphic() && octet != b'%'
}

pub(super) fn unescape(text: &[u8]) -> Option<Box<[u8]>> {
    let mut rest = text;
    let mut octets = Vec::with_capacity(text.len());
    while let Some(escaped) = rest.iter().position(|octet| *octet == b'%') {
        octets.extend_from_slice(&rest[..escaped]);
        let digits = rest.get(escaped + 1..escaped + 3)?;
        octets.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &rest[escaped + 3..];
    }
    octets.extend_from_slice(rest);
    Some(octets.into())
}

/// Also what else is read from its plain text.
pub(super) fn number<T: FromStr>(text: &[u8]) -> Option<T> {
    str::from_utf8(text).ok()?.parse().ok()
}

pub(super) fn read_flow_id(text: &[u8]) -> Option<FlowId> {
    let mut parts = text.split(|&octet| octet == b'.');
    let id = FlowId {
        worker: number(parts.next()?)?,
        slot: number(parts.next()?)?,
        generation: number(parts.next()?)?,
    };
    parts.next().is_none().then_some(id)
}

fn yes_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn read_yes_no(text: &[u8]) -> Option<bool> {
    match text {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn binding(key: BindingKey, octets: &[u8]) -> Binding {
        Binding {
            key,
            contact: b"sip:alice@192.0.2.1;x=1"[..].into(),
            params: octets.into(),
            path: octets.into(),
            call_id: octets.into(),
            cseq: u32::MAX,
            q: 700,
            expires_at: Timestamp(1_760_003_600_000),
            updated_at: Timestamp(1_760_000_000_000),
            holder: NodeRun { node: "a node".into(), epoch: 1_760_000_000_001 },
            flow: Flow {
                id: FlowId { worker: 0, slot: 12, generation: 1 },
                remote: "[2001:db8::1]:40000".parse().unwrap(),
            },
            transport: Transport::Wss,
            direct: true,
            outbound: false,
            user_agent: octets.into(),
        }
    }

    fn write(binding: &Binding) -> (Vec<u8>, Vec<u8>) {
        let (mut field, mut value) = (Vec::new(), b"seq=3 ".to_vec());
        write_field(&binding.key, &mut field);
        write_value(binding, &mut value);
        (field, value)
    }

    #[test]
    fn a_person_can_read_it() {
        let key = BindingKey::Instance { instance_id: b"urn:uuid:1"[..].into(), reg_id: 2 };
        let (field, value) = write(&binding(key, b"a b"));
        assert_eq!(String::from_utf8(field).unwrap(), "instance=urn:uuid:1 reg-id=2");
        assert_eq!(
            String::from_utf8(value).unwrap(),
            "seq=3 expires=1760003600000 updated=1760000000000 cseq=4294967295 call-id=a%20b node=a%20node \
             epoch=1760000000001 direct=yes flow=0.12.1 remote=[2001:db8::1]:40000 transport=wss outbound=no q=700 \
             contact=sip:alice@192.0.2.1;x=1 params=a%20b path=a%20b user-agent=a%20b"
        );
        let (field, _) = write(&binding(BindingKey::contact(&b"sip:a@h"[..], [("x", "1;2")]), b""));
        assert_eq!(String::from_utf8(field).unwrap(), "contact=sip:a@h params=;x=1%253B2");
    }

    #[test]
    fn what_is_not_of_this_form_is_no_binding() {
        let (field, value) = write(&binding(BindingKey::contact(&b"c"[..], [("x", "1")]), b"x"));
        assert!(read(&field, &value).is_some());
        let later = [&value[..], b" invented=later"].concat();
        assert!(read(&field, &later).is_some(), "pairs of a later version are skipped");
        for (field, value) in [
            (&b"ended"[..], &b"1760000000000"[..]),
            (b"", b""),
            (&field, b""),
            (b"ended", &value),
            (&field, &value[6..]),
            (&field, &value[..value.len() - 20]),
        ] {
            assert!(read(field, value).is_none(), "{} {}", field.escape_ascii(), value.escape_ascii());
        }
        for text in [&b"%"[..], b"%2", b"%zz", b"a%f"] {
            assert_eq!(unescape(text), None, "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(octets: Vec<u8>, core: Vec<u8>, name: Vec<u8>, is_instance: bool) {
            let key = if is_instance {
                BindingKey::Instance { instance_id: core.into(), reg_id: 1 }
            } else {
                BindingKey::contact(core, [(name, &octets)])
            };
            let written = binding(key, &octets);
            let (field, value) = write(&written);
            prop_assert!(field.iter().chain(&value).all(|octet| octet.is_ascii_graphic() || *octet == b' '));
            let read = read(&field, &value).unwrap();
            prop_assert_eq!(read.seq, 3);
            prop_assert_eq!(&*read.binding, &written);
        }
    }
}
