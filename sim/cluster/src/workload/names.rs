//! A client in a directory of its own: whatever it does there has one right result.

use crate::ledger::{Ending, Wrong};
use crate::seed::Stream;
use crate::tally::ending;
use leasehold_client::{Client, ClientError, FileSpec};
use std::collections::BTreeSet;

/// I9's sentence.
const NAMESPACE: &str = "metadata operations are linearizable and exactly-once";
/// Files in a directory at the most: more are deleted before others are made.
const FILES_MAX: usize = 12;

/// The directory of a client.
pub fn folder_of(index: u64) -> String {
    format!("/client-{index}")
}

/// One client's directory: what is there for sure, and what may be.
pub struct Names {
    client: Client,
    folder: String,
    spec: FileSpec,
    present: BTreeSet<String>,
    uncertain: BTreeSet<String>,
    made: u64,
}

/// What was done, how it ended, and whether that was right.
type Done = (&'static str, Ending, Result<(), Wrong>);

impl Names {
    /// An empty directory.
    pub fn new(client: Client, index: u64, spec: FileSpec) -> Self {
        let (present, uncertain) = Default::default();
        Names { client, folder: folder_of(index), spec, present, uncertain, made: 0 }
    }

    /// Does one thing.
    pub async fn one(&mut self, stream: &mut Stream) -> Done {
        let chosen = match self.present.len() {
            0 => 0,
            FILES_MAX.. => 2,
            _ => stream.within(0..=3),
        };
        match chosen {
            0 => self.create().await,
            1 => self.rename(stream).await,
            2 => self.delete(stream).await,
            _ => self.list().await,
        }
    }

    async fn create(&mut self) -> Done {
        let name = self.fresh();
        let result = self.client.create(&self.path(&name), self.spec).await;
        let (ending, judged) = self.settle("create", &result, &[], &[&name]);
        if let Ok(file) = result {
            // Something in it, so that a chunk is freed when it is deleted.
            let _ = file.write(0, vec![0x5a; 256]).await;
        }
        ("create", ending, judged)
    }

    async fn rename(&mut self, stream: &mut Stream) -> Done {
        let (from, to) = (self.any(stream), self.fresh());
        let result = self.client.rename(&self.path(&from), &self.path(&to)).await;
        let (ending, judged) = self.settle("rename", &result, &[&from], &[&to]);
        ("rename", ending, judged)
    }

    async fn delete(&mut self, stream: &mut Stream) -> Done {
        let name = self.any(stream);
        let result = self.client.delete(&self.path(&name)).await;
        let (ending, judged) = self.settle("delete", &result, &[&name], &[]);
        ("delete", ending, judged)
    }

    async fn list(&mut self) -> Done {
        let result = self.client.list(&self.folder).await;
        let judged = match &result {
            Ok(entries) => {
                self.judge_list(entries.iter().map(|(name, _)| name.to_string()).collect())
            }
            Err(_) => Ok(()),
        };
        ("list", ending(&result), judged)
    }

    /// Looks into the directory of another client.
    pub async fn look(&self, other: u64) -> Result<(), ClientError> {
        self.client.list(&folder_of(other)).await.map(drop)
    }

    fn judge_list(&self, listed: BTreeSet<String>) -> Result<(), Wrong> {
        let missing: Vec<_> = self.present.difference(&listed).collect();
        let known: BTreeSet<_> = self.present.union(&self.uncertain).cloned().collect();
        let surplus: Vec<_> = listed.difference(&known).collect();
        if missing.is_empty() && surplus.is_empty() {
            return Ok(());
        }
        wrong(format!("{} lacks {missing:?} and has {surplus:?}", self.folder))
    }

    /// Takes in how a change ended. Nobody else works here, so a refusal is wrong.
    fn settle<T>(
        &mut self,
        what: &str,
        result: &Result<T, ClientError>,
        gone: &[&str],
        come: &[&str],
    ) -> (Ending, Result<(), Wrong>) {
        let ending = ending(result);
        let mut judged = Ok(());
        match (ending, result) {
            (Ending::Acknowledged, _) => {
                self.present.retain(|name| !gone.contains(&name.as_str()));
                self.present.extend(come.iter().map(|name| (*name).to_owned()));
            }
            (Ending::Unknown, _) => {
                self.present.retain(|name| !gone.contains(&name.as_str()));
                let both = gone.iter().chain(come);
                self.uncertain.extend(both.map(|name| (*name).to_owned()));
            }
            (Ending::Refused, Err(error)) if error.refusal().is_some() => {
                judged = wrong(format!("{what} of {gone:?} to {come:?} was refused: {error}"));
            }
            (Ending::Refused, _) => {}
        }
        (ending, judged)
    }

    fn fresh(&mut self) -> String {
        self.made += 1;
        format!("f{}", self.made)
    }

    fn any(&self, stream: &mut Stream) -> String {
        let names: Vec<&String> = self.present.iter().collect();
        (*stream.pick(&names)).clone()
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }
}

fn wrong(detail: String) -> Result<(), Wrong> {
    Err(Wrong { invariant: "I9", sentence: NAMESPACE, detail })
}
