//! Reconfiguration under crash (I2, I3, I4, I5): a chunk of two members holds an acknowledged
//! write, its primary has restarted, a second write waits, and the Prepares of the next version are
//! in flight. From there everything may arrive in any order or not at all, and one of the members
//! may crash at any I/O boundary.

use super::{ask, settle, settle_until};
use crate::bounded::Bounded;
use bytes::Bytes;
use leasehold_proto::metadata::{FileSpec, MetadataChange};
use leasehold_proto::{Constants, Envelope, FileId, Message, Operation, Rules, SyncPolicy};
use leasehold_world::{Action, Shape, World, payload};

/// Two chunkservers, one chunk, one write done and one waiting; `depth` steps, one crash.
#[must_use]
pub fn model(rules: Rules, depth: usize) -> Bounded {
    let shape = Shape { chunkservers: 2, clients: 1, ..Shape::default() };
    let constants = Constants { rules, ..shape.constants.clone() };
    let mut start = World::new(Shape { constants, ..shape });
    settle(&mut start, 1_000_000_000);
    let spec = FileSpec { chunk_bytes: 4_096, replicas: 2, sync: SyncPolicy::Durable };
    let create = MetadataChange::Create { path: "/f".into(), spec, mtime_ms: 0 };
    ask(&mut start, 1, Operation::Change(create));
    settle(&mut start, 1_500_000_000);
    ask(&mut start, 2, write(b"first"));
    settle(&mut start, 2_500_000_000);
    let primary = start.cluster().namespace().and_then(|state| {
        let config = state.chunks.values().next()?.config.as_ref()?;
        config.members.first().map(|member| member.node)
    });
    let primary = primary.expect("the first write has made a configuration");
    start.apply(Action::Crash(primary)).expect("it runs");
    start.apply(Action::Restart(primary)).expect("it crashed");
    settle(&mut start, 3_000_000_000);
    ask(&mut start, 3, write(b"again"));
    let prepare = |envelope: &Envelope| matches!(envelope.message, Message::Prepare { .. });
    settle_until(&mut start, |world| world.cluster().net().find(prepare).is_some());
    Bounded { start, crashes: 1, depth }
}

fn write(bytes: &'static [u8]) -> Operation {
    let payload = payload::payload(Bytes::from_static(bytes));
    Operation::Write { file: FileId(2), index: 0, offset: 0, payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_the_bound_nothing_is_violated() {
        let explored = model(Rules::default(), 16).explore();
        assert_eq!(explored.violation, None);

        assert!(explored.states > 10_000, "{} states are no search", explored.states);
    }

    #[test]
    fn a_promise_that_is_not_durable_is_found() {
        let rules = Rules { promise_is_durable: false, ..Rules::default() };
        let found = model(rules, 6).explore().violation;
        let (actions, what) = found.expect("the rule protects something");
        assert!(actions.len() <= 6, "{actions:?}");
        assert!(what.starts_with("I2"), "{what}");
    }
}
