//! A server's directory: that it is the one which was begun for this server, and not an empty mount
//! point, a copy, or another server's. Called where a server starts, before anything in it is read.

#![allow(clippy::disallowed_types, reason = "it is about files")]

use crate::os_disk::{self, OsDisk};
use std::fmt::{self, Display, Formatter};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Made when the directory is begun, and written again only when it is adopted; never listed.
pub(crate) const MARK: &str = "begun";

/// Whose directory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerRole {
    /// A master's.
    Master,
    /// A chunkserver's.
    Chunkserver,
}

/// What is expected of a directory at a server's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// It was begun before, here. What is started again and again says this: where a disk is not
    /// mounted, no new server comes up on the empty mount point.
    Existing,
    /// It is begun now; it must be empty, or not there.
    New,
    /// One that was begun elsewhere, and moved or restored to this place, is this server's from now
    /// on. The place it came from must be given up.
    Adopt,
    /// `Existing` if it was begun, `New` if there is none: for clusters whose owner makes and removes
    /// whole trees.
    Either,
}

/// A directory that cannot be a server's.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Two processes on one directory would destroy it.
    #[error("{path}: in use by process {holder}; stop that process or choose another directory")]
    InUse {
        /// Which directory.
        path: PathBuf,
        /// The holder's process id, as it wrote it.
        holder: String,
    },
    /// It cannot be made, opened or locked.
    #[error("{path}: {error}")]
    Io {
        /// Which directory.
        path: PathBuf,
        /// The operating system's word.
        error: io::Error,
    },
    /// Nothing was begun here.
    #[error(
        "{path}: no {role} was begun in this directory. If its disk should be mounted here, mount it; \
         to begin a new, empty {role} here, start it once with --init"
    )]
    NotBegun {
        /// Which directory.
        path: PathBuf,
        /// Whose it should be.
        role: ServerRole,
    },
    /// `New`, and there is something.
    #[error("{path}: {what} is here already, so nothing new is begun in this directory{advice}")]
    NotEmpty {
        /// Which directory.
        path: PathBuf,
        /// What is there.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// The mark is of another role, or damaged.
    #[error("{path}: {what}, and not a {role}'s directory")]
    Another {
        /// Which directory.
        path: PathBuf,
        /// What is there.
        what: String,
        /// Whose it should be.
        role: ServerRole,
    },
    /// The mark was made elsewhere.
    #[error(
        "{path}: a copy of a {role}'s directory that was begun elsewhere. Two servers under one name \
         put each other out of service. If the other one is given up for good, start this one once \
         with --adopt; to begin a new {role}, start it with --init on an empty directory"
    )]
    Copied {
        /// Which directory.
        path: PathBuf,
        /// Whose it is.
        role: ServerRole,
    },
}

impl Display for ServerRole {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServerRole::Master => "master",
            ServerRole::Chunkserver => "chunkserver",
        })
    }
}

/// Opens and locks a server's directory, if it is what is expected.
///
/// # Errors
/// See [`DataDirError`].
pub fn open(path: &Path, role: ServerRole, begin: Begin) -> Result<OsDisk, DataDirError> {
    Ok(open_founder(path, role, begin, false)?.0)
}

/// As [`open`], for a master with peers: was the directory begun as one of the masters that make a new
/// cluster together? `founds` says so of one that is begun in this call, and the mark keeps it: a service
/// is then started again and again with the same words, and a disk that was replaced founds nothing.
///
/// # Errors
/// See [`DataDirError`].
pub fn open_founder(
    path: &Path,
    role: ServerRole,
    begin: Begin,
    founds: bool,
) -> Result<(OsDisk, bool), DataDirError> {
    let fail = |error| DataDirError::Io { path: path.to_owned(), error };
    if !may_be_made(begin) && !path.join(MARK).exists() {
        // Before anything is made: an empty mount point stays as it is.
        return Err(DataDirError::NotBegun { path: path.to_owned(), role });
    }
    let disk = OsDisk::open(path)?;
    let mark = Mark::read(path, role)?;
    let founder = mark.as_ref().map_or(founds, |mark| mark.founder);
    match (begin, mark) {
        (Begin::Existing | Begin::Either, Some(Mark { here: true, .. })) => {}
        (Begin::Existing | Begin::Either, Some(Mark { here: false, .. })) => {
            return Err(DataDirError::Copied { path: path.to_owned(), role });
        }
        (Begin::Adopt, Some(_)) => Mark::write(path, role, founder).map_err(fail)?,
        (Begin::Existing | Begin::Adopt, None) => {
            return Err(DataDirError::NotBegun { path: path.to_owned(), role });
        }
        (Begin::New, Some(_)) => {
            let what = format!("a {role}");
            let advice = "; to start it again, leave --init out";
            return Err(DataDirError::NotEmpty { path: path.to_owned(), what, advice });
        }
        (Begin::New | Begin::Either, None) => {
            if let Some(what) = first_file(path).map_err(fail)? {
                return Err(DataDirError::NotEmpty { path: path.to_owned(), what, advice: "" });
            }
            Mark::write(path, role, founder).map_err(fail)?;
        }
    }
    Ok((disk, founder))
}

fn may_be_made(begin: Begin) -> bool {
    matches!(begin, Begin::New | Begin::Either)
}

/// What is in a directory beside the lock, which an interrupted start may have left. The folder that
/// a new file system begins with does not count.
fn first_file(path: &Path) -> io::Result<Option<String>> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != os_disk::LOCK && name != "lost+found" {
            return Ok(Some(name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// What the mark says.
struct Mark {
    /// It was made in this place: a copy is another file, with a birth of its own.
    here: bool,
    /// It was begun together with others, to make a new cluster.
    founder: bool,
}

impl Mark {
    fn read(path: &Path, role: ServerRole) -> Result<Option<Mark>, DataDirError> {
        let name = path.join(MARK);
        let text = match fs::read_to_string(&name) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DataDirError::Io { path: name, error }),
        };
        let another = |what: String| DataDirError::Another { path: path.to_owned(), what, role };
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        if first != headline(role) {
            let known = [ServerRole::Master, ServerRole::Chunkserver]
                .into_iter()
                .find(|r| first == headline(*r));
            let what = known.map_or_else(|| format!("{MARK} is damaged"), |r| format!("a {r}'s"));
            return Err(another(what));
        }
        let file = File::open(&name).and_then(|file| birth(&file));
        let file = file.map_err(|error| DataDirError::Io { path: name, error })?;
        let here = lines.next() == Some(&file);
        Ok(Some(Mark { here, founder: lines.next() == Some(FOUNDER) }))
    }

    fn write(path: &Path, role: ServerRole, founder: bool) -> io::Result<()> {
        // Adopted: the file stays, so that a start that is interrupted here finds the old text or the
        // new one.
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(false).open(path.join(MARK))?;
        let founds = if founder { format!("{FOUNDER}\n") } else { String::new() };
        let text = format!("{}\n{}\n{founds}", headline(role), birth(&file)?);
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)?;
        file.sync_all()?;
        File::open(path)?.sync_all()
    }
}

/// The mark's last line in the directory of a master that makes a new cluster together with others.
const FOUNDER: &str = "founder";

fn headline(role: ServerRole) -> String {
    format!("leasehold: a {role}'s directory, begun with --init; a copy of it is refused")
}

/// What a copy of a file has not: its number, and when it was made where the file system says so.
fn birth(file: &File) -> io::Result<String> {
    let metadata = file.metadata()?;
    let born = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let born = born.map_or_else(|| "-".to_owned(), |at| format!("{}", at.as_nanos()));
    Ok(format!("inode {} born {born}", metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn refused(path: &Path, role: ServerRole, begin: Begin) -> String {
        open(path, role, begin).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_mount_point_stays_empty() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("a");
        for path in [dir.path(), &missing] {
            let error = refused(path, ServerRole::Chunkserver, Begin::Existing);
            assert!(error.contains("mount it") && error.contains("--init"), "{error}");
            refused(path, ServerRole::Chunkserver, Begin::Adopt);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_was_begun_is_opened_again_by_its_role_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        drop(open(&path, ServerRole::Chunkserver, Begin::New).unwrap());
        drop(open(&path, ServerRole::Chunkserver, Begin::Existing).unwrap());
        drop(open(&path, ServerRole::Chunkserver, Begin::Either).unwrap());
        let error = refused(&path, ServerRole::Chunkserver, Begin::New);
        assert!(error.contains("leave --init out"), "{error}");
        let error = refused(&path, ServerRole::Master, Begin::Existing);
        assert!(error.contains("a chunkserver's, and not a master's directory"), "{error}");
        fs::write(path.join(MARK), "x").unwrap();
        let error = refused(&path, ServerRole::Chunkserver, Begin::Existing);
        assert!(error.contains("begun is damaged"), "{error}");
    }

    #[test]
    fn a_founder_is_one_by_its_mark_and_a_replaced_disk_is_none() {
        let dir = tempfile::tempdir().unwrap();
        // A process that another test starts has the lock for as long as it is a copy of this one.
        let founder = |path: &Path, begin: Begin, founds| {
            let opened = || open_founder(path, ServerRole::Master, begin, founds);
            let mut tries = (0..1_000_000).map(|_| opened());
            let free = |opened: &Result<_, _>| !matches!(opened, Err(DataDirError::InUse { .. }));
            tries.find(free).unwrap().unwrap().1
        };
        let [first, later] = ["first", "later"].map(|name| dir.path().join(name));
        assert!(founder(&first, Begin::New, true));
        assert!(founder(&first, Begin::Existing, false), "the mark keeps it");
        assert!(founder(&first, Begin::Adopt, false));
        assert!(!founder(&later, Begin::New, false));
        assert!(!founder(&later, Begin::Existing, true), "nothing is founded on a begun directory");
    }

    #[test]
    fn nothing_is_begun_among_other_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lost+found")).unwrap();
        fs::write(dir.path().join("photo"), "x").unwrap();
        let error = refused(dir.path(), ServerRole::Master, Begin::New);
        assert!(error.contains("photo is here already"), "{error}");
        fs::remove_file(dir.path().join("photo")).unwrap();
        open(dir.path(), ServerRole::Master, Begin::New).unwrap();
    }

    #[test]
    fn a_copy_is_refused_until_it_is_adopted_and_a_moved_directory_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let [first, copy, moved] = ["first", "copy", "moved"].map(|name| dir.path().join(name));
        drop(open(&first, ServerRole::Chunkserver, Begin::New).unwrap());
        let copied = Command::new("cp").arg("-a").args([&first, &copy]).status().unwrap();
        assert!(copied.success());
        for begin in [Begin::Existing, Begin::Either] {
            let error = refused(&copy, ServerRole::Chunkserver, begin);
            assert!(error.contains("a copy") && error.contains("--adopt"), "{error}");
        }
        fs::rename(&first, &moved).unwrap();
        drop(open(&moved, ServerRole::Chunkserver, Begin::Existing).unwrap());
        drop(open(&copy, ServerRole::Chunkserver, Begin::Adopt).unwrap());
        drop(open(&copy, ServerRole::Chunkserver, Begin::Existing).unwrap());
    }
}
