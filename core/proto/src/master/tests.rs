//! See `scenarios/scripts` for runs of the whole protocol.

use crate::agreed::ClusterConstants;
use crate::config::{Constants, MasterConfig};
use crate::ids::{Epoch, Incarnation, IoId, LogIndex, NodeId, OpId, Rack, Session};
use crate::io::{IoOp, IoOutput, LogOp, ProposeOutcome};
use crate::log::{Command, LogEntry};
use crate::machine::{Effect, Effects, Input, Leadership, StateMachine};
use crate::master::Master;
use crate::message::{Envelope, MasterRequest, Message};
use crate::message::{call, membership};
use crate::metadata::{MetadataAnswer, MetadataQuery, ServerStatus};
use crate::room::Room;
use crate::tables::MasterState;
use crate::time::Time;
use alloc::boxed::Box;
use alloc::vec::Vec;

fn leads(number: u64) -> LogEntry {
    let command = Command::NewLeader {
        node: NodeId(number),
        constants: Box::new(ClusterConstants::of(&Constants::default())),
    };
    LogEntry { epoch: Epoch(0), proposal: IoId(1), command }
}

fn step(master: &mut Master, input: Input) -> Effects {
    let mut out = Effects::new();
    master.step(Time(0), input, &mut out);
    out
}

/// A leading master, over a log that commits at once unless entries are held back.
struct Leading {
    master: Master,
    log: u64,
    held: Vec<(IoId, LogEntry)>,
    holds: bool,
}

const SERVER: NodeId = NodeId(101);

impl Leading {
    fn new() -> Self {
        let (constants, insists) = (Constants::default(), Vec::new());
        let config = MasterConfig { node: NodeId(1), salt: 7, constants, insists };
        let state = MasterState::new(4);
        let master = Master::recover(&config, state, Time(0), &mut Effects::new());
        let mut leading = Leading { master, log: 0, held: Vec::new(), holds: false };
        leading.step(Input::Leadership(Leadership::Leader));
        assert!(leading.master.acting().is_some());
        leading
    }

    /// One step and what the log adds to it; returns the messages sent.
    fn step(&mut self, input: Input) -> Vec<Message> {
        let mut sent = Vec::new();
        for effect in step(&mut self.master, input).0 {
            match effect {
                Effect::Send(envelope) => sent.push(envelope.message),
                Effect::Io { io, op: IoOp::Log(LogOp::Propose { entry }) } => {
                    self.held.push((io, entry))
                }
                Effect::Io { io, op: IoOp::Log(LogOp::Confirm) } => {
                    let result = Ok(IoOutput::Confirmed);
                    sent.extend(self.step(Input::IoDone { io, result }));
                }
                Effect::Io { .. } | Effect::Respond { .. } | Effect::Observe(_) => {}
            }
        }
        if !self.holds {
            sent.extend(self.commit());
        }
        sent
    }

    fn commit(&mut self) -> Vec<Message> {
        let mut sent = Vec::new();
        self.holds = false;
        for (io, entry) in core::mem::take(&mut self.held) {
            self.log += 1;
            let index = LogIndex(self.log);
            sent.extend(self.step(Input::Committed { index, entry }));
            let result = Ok(IoOutput::Proposed(ProposeOutcome::Committed(index)));
            sent.extend(self.step(Input::IoDone { io, result }));
        }
        sent
    }

    fn hear(&mut self, from: NodeId, message: Message) -> Vec<Message> {
        self.step(Input::Deliver(Envelope { from, to: NodeId(1), message }))
    }

    fn register(&mut self, life: u64, size_bytes: u64) -> Vec<Message> {
        let room = Room { size_bytes, ..Room::UNBOUNDED };
        let (incarnation, session) = (Incarnation(life), Session(life));
        self.hear(
            SERVER,
            Message::Membership(membership::Request::Register(membership::Register {
                incarnation,
                session,
                rack: Rack(1),
                room,
            })),
        )
    }

    fn heartbeat(&mut self, life: u64, disk_failed: bool) {
        let epoch = self.master.acting().unwrap();
        let incarnation = Incarnation(life);
        let message = Message::Membership(membership::Request::Heartbeat(membership::Heartbeat {
            incarnation,
            epoch,
            room: Room::UNBOUNDED,
            disk_failed,
            constants: self.master.state().constants().version(),
        }));
        assert!(self.hear(SERVER, message).is_empty(), "it is known");
    }

    fn server(&mut self) -> ServerStatus {
        let client = NodeId(9_000);
        let op = OpId { client, number: 1 };
        let request = MasterRequest::Query(MetadataQuery::Status);
        let answers = self.hear(
            client,
            Message::Call(call::Request { caller: Box::default(), op, acked_below: 0, request }),
        );
        match &answers[..] {
            [
                Message::CallReply(call::Reply {
                    answer: Ok(MetadataAnswer::Status(status)), ..
                }),
            ] => status.servers[0].clone(),
            other => panic!("{other:?}"),
        }
    }
}

/// The registration of an earlier life arrives while that of the present one is being logged.
#[test]
fn a_late_registration_says_nothing_of_the_present_life() {
    let mut leading = Leading::new();
    leading.holds = true;
    leading.register(2, 20);
    leading.register(1, 10);
    leading.commit();
    let server = leading.server();
    assert_eq!((server.incarnation, server.capacity_bytes), (Incarnation(2), 20));
    let refused = leading.register(1, 10);
    let refusal =
        Message::MembershipReply(membership::Reply::Refused(membership::RegisterRefused {
            incarnation: Incarnation(1),
        }));
    assert_eq!(refused, [refusal]);
    leading.register(2, 20);
    assert_eq!(leading.server().capacity_bytes, 20);
}

#[test]
fn a_disk_that_failed_stays_failed_for_a_life() {
    let mut leading = Leading::new();
    leading.register(1, 10);
    leading.heartbeat(1, false);
    assert!(leading.server().alive);
    leading.heartbeat(1, true);
    assert!(!leading.server().alive);
    leading.heartbeat(1, false);
    assert!(!leading.server().alive, "a heartbeat from before the failure came after it");
    leading.register(2, 10);
    assert!(leading.server().alive);
}

/// A checkpoint of a peer stands in for entries that this master never saw; the log goes on from
/// it, and what it led before is over.
#[test]
fn an_installed_state_is_gone_on_from() {
    let constants = Constants::default();
    let config = MasterConfig { node: NodeId(1), salt: 7, constants, insists: Vec::new() };
    let mut master = Master::recover(&config, MasterState::new(4), Time(0), &mut Effects::new());
    let out = step(&mut master, Input::Leadership(Leadership::Leader));
    let [Effect::Io { io, op: IoOp::Log(LogOp::Propose { entry }) }] = &out.0[..] else {
        panic!("{out:?}")
    };
    let (io, entry) = (*io, entry.clone());
    step(&mut master, Input::Committed { index: LogIndex(1), entry });
    let result = Ok(IoOutput::Proposed(ProposeOutcome::Committed(LogIndex(1))));
    step(&mut master, Input::IoDone { io, result });
    assert_eq!(master.acting(), Some(Epoch(1)));
    step(&mut master, Input::Leadership(Leadership::Follower { leader: Some(NodeId(2)) }));

    let mut state = MasterState::new(4);
    for index in 1..=5 {
        state.apply(LogIndex(index), &leads(2));
    }
    step(&mut master, Input::Installed { state: Box::new(state.clone()) });
    assert_eq!((master.acting(), master.state()), (None, &state));
    step(&mut master, Input::Committed { index: LogIndex(6), entry: leads(3) });
    assert_eq!(master.state().epoch(), Epoch(6));
}

#[test]
#[should_panic(expected = "what is committed stays committed")]
fn a_state_never_goes_back() {
    let constants = Constants::default();
    let config = MasterConfig { node: NodeId(1), salt: 7, constants, insists: Vec::new() };
    let mut master = Master::recover(&config, MasterState::new(4), Time(0), &mut Effects::new());
    step(&mut master, Input::Committed { index: LogIndex(1), entry: leads(2) });
    step(&mut master, Input::Installed { state: Box::new(MasterState::new(4)) });
}
