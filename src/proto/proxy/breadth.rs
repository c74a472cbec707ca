//! How many branches of a request may be out at a time: RFC 5393 §5.

use crate::proto::forking::Try;
use crate::sip::{Edit, Message, Name};

/// RFC 5393 §5.3.3: the Max-Breadth of a request without one, and the highest that is taken from one.
const MAX_BREADTH: usize = 60;

/// RFC 5393 §5.3.2: how many branches may be out at a time for a request.
pub(super) fn breadth(request: &Message) -> usize {
    match request.number(Name::MaxBreadth) {
        None => MAX_BREADTH,
        // What cannot be read allows as little as there is.
        Some(Err(_) | Ok(0)) => 1,
        Some(Ok(breadth)) => usize::try_from(breadth).unwrap_or(MAX_BREADTH).min(MAX_BREADTH),
    }
}

/// Writes the Max-Breadth of one branch.
///
/// RFC 5393 §5.3.3: the branches that are out together share what the request came with. One that takes the place of another
/// has its share: the other ended, or counts as ended with a 408 because its flow is silent.
pub(super) fn set_breadth<T>(edit: &mut Edit<'_>, request: &Message, branch: &Try<T>) {
    let whole = breadth(request);
    let share = whole / branch.of + usize::from(branch.nth < whole % branch.of);
    let share = share.to_string();
    if !request.fields(Name::MaxBreadth).eq([share.as_bytes()]) {
        edit.remove(Name::MaxBreadth);
        edit.append(Name::MaxBreadth, share.as_bytes());
    }
}
