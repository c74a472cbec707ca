//! A MESSAGE from one UA to the AOR of another, over the callee's flow, and the callee's 200 back to the caller.

use super::{Operation, Row};
use crate::{lane::Lane, ua::Ua};

pub(super) struct Message;

impl Row for Message {
    fn name(&self) -> &'static str {
        "MESSAGE + 200"
    }

    fn operate<'a>(&'a self, lane: &'a mut Lane) -> Operation<'a> {
        Box::pin(async move {
            let (caller, callee) = lane.pair();
            let local = caller.local();
            caller.ua.message(callee.ua.number, local, &mut caller.out);
            caller.send().await?;

            callee.receive().await?;
            caller.ua.check_delivered(callee.ua.number, callee.frame())?;
            callee.answer(Ua::accept).await?;

            caller.receive().await?;
            caller.ua.check_accepted(callee.ua.number, caller.frame())
        })
    }
}
