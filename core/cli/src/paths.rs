//! The paths of files that are known by their ids: the tree is listed until all are found.

use crate::failure::Failure;
use crate::path::ClusterPath;
use crate::tree::TreeWalk;
use leasehold_client::Client;
use leasehold_proto::FileId;
use std::collections::{BTreeMap, BTreeSet};

/// Lists the tree, and puts the paths of the files that are `wanted` into `found`. A file without a
/// path is in the trash.
pub async fn find(
    client: &Client,
    wanted: &BTreeSet<FileId>,
    found: &mut BTreeMap<FileId, ClusterPath>,
) -> Result<(), Failure> {
    let mut walk = TreeWalk::below(ClusterPath::parse("/")?);
    while found.len() < wanted.len() {
        let Some(listed) = walk.next(client).await? else { break };
        // A directory that cannot be listed hides its own files, and no others.
        let files =
            listed.files.unwrap_or_default().into_iter().map(|(path, info)| (info.file, path));
        found.extend(files.filter(|(file, _)| wanted.contains(file)));
    }
    Ok(())
}
