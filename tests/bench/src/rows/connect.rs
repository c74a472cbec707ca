//! A UA connects and registers: the handshakes of TCP, TLS or WebSocket, the first REGISTER, its 200.

use super::{Amount, Operation, Row};
use crate::{flow::Flow, lane::Lane};

pub(super) struct ConnectAndRegister;

impl Row for ConnectAndRegister {
    fn name(&self) -> &'static str {
        "connect + REGISTER"
    }

    fn amount(&self) -> Amount {
        Amount::EachFlow
    }

    fn operate<'a>(&'a self, lane: &'a mut Lane) -> Operation<'a> {
        Box::pin(async move {
            let Some(ua) = lane.waiting.pop() else { return Ok(()) };
            let mut flow = Flow::connect(ua, &lane.dial, lane.server()).await?;
            flow.register().await?;
            lane.flows.push(flow);
            Ok(())
        })
    }
}
