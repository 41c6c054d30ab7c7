//! The trash: what is in it, back out of it, and empty.

use crate::{Client, ClientError};
use leasehold_proto::metadata::{
    FileInfo, MetadataAnswer, MetadataChange, MetadataQuery, TrashEntry,
};
use leasehold_proto::{FileId, Operation, Path};

impl Client {
    /// The caller's files in the trash; of the superuser all.
    ///
    /// # Errors
    /// Only those of a cluster that does not answer.
    pub async fn trash(&self) -> Result<Vec<TrashEntry>, ClientError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let query = MetadataQuery::Trash { after };
            match self.metadata("trash", Operation::Query(query)).await? {
                MetadataAnswer::Trash { entries, more } => {
                    after = entries.last().map(|entry| entry.info.file);
                    let more = more && after.is_some();
                    all.extend(entries);
                    if !more {
                        return Ok(all);
                    }
                }
                other => unreachable!("Trash is answered with the trash, not {other:?}"),
            }
        }
    }

    /// Takes a file out of the trash, to a path; exactly once. With `no_replace` only if nothing is
    /// there; otherwise what is there goes to the trash.
    ///
    /// # Errors
    /// `NotFound` if it is not in the trash any more, or the parent is not there; `AlreadyExists`;
    /// `NotPermitted` if it is another user's.
    pub async fn restore(
        &self,
        file: FileId,
        to: impl Into<Path>,
        no_replace: bool,
    ) -> Result<FileInfo, ClientError> {
        let to = to.into();
        let what = to.to_string();
        let change = MetadataChange::Restore { file, to, no_replace };
        match self.metadata(&what, Operation::Change(change)).await? {
            MetadataAnswer::File(info) => Ok(info),
            other => unreachable!("Restore is answered with a file, not {other:?}"),
        }
    }

    /// Has files in the trash reclaimed without waiting for the end of their retention. Those that
    /// are not there are passed over.
    ///
    /// # Errors
    /// `NotPermitted` if one of them is another user's: then all stay.
    pub async fn empty_trash(&self, files: Vec<FileId>) -> Result<(), ClientError> {
        let change = MetadataChange::EmptyTrash { files };
        self.metadata("trash", Operation::Change(change)).await.map(drop)
    }
}
