//! What a node tells operators: its metrics, what it is about, and the bindings of an address-of-record.

use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use flowhold_cluster::binding::{Aor, Binding, BindingKey, Timestamp};
use flowhold_cluster::location::{Bindings, Known};
use futures_util::future::BoxFuture;
use humantime::format_rfc3339_seconds;
use serde_json::{Value, json};

use super::load::Load;
use super::worker::Node;
use crate::metrics::Reload;
use crate::net::admin::{Health, NoBindings, Reports};
use crate::sip::Uri;

impl Reports for Node {
    fn metrics(&self) -> String {
        let (metrics, counts) = (&self.metrics, self.location.counts());
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.aors.set(number(counts.aors));
        metrics.bindings.set(number(counts.bindings));
        let delay = self.loads.iter().map(Load::delay).max().unwrap_or_default();
        metrics.queue_delay.set(delay.as_secs_f64());
        metrics.next_hops_down.set(number(self.reach.down()));
        if let Some(auth) = &self.auth {
            metrics.trusted_flows.set(number(self.loads.iter().map(Load::trusted).sum()));
            metrics.trusted_flows_max.set(number(self.config.auth.remembered));
            metrics.reload_failed.set(Reload::Users, auth.users.is_stale().into());
        }
        metrics.render()
    }

    fn health(&self) -> Health {
        match (self.is_draining(), self.is_ready.load(Ordering::Relaxed)) {
            (true, _) => Health::Draining,
            (false, true) => Health::Ok,
            (false, false) => Health::Starting,
        }
    }

    fn bindings<'a>(&'a self, aor: &'a str) -> BoxFuture<'a, Result<String, NoBindings>> {
        Box::pin(async move {
            let aor = canonical(aor).ok_or(NoBindings::NotAnAor)?;
            let now = self.clock.now();
            let known = self.location.lookup(&aor, now).await;
            let bindings = match known.map_err(|error| NoBindings::Unavailable(error.retry_after))? {
                Known::Yes(bindings) => bindings,
                Known::No => Bindings::default(),
            };
            let bindings: Vec<Value> = bindings.iter().map(|binding| object(binding, now)).collect();
            Ok(format!("{}\n", json!({ "aor": format!("sip:{aor}"), "bindings": bindings })))
        })
    }
}

/// As the registrar has it, of what people write.
fn canonical(aor: &str) -> Option<Aor> {
    let has_scheme = aor.split_once(':').is_some_and(|(scheme, _)| matches!(scheme, "sip" | "sips"));
    let uri = if has_scheme { aor.to_owned() } else { format!("sip:{aor}") };
    let uri = Uri::parse(uri.as_bytes()).ok()?;
    uri.user?;
    Some(Aor::from(&uri.canonical_aor().ok()?[..]))
}

fn object(binding: &Binding, now: Timestamp) -> Value {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let mut object = json!({
        "contact": text(&binding.contact),
        "q": f64::from(binding.q) / 1000.0,
        "expires_in": binding.expires_at.since(now).as_secs(),
        "registered": format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(binding.updated_at.0)).to_string(),
        "node": &*binding.holder.node,
        "flow": binding.flow.id.to_string(),
        "transport": binding.transport.as_str(),
        "peer": binding.flow.remote.to_string(),
        "outbound": binding.outbound,
        "direct": binding.direct,
        "call_id": text(&binding.call_id),
        "cseq": binding.cseq,
    });
    if let BindingKey::Instance { instance_id, reg_id } = &binding.key {
        object["instance_id"] = text(instance_id).into();
        object["reg_id"] = (*reg_id).into();
    }
    for (name, octets) in [("path", &binding.path), ("user_agent", &binding.user_agent)] {
        if !octets.is_empty() {
            object[name] = text(octets).into();
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_record_is_found_however_it_is_written() {
        let alice = Some(Aor::from("alice@example.com"));
        for written in
            ["alice@example.com", "sip:alice@Example.COM", "sips:alice@example.com", "%61lice@example.com"]
        {
            assert_eq!(canonical(written), alice, "{written}");
        }
        for written in ["", "alice", "sip:example.com", "@example.com", "tel:+4930", "alice@exa mple"] {
            assert_eq!(canonical(written), None, "{written}");
        }
    }
}
