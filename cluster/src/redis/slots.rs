//! Which master of a Redis Cluster holds which keys.

use std::sync::Arc;

use redis::Value;

/// There are as many in every Redis Cluster.
const SLOTS: u16 = 16384;

/// Where a server is reached, as the cluster says: a host name or an IP address, and a port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Address {
    pub(super) host: Arc<str>,
    pub(super) port: u16,
}

/// Of each slot its master, as far as there is one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Slots {
    /// First slot, last slot and master; in order, without overlap.
    ranges: Vec<(u16, u16, Address)>,
}

impl Slots {
    /// From what `CLUSTER SLOTS` answers; a master that the server has no address for is reached like the server itself.
    pub(super) fn read(answer: &Value, asked: &str) -> Option<Self> {
        let Value::Array(entries) = answer else { return None };
        let mut ranges = Vec::with_capacity(entries.len());
        for entry in entries {
            let Value::Array(entry) = entry else { return None };
            let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = entry.as_slice() else {
                return None;
            };
            let [host, Value::Int(port), ..] = master.as_slice() else { return None };
            let host = match host {
                Value::BulkString(host) => str::from_utf8(host).ok()?,
                Value::SimpleString(host) => host,
                Value::Nil => "",
                _ => return None,
            };
            // "?": it has a name that the server does not know.
            if host == "?" {
                continue;
            }
            let host = if host.is_empty() { asked } else { host };
            let address = Address { host: host.into(), port: u16::try_from(*port).ok()? };
            ranges.push((u16::try_from(*first).ok()?, u16::try_from(*last).ok()?, address));
        }
        ranges.sort();
        Some(Self { ranges })
    }

    pub(super) fn master(&self, slot: u16) -> Option<&Address> {
        let behind = self.ranges.partition_point(|(first, _, _)| *first <= slot);
        let (_, last, address) = self.ranges.get(behind.checked_sub(1)?)?;
        (slot <= *last).then_some(address)
    }

    pub(super) fn masters(&self) -> impl Iterator<Item = &Address> {
        self.ranges.iter().map(|(_, _, address)| address)
    }

    pub(super) fn has(&self, master: &Address) -> bool {
        self.masters().any(|address| address == master)
    }
}

/// The slot of a key: of what stands in its first braces, if they are not empty.
pub(super) fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|octet| *octet == b'{').and_then(|open| {
        let behind = &key[open + 1..];
        let end = behind.iter().position(|octet| *octet == b'}')?;
        (end > 0).then_some(&behind[..end])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(octets: &[u8]) -> u16 {
    octets.iter().fold(0, |crc, octet| {
        (0..8).fold(crc ^ (u16::from(*octet) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(first: i64, last: i64, host: &str, port: i64) -> Value {
        let master = vec![Value::BulkString(host.into()), Value::Int(port), Value::BulkString(b"id".into())];
        let replica = vec![Value::BulkString(b"replica".into()), Value::Int(port)];
        Value::Array(vec![Value::Int(first), Value::Int(last), Value::Array(master), Value::Array(replica)])
    }

    fn name(slots: &Slots, slot: u16) -> Option<String> {
        slots.master(slot).map(|Address { host, port }| format!("{host}:{port}"))
    }

    #[test]
    fn a_key_is_in_the_slot_of_its_first_braces() {
        assert_eq!(crc16(b"123456789"), 0x31c3, "the check value of the CRC");
        assert_eq!(slot(b"somekey"), 11058);
        assert_eq!(slot(b"foo{hash_tag}"), 2515);
        assert_eq!(slot(b"p:aor:{alice@example.com}"), slot(b"alice@example.com"));
        assert_eq!(slot(b"{a}{b}"), slot(b"a"));
        assert_ne!(slot(b"{}a"), slot(b"{}b"), "empty braces are nothing special");
        assert_ne!(slot(b"{a"), slot(b"a"));
    }

    #[test]
    fn each_slot_has_the_master_that_the_cluster_says() {
        let answer = Value::Array(vec![
            entry(5461, 10922, "b", 2),
            entry(0, 5460, "a", 1),
            entry(10923, 16000, "", 3),
            entry(16001, 16002, "?", 4),
        ]);
        let slots = Slots::read(&answer, "asked").unwrap();
        assert_eq!(name(&slots, 0).unwrap(), "a:1");
        assert_eq!(name(&slots, 5460).unwrap(), "a:1");
        assert_eq!(name(&slots, 5461).unwrap(), "b:2");
        assert_eq!(name(&slots, 16000).unwrap(), "asked:3");
        assert_eq!(name(&slots, 16001), None);
        assert_eq!(name(&slots, 16383), None);
        assert!(slots.has(&Address { host: "b".into(), port: 2 }));
        assert!(!slots.has(&Address { host: "replica".into(), port: 1 }));
        assert_eq!(name(&Slots::default(), 0), None);
    }

    #[test]
    fn another_answer_is_none() {
        for answer in [
            Value::Nil,
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Array(vec![Value::Int(1), Value::Int(2)])]),
            Value::Array(vec![entry(0, 70_000, "a", 1)]),
            Value::Array(vec![entry(0, 1, "a", 70_000)]),
        ] {
            assert_eq!(Slots::read(&answer, "asked"), None, "{answer:?}");
        }
    }
}
