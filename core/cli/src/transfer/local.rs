//! Files at this end: read and written on threads of their own, so that the disk or the pipe and
//! the network work at the same time.

// The person's own files are what these commands are about; nothing of the cluster is here.
#![allow(clippy::disallowed_types)]

use crate::failure::Failure;
use crate::partial::{partial_name, unfinished};
use bytes::Bytes;
use leasehold_client::Buffers;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, openat, renameat_with};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

/// Pieces read ahead of the network, or waiting for the disk.
const PIECES_AHEAD: usize = 2;

/// Bytes of buffers that are kept for the next piece: as much as is on its way at a time.
const IDLE_BYTES_MAX: usize = 16 << 20;

/// The spelling of stdin and stdout.
pub const DASH: &str = "-";

/// Something to read: a file or stdin.
#[derive(Debug)]
pub struct Source {
    name: String,
    file: File,
    /// In bytes, if it is a regular file.
    pub length: Option<u64>,
}

impl Source {
    /// Opens it; a directory is refused here rather than at the first read.
    pub fn open(path: &Path) -> Result<Source, Failure> {
        let fail = |error| Failure::about(path.display(), describe(&error));
        if path == Path::new(DASH) {
            let fd = std::io::stdin().as_fd().try_clone_to_owned().map_err(fail)?;
            return Ok(Source { name: "stdin".to_owned(), file: fd.into(), length: None });
        }
        let file = File::open(path).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        if metadata.is_dir() {
            return Err(Failure::about(path.display(), "Is a directory"));
        }
        let length = metadata.is_file().then_some(metadata.len());
        Ok(Source { name: path.display().to_string(), file, length })
    }

    /// Reads it to its end in pieces of `piece_bytes`, the last one shorter.
    pub fn pieces(self, piece_bytes: usize) -> mpsc::Receiver<Result<Bytes, Failure>> {
        let buffers = Buffers::new(IDLE_BYTES_MAX);
        self.read(move |file| {
            let mut piece = buffers.stale(piece_bytes);
            let length = read_full(file, &mut piece)?;
            piece.truncate(length);
            Ok(piece.freeze())
        })
    }

    /// Reads it to its end in pieces of up to `piece_bytes`, each as soon as there is one.
    pub fn while_it_comes(self, piece_bytes: usize) -> mpsc::Receiver<Result<Bytes, Failure>> {
        self.read(move |file| {
            let mut piece = vec![0; piece_bytes];
            let n = file.read(&mut piece)?;
            piece.truncate(n);
            Ok(Bytes::from(piece))
        })
    }

    /// Calls `next` for pieces until one is empty or fails.
    fn read(
        self,
        next: impl Fn(&mut File) -> std::io::Result<Bytes> + Send + 'static,
    ) -> mpsc::Receiver<Result<Bytes, Failure>> {
        let (pieces, receiver) = mpsc::channel(PIECES_AHEAD);
        let Source { name, mut file, .. } = self;
        spawn_blocking(move || {
            loop {
                let piece = next(&mut file);
                let failed = piece.is_err();
                let piece = match piece {
                    Ok(piece) if piece.is_empty() => return,
                    Ok(piece) => Ok(piece),
                    Err(error) => Err(Failure::about(&name, describe(&error))),
                };
                if pieces.blocking_send(piece).is_err() || failed {
                    return;
                }
            }
        });
        receiver
    }
}

/// Reads until `bytes` is full or the file ends; tells how many bytes there were.
fn read_full(file: &mut File, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Something to write: a file under a partial name, or stdout.
#[derive(Debug)]
pub struct Sink {
    pieces: mpsc::Sender<Bytes>,
    writer: JoinHandle<Result<File, Failure>>,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Stdout,
    File(Begun),
}

/// A local file that has not got its name.
#[derive(Clone, Debug)]
struct Begun {
    target: PathBuf,
    replace: bool,
    /// The hidden name that it has meanwhile; none where the system keeps files without a name, of
    /// which a killed process leaves nothing.
    partial: Option<PathBuf>,
}

impl Sink {
    /// Writes to stdout.
    pub fn stdout() -> Result<Sink, Failure> {
        let fd = std::io::stdout().as_fd().try_clone_to_owned();
        let fd = fd.map_err(|error| Failure::about("stdout", describe(&error)))?;
        Ok(Sink::over("stdout".to_owned(), fd.into(), Place::Stdout))
    }

    /// Writes to a new file beside `target`, which becomes `target` with `finish`.
    pub fn file(target: &Path, replace: bool) -> Result<Sink, Failure> {
        let target = look(target, replace)?;
        let fail = |error: std::io::Error| Failure::about(target.display(), describe(&error));
        let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        sweep(directory, &target);
        let (file, partial) = match nameless(directory) {
            Some(file) => (file, None),
            None => {
                let partial = beside(&target)?;
                (File::create_new(&partial).map_err(fail)?, Some(partial))
            }
        };
        // Who may read the file that is replaced may read the new one, and nobody else.
        if let Ok(replaced) = target.metadata() {
            file.set_permissions(replaced.permissions()).map_err(fail)?;
        }
        let name = target.display().to_string();
        Ok(Sink::over(name, file, Place::File(Begun { target, replace, partial })))
    }

    fn over(name: String, mut file: File, place: Place) -> Sink {
        let (pieces, mut queue) = mpsc::channel::<Bytes>(PIECES_AHEAD);
        let writer = spawn_blocking(move || {
            while let Some(piece) = queue.blocking_recv() {
                file.write_all(&piece).map_err(|error| Failure::about(&name, describe(&error)))?;
            }
            Ok(file)
        });
        Sink { pieces, writer, place }
    }

    /// Hands over a piece; false if the writer has failed, which `finish` then tells.
    pub async fn write(&self, piece: Bytes) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    /// Waits until all is written and durable, and gives the file its name.
    pub async fn finish(self) -> Result<(), Failure> {
        drop(self.pieces);
        let written = self.writer.await.expect("the writer does not panic");
        let Place::File(begun) = self.place else { return written.map(drop) };
        let named = written.and_then(|file| {
            let fail =
                |error: std::io::Error| Failure::about(begun.target.display(), describe(&error));
            file.sync_all().map_err(fail)?;
            begun.name(&file)
        });
        if let (Err(_), Some(partial)) = (&named, &begun.partial) {
            remove(partial);
        }
        named
    }

    /// Gives up: what was written goes away.
    pub async fn abandon(self) {
        drop(self.pieces);
        // Its failure does not matter any more; its end does, before the file is removed.
        let _ = self.writer.await;
        if let Place::File(Begun { partial: Some(partial), .. }) = self.place {
            remove(&partial);
        }
    }
}

/// Looks at what a file would replace: a regular file and only with `replace`. A link stays a link: what
/// it leads to is replaced. The path to write to.
fn look(target: &Path, replace: bool) -> Result<PathBuf, Failure> {
    let refuse = |why: &str| Err(Failure::about(target.display(), why));
    let typed = target.as_os_str().as_encoded_bytes();
    if target.file_name().is_none() || typed.ends_with(b"/") {
        return refuse("names a directory, not a file in it");
    }
    let Ok(found) = target.symlink_metadata() else { return Ok(target.to_owned()) };
    if !replace {
        return Err(exists(target));
    }
    let leads_to = match found.is_symlink() {
        true => fs::canonicalize(target),
        false => Ok(target.to_owned()),
    };
    let leads_to = leads_to.map_err(|error| Failure::about(target.display(), describe(&error)))?;
    match leads_to.metadata() {
        Ok(found) if found.is_dir() => refuse("Is a directory"),
        Ok(found) if !found.is_file() => {
            refuse("is no regular file, and is not replaced by one; `-` writes to stdout")
        }
        Ok(_) => Ok(leads_to),
        Err(error) => Err(Failure::about(target.display(), describe(&error))),
    }
}

/// A file in a directory, without a name; none where the file system has none.
fn nameless(directory: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
    openat(CWD, directory, flags, mode).ok().map(File::from)
}

/// A hidden name in the same directory.
fn beside(target: &Path) -> Result<PathBuf, Failure> {
    let name = target.file_name().unwrap_or_default();
    Ok(target.with_file_name(partial_name(&name.to_string_lossy())?))
}

/// Removes what processes of this machine that were killed left of the same file. What cannot be
/// removed stays: it is in nobody's way.
fn sweep(directory: &Path, target: &Path) {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let begins = format!(".{}.partial-", name.chars().take(64).collect::<String>());
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(found) = entry.file_name().into_string() else { continue };
        let is_same = found.starts_with(&begins);
        if is_same && unfinished(&found).flatten().is_some_and(|owner| owner.has_ended_here()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

impl Begun {
    /// Gives the file its name.
    fn name(&self, file: &File) -> Result<(), Failure> {
        let fail = |error| Failure::about(self.target.display(), describe(&error));
        match &self.partial {
            Some(partial) if self.replace => fs::rename(partial, &self.target).map_err(fail),
            Some(partial) => self.rename_new(partial),
            None if self.replace => {
                let partial = beside(&self.target)?;
                link(file, &partial).map_err(|errno| fail(errno.into()))?;
                fs::rename(&partial, &self.target).map_err(|error| {
                    remove(&partial);
                    fail(error)
                })
            }
            None => match link(file, &self.target) {
                Err(rustix::io::Errno::EXIST) => Err(exists(&self.target)),
                other => other.map_err(|errno| fail(errno.into())),
            },
        }
    }

    /// Renames if nothing is there. File systems without such a rename have links, which replace
    /// nothing either.
    fn rename_new(&self, partial: &Path) -> Result<(), Failure> {
        use rustix::io::Errno;
        let renamed = match renameat_with(CWD, partial, CWD, &self.target, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let linked = linkat(CWD, partial, CWD, &self.target, AtFlags::empty());
                linked.inspect(|()| remove(partial))
            }
            other => other,
        };
        match renamed {
            Err(Errno::EXIST) => Err(exists(&self.target)),
            other => other
                .map_err(|errno| Failure::about(self.target.display(), describe(&errno.into()))),
        }
    }
}

/// Names a file that has no name; refused if the name is taken.
fn link(file: &File, to: &Path) -> Result<(), rustix::io::Errno> {
    use std::os::fd::AsRawFd;
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, open, CWD, to, AtFlags::SYMLINK_FOLLOW)
}

fn remove(partial: &Path) {
    if let Err(error) = fs::remove_file(partial) {
        crate::log::say(format_args!(
            "leasehold: {}: {}; it remains",
            partial.display(),
            describe(&error)
        ));
    }
}

fn exists(target: &Path) -> Failure {
    Failure::about(target.display(), "File exists; --force replaces it")
}

/// The operating system's sentence without its number.
fn describe(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::BrokenPipe => "Broken pipe".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of this test's own, removed with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let name = format!("leasehold-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Scratch(path)
        }

        fn names(&self) -> Vec<String> {
            let names = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<_> =
                names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn a_source_comes_in_whole_pieces_and_a_rest() {
        let scratch = Scratch::new("source");
        let path = scratch.0.join("in");
        fs::write(&path, b"0123456789").unwrap();
        let source = Source::open(&path).unwrap();
        assert_eq!(source.length, Some(10));
        let mut pieces = source.pieces(4);
        for expected in ["0123", "4567", "89"] {
            assert_eq!(pieces.recv().await.unwrap().unwrap(), expected);
        }
        assert!(pieces.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_sink_has_its_name_only_when_it_is_whole() {
        let scratch = Scratch::new("sink");
        let target = scratch.0.join("out");
        let sink = Sink::file(&target, false).unwrap();
        assert!(sink.write(Bytes::from_static(b"abc")).await);
        assert!(!scratch.names().contains(&"out".to_owned()), "{:?}", scratch.names());
        sink.finish().await.unwrap();
        assert_eq!(scratch.names(), ["out"]);
        assert_eq!(fs::read(&target).unwrap(), b"abc");
    }

    #[tokio::test]
    async fn an_abandoned_sink_leaves_nothing() {
        let scratch = Scratch::new("abandon");
        let sink = Sink::file(&scratch.0.join("out"), false).unwrap();
        assert!(sink.write(Bytes::from_static(b"abc")).await);
        sink.abandon().await;
        assert_eq!(scratch.names(), [""; 0]);
    }

    #[tokio::test]
    async fn a_file_that_appears_meanwhile_is_not_replaced() {
        let scratch = Scratch::new("exists");
        let target = scratch.0.join("out");
        let sink = Sink::file(&target, false).unwrap();
        fs::write(&target, b"theirs").unwrap();
        let Err(Failure::Failed(why)) = sink.finish().await else { panic!("must be refused") };
        assert!(why.contains("File exists"), "{why}");
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        assert_eq!(scratch.names(), ["out"]);
        Sink::file(&target, true).unwrap().finish().await.unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
    }

    /// Whoever replaces a file replaces a file: no device, no directory, no link, and no permission.
    #[tokio::test]
    async fn what_a_file_would_replace_is_looked_at_first() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new("look");
        let (target, link) = (scratch.0.join("out"), scratch.0.join("link"));
        let refused = |path: &Path, says: &str| match Sink::file(path, true) {
            Err(Failure::Failed(why)) => assert!(why.contains(says), "{why}"),
            other => panic!("refused, not {other:?}"),
        };
        refused(Path::new("/dev/null"), "no regular file");
        refused(&scratch.0, "Is a directory");
        refused(&scratch.0.join("new/"), "names a directory");
        fs::write(&target, b"theirs").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("out", &link).unwrap();
        let sink = Sink::file(&link, true).unwrap();
        assert!(sink.write(Bytes::from_static(b"ours")).await);
        sink.finish().await.unwrap();
        assert_eq!(scratch.names(), ["link", "out"]);
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"ours");
        assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_not_there_is_said_as_cp_does() {
        let Err(Failure::Failed(why)) = Source::open(Path::new("/nonexistent/x")) else {
            panic!("must fail")
        };
        assert_eq!(why, "/nonexistent/x: No such file or directory");
    }
}
