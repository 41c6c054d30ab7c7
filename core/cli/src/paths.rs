//! The paths of files that are known by their ids: the tree is listed until all are found.

use crate::failure::Failure;
use crate::namespace::is_directory;
use crate::path::ClusterPath;
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
    let mut to_list = vec![ClusterPath::parse("/")?];
    while let Some(directory) = to_list.pop().filter(|_| found.len() < wanted.len()) {
        for (name, info) in client.list(directory.as_str()).await? {
            let path = directory.join(&name);
            if is_directory(&info) {
                to_list.push(path);
            } else if wanted.contains(&info.file) {
                found.insert(info.file, path);
            }
        }
    }
    Ok(())
}
