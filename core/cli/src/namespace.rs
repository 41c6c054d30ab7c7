//! `mkdir`, `mv` and `rm`.

use crate::arguments::{MkdirArguments, MvArguments, RmArguments};
use crate::failure::{Failure, Outcome, Tally};
use crate::path::ClusterPath;
use crate::session::connect;
use crate::tree::{Listed, TreeWalk};
use leasehold_client::{Client, ClientError, FileInfo, FileKind, Refusal};

/// `leasehold mkdir`.
pub async fn mkdir(arguments: &MkdirArguments) -> Outcome {
    let paths = ClusterPath::parse_all(&arguments.paths)?;
    let client = connect(&arguments.client).await?;
    let mut tally = Tally::new("mkdir");
    for path in &paths {
        tally.note(if arguments.parents {
            make_lineage(&client, path).await
        } else {
            client.mkdir(path.as_str()).await.map_err(Failure::from)
        });
    }
    tally.outcome()
}

async fn make_lineage(client: &Client, path: &ClusterPath) -> Outcome {
    for directory in path.lineage() {
        match client.mkdir(directory.as_str()).await {
            Err(error) if error.refusal() == Some(&Refusal::AlreadyExists) => {
                if !is_directory(&client.stat(directory.as_str()).await?) {
                    return Err(Failure::about(directory, Refusal::NotADirectory));
                }
            }
            other => other?,
        }
    }
    Ok(())
}

/// `leasehold mv`.
pub async fn mv(arguments: &MvArguments) -> Outcome {
    let paths = ClusterPath::parse_all(&arguments.paths)?;
    let (to, from) = paths.split_last().expect("clap asks for two paths at the least");
    let client = connect(&arguments.client).await?;
    let into = match find(&client, to).await? {
        Some(info) => is_directory(&info),
        None => false,
    };
    if from.len() > 1 && !into {
        return Err(Failure::about(to, Refusal::NotADirectory));
    }
    let mut tally = Tally::new("mv");
    for path in from {
        let target = if into { to.join(path.name()) } else { to.clone() };
        tally.note(client.rename(path.as_str(), target.as_str()).await.map_err(Failure::from));
    }
    tally.outcome()
}

/// `leasehold rm`.
pub async fn rm(arguments: &RmArguments) -> Outcome {
    let paths = ClusterPath::parse_all(&arguments.paths)?;
    if paths.iter().any(ClusterPath::is_root) {
        return Err(Failure::Usage("/: the root stays".to_owned()));
    }
    let client = connect(&arguments.client).await?;
    let mut tally = Tally::new("rm");
    for path in &paths {
        tally.note(remove(&client, path, arguments).await);
    }
    tally.outcome()
}

async fn remove(client: &Client, path: &ClusterPath, arguments: &RmArguments) -> Outcome {
    match find(client, path).await? {
        None if arguments.force => Ok(()),
        None => Err(Failure::about(path, Refusal::NotFound)),
        Some(info) if !is_directory(&info) => Ok(client.delete(path.as_str()).await?),
        Some(_) if arguments.recursive => remove_tree(client, path).await,
        Some(_) => Err(Failure::about(path, "Is a directory; -r removes it with all in it")),
    }
}

/// Removes what is in a directory before the directory itself.
async fn remove_tree(client: &Client, top: &ClusterPath) -> Outcome {
    let mut walk = TreeWalk::below(top.clone());
    let mut listed = Vec::new();
    while let Some(Listed { directory, files }) = walk.next(client).await? {
        for (path, _) in files {
            client.delete(path.as_str()).await?;
        }
        listed.push(directory);
    }
    // A directory is listed before those inside it, so the reverse order empties each in time.
    for directory in listed.iter().rev() {
        client.delete(directory.as_str()).await?;
    }
    Ok(())
}

/// What is at a path, if anything.
pub async fn find(client: &Client, path: &ClusterPath) -> Result<Option<FileInfo>, ClientError> {
    match client.stat(path.as_str()).await {
        Ok(info) => Ok(Some(info)),
        Err(error) if error.refusal() == Some(&Refusal::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// True for a directory.
pub fn is_directory(info: &FileInfo) -> bool {
    match info.kind {
        FileKind::Directory => true,
        FileKind::File(_) => false,
    }
}
