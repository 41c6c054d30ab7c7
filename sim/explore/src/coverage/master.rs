//! Marks about the master: changes of configurations, safe mode, and who is taken for dead.

use super::{Hits, Mark};
use leasehold_proto::message::membership;
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Effect, Event, Input, Member, Message, NodeId, SafeModeEnd,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the master has done, as far as it shows.
#[derive(Clone, Debug, Default)]
pub struct Masters {
    /// The last configuration of every chunk, and the members of it that hold its state.
    configured: BTreeMap<ChunkHandle, Configured>,
    /// Versions promised above the last configuration.
    promised: BTreeMap<ChunkHandle, BTreeSet<ChunkVersion>>,
    /// Changes that the leader has begun.
    changing: BTreeSet<ChunkHandle>,
    leader: Option<NodeId>,
    safe_mode: bool,
    /// Chunks reported since the leader began.
    reported: BTreeSet<ChunkHandle>,
    /// Replicas in which a block was found corrupt.
    corrupt: BTreeSet<(ChunkHandle, NodeId)>,
    up: BTreeSet<NodeId>,
}

#[derive(Clone, Debug)]
struct Configured {
    version: ChunkVersion,
    members: Vec<Member>,
    /// Members that have not reached the version yet.
    behind: BTreeSet<NodeId>,
}

impl Masters {
    pub fn input(&mut self, node: NodeId, input: &Input, hits: &mut Hits) {
        self.up.insert(node);
        hits.hit_if(matches!(input, Input::Installed { .. }), Mark::SnapshotInstalled);
        let Input::Deliver(envelope) = input else { return };
        match &envelope.message {
            Message::Membership(membership::Request::Report(membership::Report {
                replicas,
                ..
            })) => {
                self.reported.extend(replicas.iter().map(|(chunk, _)| *chunk));
            }
            Message::MembershipReply(membership::Reply::Refused(membership::RegisterRefused {
                ..
            })) => hits.hit(Mark::RegistrationRefused),
            Message::MembershipReply(membership::Reply::RegisterAgain(
                membership::RegisterAgain { .. },
            )) => hits.hit(Mark::ReportAskedAnew),
            _ => {}
        }
    }

    pub fn effect(&mut self, node: NodeId, effect: &Effect, hits: &mut Hits) {
        let Effect::Observe(event) = effect else { return };
        match event {
            Event::LeaderBegan { .. } => self.leads(node),
            Event::SafeModeEnded { why } => {
                hits.hit_if(*why == SafeModeEnd::Waited, Mark::SafeModeEndedByTime);
                let unreported = self.configured.keys().any(|c| !self.reported.contains(c));
                hits.hit_if(unreported, Mark::SafeModeWithUnreportedChunks);
                self.safe_mode = false;
            }
            Event::ChangeBegan { chunk, .. } => self.change_began(*chunk, hits),
            Event::Configured { chunk, version, members, .. } => {
                self.configure(*chunk, *version, members, hits);
            }
            Event::Freed { chunk, .. } => {
                self.configured.remove(chunk);
                self.changing.remove(chunk);
            }
            Event::Promised { chunk, version } => {
                self.promised.entry(*chunk).or_default().insert(*version);
            }
            Event::Adopted { chunk, version, .. } => {
                if let Some(known) = self.configured.get_mut(chunk)
                    && known.version == *version
                {
                    known.behind.remove(&node);
                }
            }
            Event::EntryApplied { took_effect, .. } => {
                hits.hit_if(!took_effect, Mark::ProposalRefused);
            }
            Event::RepairEnded { done: false, .. } => hits.hit(Mark::RepairGivenUp),
            Event::ServerDead { node } => {
                hits.hit_if(self.up.contains(node), Mark::LivingServerDeclaredDead);
            }
            Event::ServerJoined { rejoined: true, .. } => hits.hit(Mark::ServerRejoined),
            Event::CorruptRead { chunk } => {
                self.corrupt.insert((*chunk, node));
            }
            _ => {}
        }
    }

    pub fn crashed(&mut self, node: NodeId, hits: &mut Hits) {
        self.up.remove(&node);
        if self.leader == Some(node) {
            hits.hit_if(!self.changing.is_empty(), Mark::MasterCrashedDuringChange);
            self.changing.clear();
            self.leader = None;
        }
    }

    fn leads(&mut self, node: NodeId) {
        self.leader = Some(node);
        self.safe_mode = !self.configured.is_empty();
        self.reported.clear();
        self.changing.clear();
    }

    fn change_began(&mut self, chunk: ChunkHandle, hits: &mut Hits) {
        self.changing.insert(chunk);
        hits.hit_if(self.changing.len() > 1, Mark::ChangesSideBySide);
        let known = self.configured.get(&chunk);
        // The first configuration begins with nothing to recover.
        let recovering = known.is_some_and(|known| known.version.0 > 1 && !known.behind.is_empty());
        hits.hit_if(recovering, Mark::ReconfiguredDuringRecovery);
    }

    fn configure(
        &mut self,
        chunk: ChunkHandle,
        version: ChunkVersion,
        members: &[Member],
        hits: &mut Hits,
    ) {
        let known = self.configured.get(&chunk);
        if known.is_some_and(|known| known.version >= version) {
            return; // A master that restarts tells its log again.
        }
        self.changing.remove(&chunk);
        hits.hit_if(self.safe_mode, Mark::ConfiguredInSafeMode);
        let promised = self.promised.remove(&chunk).unwrap_or_default();
        hits.hit_if(promised.range(..version).next().is_some(), Mark::PromiseWithoutCommit);
        if let Some(known) = known {
            succeed(&known.members, members, hits);
            let out = known.members.iter().filter(|m| !members.iter().any(|n| n.node == m.node));
            let rotten = |m: &&Member| self.corrupt.contains(&(chunk, m.node));
            hits.hit_if(out.filter(rotten).count() > 0, Mark::CorruptMemberConfiguredOut);
        }
        self.corrupt.retain(|(of, _)| *of != chunk);
        let behind = members.iter().map(|member| member.node).collect();
        self.configured.insert(chunk, Configured { version, members: members.to_vec(), behind });
    }
}

fn succeed(before: &[Member], after: &[Member], hits: &mut Hits) {
    let nodes = |members: &[Member]| members.iter().map(|m| m.node).collect::<BTreeSet<_>>();
    let (old, new) = (nodes(before), nodes(after));
    hits.hit_if(old.difference(&new).next().is_some(), Mark::MemberConfiguredOut);
    hits.hit_if(new.difference(&old).next().is_some(), Mark::LearnerConfiguredIn);
    hits.hit_if(old.len() > 1 && new.len() == 1, Mark::LastCopy);
    let primary = |members: &[Member]| members.first().map(|member| member.node);
    hits.hit_if(primary(before) == primary(after), Mark::SamePrimaryWentOn);
}
