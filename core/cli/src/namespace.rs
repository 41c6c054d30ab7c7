//! `mkdir`, `mv`, `rm` and `truncate`.

use crate::arguments::{MkdirArguments, MvArguments, RmArguments, TruncateArguments};
use crate::failure::{Failure, Outcome, Tally};
use crate::path::ClusterPath;
use crate::session::connect;
use crate::tree::{Listed, TreeWalk};
use leasehold_client::{Client, ClientError, File, FileInfo, FileKind, FileSpec, Refusal};
use leasehold_proto::FileId;

/// `leasehold mkdir`.
pub async fn mkdir(arguments: &MkdirArguments) -> Outcome {
    let paths = ClusterPath::parse_all(&arguments.paths)?;
    let client = connect(&arguments.client).await?;
    let mut tally = Tally::new("mkdir");
    for path in &paths {
        tally.note(if arguments.parents {
            make_lineage(&client, path).await
        } else {
            client.mkdir(path).await.map(drop).map_err(Failure::from)
        });
    }
    tally.outcome()
}

async fn make_lineage(client: &Client, path: &ClusterPath) -> Outcome {
    for directory in path.lineage() {
        match client.mkdir(&directory).await {
            Err(error) if error.refusal() == Some(&Refusal::AlreadyExists) => {
                if !is_directory(&client.stat(&directory).await?) {
                    return Err(Failure::about(directory, Refusal::NotADirectory));
                }
            }
            other => {
                other?;
            }
        }
    }
    Ok(())
}

/// `leasehold truncate`.
pub async fn truncate(arguments: &TruncateArguments) -> Outcome {
    let paths = ClusterPath::parse_all(&arguments.paths)?;
    let client = connect(&arguments.client).await?;
    let mut tally = Tally::new("truncate");
    for path in &paths {
        tally.note(give_length(&client, path, arguments).await);
    }
    tally.outcome()
}

async fn give_length(
    client: &Client,
    path: &ClusterPath,
    arguments: &TruncateArguments,
) -> Outcome {
    let file = match client.open(path).await {
        Err(error) if error.refusal() == Some(&Refusal::NotFound) => {
            if arguments.no_create {
                return Ok(());
            }
            client.create(path, FileSpec::default()).await?
        }
        opened => opened?,
    };
    Ok(file.truncate(arguments.size).await?)
}

/// Lookups of a target that changes each time, before the command gives up.
const LOOKS_MAX: usize = 8;

/// `leasehold mv`.
pub async fn mv(arguments: &MvArguments) -> Outcome {
    let paths = ClusterPath::parse_all(&arguments.paths)?;
    let (to, from) = paths.split_last().expect("clap asks for two paths at the least");
    let client = connect(&arguments.client).await?;
    let into = find(&client, to).await?.is_some_and(|info| is_directory(&info));
    if from.len() > 1 && !into {
        return Err(Failure::about(to, Refusal::NotADirectory));
    }
    let mut tally = Tally::new("mv");
    for path in from {
        tally.note(move_one(&client, path, to, arguments.no_clobber).await);
    }
    tally.outcome()
}

/// What is moved is what was looked at, and what is replaced likewise: the master checks both again
/// when it moves. What changed in between is looked at again.
async fn move_one(
    client: &Client,
    from: &ClusterPath,
    to: &ClusterPath,
    no_clobber: bool,
) -> Outcome {
    let Some(moved) = find(client, from).await? else {
        return Err(Failure::about(from, Refusal::NotFound));
    };
    let mut looks = 0;
    loop {
        looks += 1;
        let there = find(client, to).await?;
        let (target, replaces) = match &there {
            Some(info) if is_directory(info) => {
                let target = to.join(from.name());
                let replaces = find(client, &target).await?;
                (target, replaces)
            }
            Some(_) => (to.clone(), there),
            None if to.wants_directory() && !is_directory(&moved) => {
                return Err(Failure::about(to, Refusal::NotFound));
            }
            None => (to.clone(), None),
        };
        if no_clobber && replaces.is_some() {
            return Err(Failure::about(target, Refusal::AlreadyExists));
        }
        let (this, no_replace) = (Some(moved.file), replaces.is_none());
        match client.rename_if(from, &target, this, no_replace).await {
            Err(error)
                if looks < LOOKS_MAX
                    && no_replace
                    && error.refusal() == Some(&Refusal::AlreadyExists) => {}
            other => return Ok(other?),
        }
    }
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

/// Only what was looked at is removed: what took its place meanwhile stays.
async fn remove(client: &Client, path: &ClusterPath, arguments: &RmArguments) -> Outcome {
    match find(client, path).await? {
        None if arguments.force => Ok(()),
        None => Err(Failure::about(path, Refusal::NotFound)),
        Some(info) if !is_directory(&info) => match client.delete_if(path, Some(info.file)).await {
            Err(error) if arguments.force && is_gone(&error) => Ok(()),
            other => Ok(other?),
        },
        Some(info) if arguments.recursive => remove_tree(client, path, info.file).await,
        Some(_) => Err(Failure::about(path, "Is a directory; -r removes it with all in it")),
    }
}

fn is_gone(error: &ClientError) -> bool {
    error.refusal() == Some(&Refusal::NotFound)
}

/// Removes what is in a directory before the directory itself. What cannot be removed is said, and
/// stays with the directories above it; the rest goes.
async fn remove_tree(client: &Client, top: &ClusterPath, id: FileId) -> Outcome {
    let mut walk = TreeWalk::below(top.clone());
    let (mut listed, mut tally) = (Vec::new(), Tally::new("rm"));
    while let Some(Listed { directory, id: found, files }) = walk.next(client).await? {
        let files = tally.note(files).unwrap_or_default();
        for (path, info) in files {
            tally.note(delete_if_there(client, &path, info.file).await);
        }
        listed.push((directory, found.unwrap_or(id)));
    }
    // A directory is listed before those inside it, so the reverse order empties each in time.
    for (directory, id) in listed.iter().rev() {
        tally.note(delete_if_there(client, directory, *id).await);
    }
    tally.outcome()
}

/// What another client removed first is removed.
async fn delete_if_there(client: &Client, path: &ClusterPath, this: FileId) -> Outcome {
    match client.delete_if(path, Some(this)).await {
        Err(error) if is_gone(&error) => Ok(()),
        other => Ok(other?),
    }
}

/// What is at a path, if anything. A file at a path that was typed with a slash at its end is
/// refused.
pub async fn find(client: &Client, path: &ClusterPath) -> Result<Option<FileInfo>, Failure> {
    match client.stat(path).await {
        Ok(info) if path.wants_directory() && !is_directory(&info) => {
            Err(Failure::about(path, Refusal::NotADirectory))
        }
        Ok(info) => Ok(Some(info)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens a file; one at a path that was typed with a slash at its end is refused.
pub async fn open(client: &Client, path: &ClusterPath) -> Result<File, Failure> {
    if path.wants_directory() {
        find(client, path).await?;
    }
    Ok(client.open(path).await?)
}

/// True for a directory.
pub fn is_directory(info: &FileInfo) -> bool {
    info.kind == FileKind::Directory
}
