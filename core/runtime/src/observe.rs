//! An observer that turns a machine's events into `tracing`: values are fields.

use crate::driver::Observer;
use leasehold_proto::{Effect, Event, Input, LostLog, Time};
use tracing::{debug, error, info, trace, warn};

/// Tells `tracing` what happens: INFO is what an operator cares about, DEBUG a protocol step,
/// TRACE every message and mutation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traced;

impl<M> Observer<M> for Traced {
    fn input(&mut self, now: Time, input: &Input) {
        if let Input::Deliver(envelope) = input {
            trace!(%now, from = %envelope.from, message = ?envelope.message, "received");
        }
    }

    fn effect(&mut self, now: Time, effect: &Effect) {
        match effect {
            Effect::Send(envelope) => {
                trace!(%now, to = %envelope.to, message = ?envelope.message, "sent");
            }
            Effect::Io { io, op } => trace!(%now, %io, ?op, "disk"),
            Effect::Respond { id, result } => trace!(%now, %id, ?result, "answered"),
            Effect::Observe(event) => tell(event),
        }
    }

    fn stepped(&mut self, _: Time, _: &M) {}
}

fn tell(event: &Event) {
    match event {
        Event::LeaderBegan { epoch } => info!(%epoch, "leads"),
        Event::Configured { chunk, version, members, .. } => {
            debug!(%chunk, %version, ?members, "configured");
        }
        Event::ServerJoined { node, incarnation, rack, rejoined } => {
            info!(%node, %incarnation, %rack, rejoined, "chunkserver joined");
        }
        Event::ServerHeard { node } => info!(%node, "chunkserver is heard again"),
        Event::ServerRoom { node, free_bytes } => {
            debug!(%node, free_bytes, "room on a chunkserver's disk");
        }
        Event::NoRoom { chunk, bytes } => {
            warn!(
                %chunk, bytes,
                "no chunkserver has room for another replica: chunks stay below their target until \
                 there is more. Add a server, free disks, or delete files"
            );
        }
        Event::TrashGaveWay { file, chunk } => {
            warn!(%file, %chunk, "there is no room for a chunk: the oldest file in the trash is reclaimed");
        }
        Event::DiskFull { chunk, free_bytes } => {
            warn!(%chunk, free_bytes, "the disk has no room for a change of a replica");
        }
        Event::ServerDead { node } => warn!(%node, "chunkserver is silent or lost its disk"),
        Event::SafeModeEnded { why } => info!(?why, "safe mode ended"),
        Event::LogLost { proof } => {
            let never = match proof {
                LostLog::Chunk(chunk) => format!("made chunk {chunk}"),
                LostLog::Epoch(epoch) => format!("began epoch {epoch}"),
            };
            error!(
                "a chunkserver knows of what this master's log never did: it never {never}. The \
                 directory is an older copy, or lost its end. Nothing is repaired or deleted. Stop \
                 this master, and start it on the newest directory there is"
            );
        }
        Event::ConstantsChanged { version, .. } => {
            info!(%version, "the cluster's constants changed; `leasehold constants` shows them");
        }
        Event::ConstantsRefused { own, cluster } => {
            error!(constant = %own.constant, %own, %cluster, "configured with another value than the cluster's");
        }
        Event::RepairBegan { chunk, to, .. } => info!(%chunk, %to, "copying a replica"),
        Event::RepairEnded { chunk, to, done } => info!(%chunk, %to, done, "copy ended"),
        Event::CorruptRead { chunk } => warn!(%chunk, "a block does not fit its checksum"),
        Event::DiskFailed => error!("the disk is out of service"),
        Event::Superseded => {
            error!("serves no more: another process with this disk's identity is registered");
        }
        Event::ProtocolError { chunk, sequence } => {
            error!(%chunk, %sequence, "another mutation at a place that is taken");
        }
        Event::ReplicaQuarantined { chunk } => warn!(%chunk, "unknown replica set aside"),
        Event::QuarantineEnded { chunk } => info!(%chunk, "replica that was set aside is removed"),
        Event::ReplicaDeleted { chunk, reason } => debug!(%chunk, ?reason, "replica deleted"),
        Event::SessionLost { session } => {
            warn!(%session, "the session with the masters is over: locks are lost");
        }
        Event::SessionEnded { session } => info!(%session, "a client's session ended"),
        Event::ChunkMade { .. }
        | Event::Trashed { .. }
        | Event::GivenUp { .. }
        | Event::Restored { .. }
        | Event::TrashEmptied { .. }
        | Event::Purged { .. }
        | Event::Freed { .. }
        | Event::Placed { .. }
        | Event::ChangeBegan { .. }
        | Event::LeaseTaken { .. }
        | Event::LeaseEnded { .. }
        | Event::Adopted { .. }
        | Event::Recovered { .. }
        | Event::Promised { .. }
        | Event::LearnerComplete { .. }
        | Event::Unsolicited { .. }
        | Event::Retried { .. } => debug!(?event),
        Event::SessionHeld { .. }
        | Event::LockTaken { .. }
        | Event::LockGivenUp { .. }
        | Event::SentUnderLock { .. }
        | Event::EntryApplied { .. }
        | Event::LeaseGranted { .. }
        | Event::Applied { .. }
        | Event::Committed { .. }
        | Event::Acknowledged { .. }
        | Event::PieceBegan { .. }
        | Event::PieceEnded { .. }
        | Event::ReadServed { .. } => trace!(?event),
    }
}
