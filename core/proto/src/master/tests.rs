//! See `scenarios/scripts` for runs of the whole protocol.

use crate::config::{Constants, MasterConfig};
use crate::ids::{Epoch, IoId, LogIndex, NodeId};
use crate::io::{IoOp, IoOutput, LogOp, ProposeOutcome};
use crate::log::{Command, LogEntry};
use crate::machine::{Effect, Effects, Input, Leadership, StateMachine};
use crate::master::{Master, MasterState};
use crate::time::Time;
use alloc::boxed::Box;

fn leads(number: u64) -> LogEntry {
    let command = Command::NewLeader { node: NodeId(number) };
    LogEntry { epoch: Epoch(0), proposal: IoId(1), command }
}

fn step(master: &mut Master, input: Input) -> Effects {
    let mut out = Effects::new();
    master.step(Time(0), input, &mut out);
    out
}

/// A checkpoint of a peer stands in for entries that this master never saw; the log goes on from
/// it, and what it led before is over.
#[test]
fn an_installed_state_is_gone_on_from() {
    let constants = Constants::default();
    let config = MasterConfig { node: NodeId(1), salt: 7, constants };
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
    assert_eq!(master.state().epoch, Epoch(6));
}

#[test]
#[should_panic(expected = "what is committed stays committed")]
fn a_state_never_goes_back() {
    let constants = Constants::default();
    let config = MasterConfig { node: NodeId(1), salt: 7, constants };
    let mut master = Master::recover(&config, MasterState::new(4), Time(0), &mut Effects::new());
    step(&mut master, Input::Committed { index: LogIndex(1), entry: leads(2) });
    step(&mut master, Input::Installed { state: Box::new(MasterState::new(4)) });
}
