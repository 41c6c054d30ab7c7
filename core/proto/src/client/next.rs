//! What a task needs next. A handler says it, and `mod.rs` alone acts on it.

use super::lookup::Lookup;
use crate::machine::{OpError, Outcome};
use crate::refusal::Refusal;
use core::time::Duration;

/// How one turn of a task ended.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing changed.
    Unchanged,
    /// Something was sent: its turn comes again after this time without a reply.
    ReplyWithin(Duration),
    /// A shared lookup has to be done first.
    Need(Lookup),
    /// It can continue at once.
    Continue,
    /// It can continue at once, as another operation.
    ContinueRenumbered,
    /// It is tried again after a backoff.
    BackOff { refusal: Option<Refusal>, why: &'static str },
    /// Its number is below those that the operation table remembers.
    NumberTooLow { below: u64 },
    /// A lookup is done.
    Found,
    /// No retry would change this refusal.
    Refused(Refusal),
    /// A request has its result.
    Ended(Result<Outcome, OpError>),
}

impl Next {
    /// The operation may have taken effect, and nothing that can still be learned says whether.
    pub fn unknown(refusal: Refusal) -> Self {
        Next::Ended(Err(OpError::TimedOut { maybe: true, last: Some(refusal) }))
    }
}
