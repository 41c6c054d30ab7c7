//! What is in a replicated log's journal.

use crate::error::StoreError;
use crate::frame::{self, record_bytes};
use serde::{Deserialize, Serialize};

/// A place in the log, with its owner's name for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Index of an entry.
    pub index: u64,
    /// Its full name, term and all, as its owner encodes it.
    pub id: Vec<u8>,
}

/// One change of a replicated log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RaftChange {
    /// The next entry.
    Append {
        /// One above the last.
        index: u64,
        /// As its owner encodes it.
        entry: Vec<u8>,
    },
    /// Drops a suffix that conflicts with another leader's.
    CutFrom {
        /// The first that goes.
        index: u64,
    },
    /// Drops everything up to this place: a snapshot covers it.
    Purge(Mark),
    /// A vote, as its owner encodes it. It may be reported when it is durable.
    Vote(Vec<u8>),
}

/// The body of a record: `FORMAT.md` names these by their variant's number.
#[derive(Serialize, Deserialize)]
pub(crate) enum Body {
    Base { birth: u64, vote: Option<Vec<u8>>, purged: Option<Mark> },
    Append { index: u64 },
    CutFrom { index: u64 },
    Purge(Mark),
    Vote(Vec<u8>),
}

/// A record before it is framed. An entry's bytes are beside the body.
pub(super) struct Record<'a> {
    pub body: Vec<u8>,
    pub bytes: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    pub fn of(change: &'a RaftChange) -> Self {
        let (body, bytes) = match change {
            RaftChange::Append { index, entry } => {
                (Body::Append { index: *index }, Some(entry.as_slice()))
            }
            RaftChange::CutFrom { index } => (Body::CutFrom { index: *index }, None),
            RaftChange::Purge(mark) => (Body::Purge(mark.clone()), None),
            RaftChange::Vote(vote) => (Body::Vote(vote.clone()), None),
        };
        Record { body: encode(&body), bytes }
    }

    pub fn base(birth: u64, vote: Option<&[u8]>, purged: Option<&Mark>) -> Self {
        let body = Body::Base { birth, vote: vote.map(<[u8]>::to_vec), purged: purged.cloned() };
        Record { body: encode(&body), bytes: None }
    }

    pub fn payload(&self) -> usize {
        self.bytes.map_or(0, <[u8]>::len)
    }

    /// Bytes that it takes in a journal.
    pub fn room(&self) -> usize {
        record_bytes(self.body.len(), self.payload())
    }
}

fn encode(body: &Body) -> Vec<u8> {
    postcard::to_allocvec(body).expect("plain data encodes")
}

pub(crate) fn decode(record: &frame::Record<'_>) -> Result<Body, StoreError> {
    postcard::from_bytes(record.body)
        .map_err(|_| StoreError::corrupt(super::LOG_FOLDER, 0, "a record that does not decode"))
}
