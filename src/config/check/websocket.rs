//! The rules of `[websocket]`.

use std::time::Duration;

use super::Findings;
use crate::config::model::Config;
use crate::sip::Transport;

pub(super) fn check(config: &Config, found: &mut Findings) {
    let websocket = &config.websocket;
    if websocket.max_request < 1024 {
        found.fault(&["websocket.max_request"], "below 1KiB: the requests of browsers are longer than that");
    }
    if !websocket.ping_every.is_zero() && websocket.ping_every < Duration::from_secs(1) {
        found.fault(&["websocket.ping_every"], "below 1s: write 0s if none is to be sent");
    }
    let is_websocket = |transport: Transport| matches!(transport, Transport::Ws | Transport::Wss);
    let outside = config
        .listen
        .each()
        .find(|(transport, _, listener)| is_websocket(*transport) && !listener.address.ip().is_loopback());
    if let Some((_, key, listener)) = outside
        && websocket.origins.is_empty()
    {
        found.warning(
            &[key, "websocket.origins"],
            format!(
                "without websocket.origins, whatever page somebody looks at may speak to {} from their browser",
                listener.address
            ),
        );
    }
}
