//! A walk over the directories of the cluster, parents before children.

use crate::failure::Failure;
use crate::namespace::is_directory;
use crate::path::ClusterPath;
use leasehold_client::{Client, FileInfo};

/// A directory that was listed, and the files in it. Its subdirectories come later in the walk.
pub struct Listed {
    pub directory: ClusterPath,
    pub files: Vec<(ClusterPath, FileInfo)>,
}

/// The directories that are still to be listed.
pub struct TreeWalk(Vec<ClusterPath>);

impl TreeWalk {
    /// Of everything below a directory, itself included.
    pub fn below(top: ClusterPath) -> TreeWalk {
        TreeWalk(vec![top])
    }

    /// Lists the next directory, if one is left.
    pub async fn next(&mut self, client: &Client) -> Result<Option<Listed>, Failure> {
        let Some(directory) = self.0.pop() else { return Ok(None) };
        let mut files = Vec::new();
        for (name, info) in client.list(directory.as_str()).await? {
            let path = directory.join(&name);
            if is_directory(&info) {
                self.0.push(path);
            } else {
                files.push((path, info));
            }
        }
        Ok(Some(Listed { directory, files }))
    }
}
