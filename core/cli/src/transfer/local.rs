//! Files at this end: read and written on threads of their own, so that the disk or the pipe and
//! the network work at the same time.

// The person's own files are what these commands are about; nothing of the cluster is here.
#![allow(clippy::disallowed_types)]

use super::partial_name;
use crate::failure::Failure;
use bytes::Bytes;
use leasehold_client::Buffers;
use rustix::fs::{CWD, RenameFlags, renameat_with};
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
    File { partial: PathBuf, target: PathBuf, replace: bool },
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
        let name = target.file_name().ok_or_else(|| {
            Failure::about(target.display(), "names a directory, not a file in it")
        })?;
        if !replace && target.symlink_metadata().is_ok() {
            return Err(exists(target));
        }
        let partial = target.with_file_name(partial_name(&name.to_string_lossy())?);
        let file = File::create_new(&partial)
            .map_err(|error| Failure::about(target.display(), describe(&error)))?;
        let place = Place::File { partial, target: target.to_owned(), replace };
        Ok(Sink::over(target.display().to_string(), file, place))
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
        let Place::File { partial, target, replace } = self.place else {
            return written.map(drop);
        };
        let named = written.and_then(|file| {
            let fail = |error: std::io::Error| Failure::about(target.display(), describe(&error));
            file.sync_all().map_err(fail)?;
            rename(&partial, &target, replace)
        });
        if named.is_err() {
            remove(&partial);
        }
        named
    }

    /// Gives up: what was written goes away.
    pub async fn abandon(self) {
        drop(self.pieces);
        // Its failure does not matter any more; its end does, before the file is removed.
        let _ = self.writer.await;
        if let Place::File { partial, .. } = self.place {
            remove(&partial);
        }
    }
}

fn rename(from: &Path, to: &Path, replace: bool) -> Result<(), Failure> {
    if replace {
        return fs::rename(from, to)
            .map_err(|error| Failure::about(to.display(), describe(&error)));
    }
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::EXIST) => Err(exists(to)),
        other => other.map_err(|error| Failure::about(to.display(), describe(&error.into()))),
    }
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
        assert!(scratch.names()[0].starts_with(".out.partial-"), "{:?}", scratch.names());
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

    #[test]
    fn what_is_not_there_is_said_as_cp_does() {
        let Err(Failure::Failed(why)) = Source::open(Path::new("/nonexistent/x")) else {
            panic!("must fail")
        };
        assert_eq!(why, "/nonexistent/x: No such file or directory");
    }
}
