//! A walk over the directories of the cluster, parents before children.

use crate::failure::Failure;
use crate::namespace::is_directory;
use crate::path::ClusterPath;
use leasehold_client::{Client, FileInfo};
use leasehold_proto::FileId;

/// A directory that was looked at. Its subdirectories come later in the walk.
pub struct Listed {
    pub directory: ClusterPath,
    /// What it was when its parent was listed; none for the top.
    pub id: Option<FileId>,
    /// The files in it, or why they are not known: the walk goes on beside it.
    pub files: Result<Vec<(ClusterPath, FileInfo)>, Failure>,
}

/// The directories that are still to be listed.
pub struct TreeWalk(Vec<(ClusterPath, Option<FileId>)>);

impl TreeWalk {
    /// Of everything below a directory, itself included.
    pub fn below(top: ClusterPath) -> TreeWalk {
        TreeWalk(vec![(top, None)])
    }

    /// Lists the next directory, if one is left. A directory that is refused is one of them; a cluster
    /// that does not answer ends the walk.
    pub async fn next(&mut self, client: &Client) -> Result<Option<Listed>, Failure> {
        let Some((directory, id)) = self.0.pop() else { return Ok(None) };
        let names = match client.list(&directory).await {
            Ok(names) => names,
            Err(error) if error.refusal().is_some() => {
                return Ok(Some(Listed { directory, id, files: Err(error.into()) }));
            }
            Err(error) => return Err(error.into()),
        };
        let mut files = Vec::new();
        for (name, info) in names {
            let path = directory.join(&name);
            if is_directory(&info) {
                self.0.push((path, Some(info.file)));
            } else {
                files.push((path, info));
            }
        }
        Ok(Some(Listed { directory, id, files: Ok(files) }))
    }
}
