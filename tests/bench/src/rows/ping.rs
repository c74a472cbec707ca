//! Keep-alive: CRLFCRLF, and the CRLF that answers it. RFC 5626 §4.4.1

use super::{Operation, Row};
use crate::{
    Fault,
    lane::Lane,
    wire::{PING, PONG},
};

pub(super) struct Ping;

impl Row for Ping {
    fn name(&self) -> &'static str {
        "ping"
    }

    fn operate<'a>(&'a self, lane: &'a mut Lane) -> Operation<'a> {
        Box::pin(async move {
            let flow = lane.flow();
            flow.out.clear();
            flow.out.extend_from_slice(PING);
            flow.send().await?;
            flow.receive().await?;
            if flow.frame() != PONG {
                return Err(Fault::wrong(flow.ua.number, "not a pong", flow.frame()));
            }
            Ok(())
        })
    }
}
