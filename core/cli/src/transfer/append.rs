//! `append`: records at the end of a file, each once and whole.

use super::local::Source;
use crate::arguments::AppendArguments;
use crate::failure::{Failure, Outcome};
use crate::namespace;
use crate::output::shown;
use crate::path::ClusterPath;
use crate::session::connect;
use bytes::{Bytes, BytesMut};
use leasehold_client::{Client, File, Refusal};
use std::time::Duration;
use tokio::time::Instant;

/// Read at a time when lines are wanted as soon as they are there.
const READ_BYTES: usize = 64 << 10;

/// How often it is looked whether the file is still there.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// `leasehold append`.
pub async fn append(arguments: &AppendArguments) -> Outcome {
    let path = ClusterPath::parse(&arguments.to)?;
    let source = Source::open(&arguments.from)?;
    let client = connect(&arguments.client).await?;
    let file = open(&client, &path, arguments).await?;
    let record_bytes_max = record_bytes_max(&file);
    let mut records = Records::new(arguments.lines, record_bytes_max);
    let mut pieces = if arguments.lines {
        source.while_it_comes(READ_BYTES)
    } else {
        source.pieces(record_bytes_max)
    };
    let mut appended = Appended { number: 0, looked: Instant::now() };
    while let Some(piece) = pieces.recv().await {
        records.push(&piece?);
        while let Some(record) = records.next()? {
            store(&file, record, &mut appended).await?;
        }
    }
    if let Some(record) = records.rest() {
        store(&file, record, &mut appended).await?;
    }
    appended.look(&file).await
}

/// What was acknowledged, and when it was looked last whether the file is still there.
struct Appended {
    number: u64,
    looked: Instant,
}

async fn store(file: &File, record: Bytes, appended: &mut Appended) -> Outcome {
    let (before, number) = (appended.number, appended.number + 1);
    file.append(record).await.map_err(|error| {
        let error = shown(&error.to_string());
        Failure::Failed(format!("{error}; record {number} failed, {before} before it are stored"))
    })?;
    appended.number = number;
    if appended.looked.elapsed() >= LOOK_EVERY {
        appended.look(file).await?;
    }
    Ok(())
}

impl Appended {
    /// A removed file takes records until it is purged, and they go with it: whoever appends is to hear
    /// it at once. One that was renamed is the same file.
    async fn look(&mut self, file: &File) -> Outcome {
        self.looked = Instant::now();
        if self.number > 0 && file.is_removed().await? {
            let why = format!(
                "the file was removed; of the {} records that were appended, the last ones are in the \
                 trash with it",
                self.number
            );
            return Err(Failure::about(shown(file.path()), why));
        }
        Ok(())
    }
}

async fn open(
    client: &Client,
    path: &ClusterPath,
    arguments: &AppendArguments,
) -> Result<File, Failure> {
    if arguments.create {
        if path.wants_directory() {
            return Err(Failure::about(path, "Is a directory"));
        }
        match client.create(path, arguments.spec.into()).await {
            Err(error) if error.refusal() == Some(&Refusal::AlreadyExists) => {}
            other => return Ok(other?),
        }
    }
    namespace::open(client, path).await
}

/// A record fits into one mutation and into a quarter of a chunk.
fn record_bytes_max(file: &File) -> usize {
    usize::try_from(file.record_bytes_max().max(1)).expect("a mutation fits memory")
}

/// Cuts a stream into records: lines, or all of it.
#[derive(Debug)]
struct Records {
    lines: bool,
    bytes_max: usize,
    gathered: BytesMut,
}

impl Records {
    fn new(lines: bool, bytes_max: usize) -> Records {
        Records { lines, bytes_max, gathered: BytesMut::new() }
    }

    fn push(&mut self, data: &[u8]) {
        self.gathered.extend_from_slice(data);
    }

    /// The next record that is complete.
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let feed = || self.gathered.iter().position(|byte| *byte == b'\n');
        let end = if self.lines { feed().map(|at| at + 1) } else { None };
        let longest = end.unwrap_or(self.gathered.len());
        if longest > self.bytes_max {
            let (max, what) = (self.bytes_max, if self.lines { "a line" } else { "the input" });
            let hint = if self.lines { "" } else { "; --lines appends each line as one" };
            let why = format!("{what} is longer than a record may be, {max} bytes{hint}");
            return Err(Failure::Failed(why));
        }
        Ok(end.map(|end| self.gathered.split_to(end).freeze()))
    }

    /// What is left when the stream has ended.
    fn rest(self) -> Option<Bytes> {
        Some(self.gathered.freeze()).filter(|rest| !rest.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(lines: bool, bytes_max: usize, pieces: &[&str]) -> Result<Vec<String>, Failure> {
        let mut records = Records::new(lines, bytes_max);
        let mut all = Vec::new();
        for piece in pieces {
            records.push(piece.as_bytes());
            while let Some(record) = records.next()? {
                all.push(record);
            }
        }
        all.extend(records.rest());
        Ok(all.iter().map(|record| String::from_utf8_lossy(record).into_owned()).collect())
    }

    #[test]
    fn lines_keep_their_feed_and_the_last_may_lack_it() {
        assert_eq!(cut(true, 9, &["a\nb", "c\n\nd"]).unwrap(), ["a\n", "bc\n", "\n", "d"]);
    }

    #[test]
    fn without_lines_all_of_it_is_one_record_or_none() {
        assert_eq!(cut(false, 4, &["a\nb", "c"]).unwrap(), ["a\nbc"]);
        assert!(cut(false, 4, &["abc", "de"]).is_err());
        assert!(cut(false, 4, &[]).unwrap().is_empty());
    }

    #[test]
    fn a_line_too_long_is_refused_before_it_is_cut() {
        assert!(cut(true, 4, &["abcd\n"]).is_err());
        assert!(cut(true, 4, &["ab", "cde"]).is_err());
        assert!(cut(true, 4, &["abc\n"]).is_ok());
    }
}
