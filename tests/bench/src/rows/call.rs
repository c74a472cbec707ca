//! A call from one UA to the AOR of another, set up and ended: INVITE, 180, 200, ACK, BYE, 200. The caller ends every other
//! call, the callee the rest. A 100 to the INVITE is the server's to send or to leave.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Operation, Row};
use crate::{dialog::Dialog, lane::Lane};

#[derive(Default)]
pub(super) struct Call {
    calls: AtomicU64,
}

impl Row for Call {
    fn name(&self) -> &'static str {
        "call, INVITE to BYE"
    }

    fn operate<'a>(&'a self, lane: &'a mut Lane) -> Operation<'a> {
        let caller_ends = self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        Box::pin(async move {
            let (caller, callee) = lane.pair();
            let local = caller.local();
            let mut calling = Dialog::call(&mut caller.ua, local, callee.ua.number);
            calling.invite(&mut caller.out);
            caller.send().await?;

            callee.receive().await?;
            let called = Dialog::called(&callee.ua, callee.local(), &calling, callee.frame())?;
            callee.answer(|_, invite, out| called.ring(invite, out)).await?;
            caller.receive().await?;
            if calling.is_trying(caller.frame())? {
                caller.receive().await?;
            }
            calling.check_response(&called, 180, "INVITE", caller.frame())?;

            callee.answer(|_, invite, out| called.accept(invite, out)).await?;
            caller.receive().await?;
            calling.establish(&called, caller.frame())?;

            calling.request("ACK", &mut caller.out);
            caller.send().await?;
            callee.receive().await?;
            called.check_request(&calling, "ACK", callee.frame())?;

            let ends = if caller_ends {
                [(caller, calling), (callee, called)]
            } else {
                [(callee, called), (caller, calling)]
            };
            let [(ender, mut ending), (other, ended)] = ends;
            ending.request("BYE", &mut ender.out);
            ender.send().await?;
            other.receive().await?;
            ended.check_request(&ending, "BYE", other.frame())?;
            other.answer(|_, bye, out| Dialog::agree(bye, out)).await?;
            ender.receive().await?;
            ending.check_response(&ended, 200, "BYE", ender.frame())
        })
    }
}
