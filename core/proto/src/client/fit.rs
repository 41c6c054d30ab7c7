//! The client's door: does an answer fit what was requested, by kind, length and range? One that does
//! not is dropped like one that came too late. Past this file a bad value is a bug.

use super::task::TaskKind;
use crate::config::Constants;
use crate::file::{CHUNK_BYTES_MAX, record_bytes_max};
use crate::machine::Operation;
use crate::metadata::{FileInfo, FileKind, MetadataAnswer, MetadataChange, MetadataQuery};
use crate::payload::Extent;
use crate::refusal::Refusal;
use alloc::borrow::ToOwned;

impl TaskKind {
    /// Can this be the answer to a change or a query? Lookups match the kind themselves.
    pub fn fits_answer(&self, answer: &MetadataAnswer) -> bool {
        let kind = match self {
            TaskKind::Request { op: Operation::Change(change), .. } => fits_change(change, answer),
            TaskKind::Request { op: Operation::Query(query), .. } => fits_query(query, answer),
            TaskKind::Request { op: Operation::Lock { .. }, .. } => {
                matches!(answer, MetadataAnswer::Done)
            }
            TaskKind::Request { op: Operation::Conflict { .. }, .. } => {
                matches!(answer, MetadataAnswer::Conflict(_))
            }
            TaskKind::Request { .. } => false,
            TaskKind::Lookup(_) => true,
        };
        kind && values_are_sound(answer)
    }

    /// Can a mutation of this task have been placed there?
    pub fn fits_place(&self, place: Extent) -> bool {
        match self {
            TaskKind::Request { op: Operation::Write { offset, payload, .. }, .. } => {
                place == Extent::new(*offset, payload.len())
            }
            TaskKind::Request { op: Operation::Append { chunk_bytes, payload, .. }, .. } => {
                place.length == payload.len() && place.is_within(*chunk_bytes)
            }
            TaskKind::Request { op: Operation::Cut { .. } | Operation::Retire { .. }, .. } => {
                place.length == 0
            }
            TaskKind::Request { .. } => false,
            // A seal has no place.
            TaskKind::Lookup(_) => true,
        }
    }
}

/// Can a read of `extent` have brought so many bytes of a chunk of this length?
pub(super) fn fits_read(extent: Extent, bytes: u64, chunk_length: u64) -> bool {
    bytes <= extent.length && chunk_length <= CHUNK_BYTES_MAX
}

fn fits_change(change: &MetadataChange, answer: &MetadataAnswer) -> bool {
    use MetadataChange as C;
    match change {
        C::Create { .. }
        | C::Mkdir { .. }
        | C::MakeSpecial { .. }
        | C::Restore { .. }
        | C::Link { .. }
        | C::SetAttributes { .. } => matches!(answer, MetadataAnswer::File(_)),
        C::Rename { .. }
        | C::Exchange { .. }
        | C::Delete { .. }
        | C::EmptyTrash { .. }
        | C::SetXattr { .. }
        | C::RemoveXattr { .. }
        | C::SetConstants { .. }
        | C::Lock { .. }
        | C::Unlock { .. }
        | C::ForgetServer { .. } => matches!(answer, MetadataAnswer::Done),
        C::BeginSession => matches!(answer, MetadataAnswer::Session { .. }),
        C::Truncate { .. } => matches!(answer, MetadataAnswer::Truncated { .. }),
        C::AddChunk { .. } => matches!(answer, MetadataAnswer::Chunk(_)),
    }
}

fn fits_query(query: &MetadataQuery, answer: &MetadataAnswer) -> bool {
    use MetadataQuery as Q;
    match query {
        Q::Stat { .. } | Q::Resolve { .. } | Q::StatFile { .. } => {
            matches!(answer, MetadataAnswer::File(_))
        }
        Q::ReadLink { .. } | Q::Xattr { .. } => matches!(answer, MetadataAnswer::Bytes(_)),
        Q::Xattrs { .. } => matches!(answer, MetadataAnswer::Xattrs(_)),
        Q::List { .. } => matches!(answer, MetadataAnswer::List { .. }),
        Q::Trash { .. } => matches!(answer, MetadataAnswer::Trash { .. }),
        Q::Locate { .. } => matches!(answer, MetadataAnswer::Location(_)),
        Q::Chunks { .. } => matches!(answer, MetadataAnswer::Chunks { .. }),
        Q::Status => matches!(answer, MetadataAnswer::Status(_)),
        Q::RenewSession { .. } => matches!(answer, MetadataAnswer::Renewed(_)),
        Q::Conflict { .. } => matches!(answer, MetadataAnswer::Conflict(_)),
        Q::Constants => matches!(answer, MetadataAnswer::Constants(_)),
        Q::SafeMode | Q::LeaveSafeMode => matches!(answer, MetadataAnswer::SafeMode(_)),
    }
}

/// What the client reckons with.
fn values_are_sound(answer: &MetadataAnswer) -> bool {
    let sound = |info: &FileInfo| match info.kind {
        FileKind::File(spec) => (1..=CHUNK_BYTES_MAX).contains(&spec.chunk_bytes),
        _ => true,
    };
    match answer {
        MetadataAnswer::File(info) => sound(info),
        MetadataAnswer::List { entries, .. } => entries.iter().all(|(_, info)| sound(info)),
        MetadataAnswer::Trash { entries, .. } => entries.iter().all(|entry| sound(&entry.info)),
        MetadataAnswer::Done
        | MetadataAnswer::Chunk(_)
        | MetadataAnswer::Location(_)
        | MetadataAnswer::Chunks { .. }
        | MetadataAnswer::Status(_)
        | MetadataAnswer::Constants(_)
        | MetadataAnswer::SafeMode(_)
        | MetadataAnswer::Bytes(_)
        | MetadataAnswer::Xattrs(_)
        | MetadataAnswer::Session { .. }
        | MetadataAnswer::Renewed(_)
        | MetadataAnswer::Conflict(_)
        | MetadataAnswer::Truncated { .. } => true,
    }
}

/// Refuses at the door what can never be done.
pub(super) fn check(constants: &Constants, op: &Operation) -> Result<(), Refusal> {
    let mutation_max = u64::from(constants.mutation_bytes_max);
    let (length, bytes_max) = match op {
        Operation::Change(_)
        | Operation::Query(_)
        | Operation::Read { .. }
        | Operation::Lock { .. }
        | Operation::Conflict { .. }
        | Operation::Cut { .. }
        | Operation::Retire { .. } => return Ok(()),
        Operation::Write { payload, .. } => (payload.len(), mutation_max),
        Operation::Append { payload, chunk_bytes, .. } => {
            (payload.len(), mutation_max.min(record_bytes_max(*chunk_bytes)))
        }
    };
    if length == 0 {
        return Err(Refusal::Invalid("there is nothing to write".to_owned()));
    }
    if length > bytes_max {
        return Err(Refusal::TooLarge { bytes_max });
    }
    Ok(())
}
