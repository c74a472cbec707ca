//! A REGISTER that refreshes the binding of a flow that is up.

use super::{Operation, Row};
use crate::lane::Lane;

pub(super) struct Refresh;

impl Row for Refresh {
    fn name(&self) -> &'static str {
        "REGISTER refresh"
    }

    fn operate<'a>(&'a self, lane: &'a mut Lane) -> Operation<'a> {
        Box::pin(lane.flow().register())
    }
}
