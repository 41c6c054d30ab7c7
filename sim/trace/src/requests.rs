//! Which operation of a client is which request of its owner.
//!
//! A client numbers its operations by itself, and runs errands of its own (where is the chunk?)
//! under numbers of the same row. A request's operation is recognised by its content.

use leasehold_proto::message::MasterRequest;
use leasehold_proto::message::{call, data};
use leasehold_proto::{Envelope, Message, MutationKind, NodeId, OpId, Operation, RequestId};
use std::collections::BTreeMap;

/// Requests that have no answer yet.
#[derive(Debug, Default)]
pub struct Requests {
    open: BTreeMap<(NodeId, RequestId), Open>,
}

#[derive(Debug)]
struct Open {
    asked: Operation,
    op: Option<OpId>,
}

impl Requests {
    /// An owner makes a request.
    pub fn asked(&mut self, client: NodeId, id: RequestId, op: &Operation) {
        self.open.insert((client, id), Open { asked: op.clone(), op: None });
    }

    /// The request that a message of a client is for, if it is for one.
    pub fn carried(&mut self, envelope: &Envelope) -> Option<RequestId> {
        let op = operation(&envelope.message).filter(|op| op.client == envelope.from)?;
        let of_client = (op.client, RequestId(0))..=(op.client, RequestId(u64::MAX));
        let mut open = self.open.range_mut(of_client);
        let is_it = |open: &Open| match open.op {
            Some(known) => known == op,
            None => asks(&open.asked, &envelope.message),
        };
        let ((_, id), open) = open.find(|(_, open)| is_it(open))?;
        open.op = Some(op);
        Some(*id)
    }

    /// An owner is answered: the operation that was for it, if one was sent.
    pub fn answered(&mut self, client: NodeId, id: RequestId) -> Option<OpId> {
        self.open.remove(&(client, id))?.op
    }
}

/// The operation that a client's message is for.
fn operation(message: &Message) -> Option<OpId> {
    match message {
        Message::Call(call::Request { op, .. })
        | Message::Data(data::Request::Mutate(data::Mutate { op, .. }))
        | Message::Data(data::Request::Read(data::Read { op, .. })) => Some(*op),
        _ => None,
    }
}

/// Whether this message is how a client requests that operation.
fn asks(wanted: &Operation, message: &Message) -> bool {
    match (wanted, message) {
        (
            Operation::Change(a),
            Message::Call(call::Request { request: MasterRequest::Change(b), .. }),
        ) => a == b,
        (
            Operation::Query(a),
            Message::Call(call::Request { request: MasterRequest::Query(b), .. }),
        ) => a == b,
        (
            Operation::Write { offset, payload, .. },
            Message::Data(data::Request::Mutate(data::Mutate { kind, offset: at, .. })),
        ) => *kind == MutationKind::Write && offset == at && message.payload() == Some(payload),
        (
            Operation::Cut { length, epoch, .. },
            Message::Data(data::Request::Mutate(data::Mutate { kind, offset, .. })),
        ) => *kind == MutationKind::Cut { epoch: *epoch } && offset == length,
        (
            Operation::Retire { chunk, .. },
            Message::Data(data::Request::Mutate(data::Mutate { kind, chunk: of, .. })),
        ) => *kind == MutationKind::Retire && of == chunk,
        (
            Operation::Append { payload, .. },
            Message::Data(data::Request::Mutate(data::Mutate { kind, .. })),
        ) => *kind == MutationKind::Append && message.payload() == Some(payload),
        (
            Operation::Read { extent, mode, .. },
            Message::Data(data::Request::Read(data::Read { extent: of, mode: how, .. })),
        ) => extent == of && mode == how,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::{ChunkHandle, ChunkVersion, Extent, FileId, ReadMode};

    const CLIENT: NodeId = NodeId(9);

    fn read(number: u64, offset: u64) -> Envelope {
        let message = Message::Data(data::Request::Read(data::Read {
            op: OpId { client: CLIENT, number },
            chunk: ChunkHandle(1),
            version: ChunkVersion(1),
            extent: Extent::new(offset, 4),
            mode: ReadMode::Strong,
        }));
        Envelope { from: CLIENT, to: NodeId(2), message }
    }

    #[test]
    fn a_request_is_known_by_what_it_wants() {
        let mut requests = Requests::default();
        for (id, offset) in [(1, 0), (2, 64)] {
            let extent = Extent::new(offset, 4);
            let (file, mode) = (FileId(1), ReadMode::Strong);
            let op = Operation::Read { file, index: 0, extent, mode };
            requests.asked(CLIENT, RequestId(id), &op);
        }
        assert_eq!(requests.carried(&read(7, 64)), Some(RequestId(2)));
        assert_eq!(requests.carried(&read(5, 0)), Some(RequestId(1)));
        assert_eq!(requests.carried(&read(7, 64)), Some(RequestId(2)), "a retry");
        assert_eq!(requests.carried(&read(8, 64)), None, "an errand");
        assert_eq!(requests.answered(CLIENT, RequestId(2)).unwrap().number, 7);
        assert_eq!(requests.answered(CLIENT, RequestId(2)), None);
    }
}
