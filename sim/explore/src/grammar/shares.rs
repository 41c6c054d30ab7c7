//! Which part of the requests were refused, replaced something or were nested: whether a run tried more
//! than what always succeeds.

use super::Request;
use super::files::{DataKind, Files};
use super::names::{Names, depth};
use leasehold_proto::metadata::{MetadataChange, MetadataQuery};
use leasehold_proto::{OpError, Outcome, Refusal};
use std::collections::BTreeMap;
use std::fmt;

/// Counts of requests that ended, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares(BTreeMap<&'static str, u64>);

impl Shares {
    /// What is counted, in order of printing.
    pub const NAMES: &[&str] = &[
        "answered",
        "changes",
        "refused",
        "unknown",
        "replaced",
        "nested",
        "directories moved",
        "pages continued",
        "of inodes",
        "not permitted",
        "of unnamed files",
        "at a chunk's end",
        "beyond a chunk's end",
    ];

    /// Adds what another counted.
    pub fn add(&mut self, other: &Shares) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    /// Takes in counts by name; names that are not counted are passed over.
    pub fn add_counts(&mut self, counts: &BTreeMap<String, u64>) {
        for name in Shares::NAMES {
            *self.0.entry(name).or_default() += counts.get(*name).copied().unwrap_or_default();
        }
    }

    /// By name.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.0
    }

    fn one(&mut self, name: &'static str, counts: bool) {
        *self.0.entry(name).or_default() += u64::from(counts);
    }

    /// Names and files are as they were known before this answer.
    pub(super) fn count(
        &mut self,
        request: &Request,
        result: &Result<Outcome, OpError>,
        names: &Names,
        files: &Files,
    ) {
        let done = result.is_ok();
        self.one("answered", true);
        self.one("refused", matches!(result, Err(OpError::Refused(_))));
        self.one("unknown", matches!(result, Err(error) if error.may_have_effect()));
        self.one("not permitted", is_denied(result));
        match request {
            Request::Change(change) => self.change(change, done, names),
            Request::Query(MetadataQuery::List { after, .. }) => {
                self.one(
                    "pages continued",
                    done && after.as_ref().is_some_and(|a| !a.as_bytes().is_empty()),
                );
            }
            Request::Query(query) => self.one("of inodes", shows_inodes(query)),
            Request::Data(data) => {
                self.one("of unnamed files", files.is_unnamed(data.of.file));
                let end = data.offset.saturating_add(data.length);
                let elsewhere = matches!(data.kind, DataKind::Append | DataKind::Lock { .. });
                let placed = !elsewhere && data.length > 0;
                self.one("at a chunk's end", placed && end == data.of.spec.chunk_bytes);
                self.one("beyond a chunk's end", placed && end > data.of.spec.chunk_bytes);
            }
        }
    }

    fn change(&mut self, change: &MetadataChange, done: bool, names: &Names) {
        self.one("changes", true);
        let nested = |path: &str| depth(path) > 1;
        match change {
            MetadataChange::Create { path, .. }
            | MetadataChange::Mkdir { path, .. }
            | MetadataChange::Delete { path, .. } => {
                self.one("nested", done && nested(&path.to_string()));
            }
            MetadataChange::Rename { from, to, .. } => {
                let (from, to) = (&from.to_string(), &to.to_string());
                let there = names.is_file(to) || names.is_directory(to);
                self.one("nested", done && (nested(from) || nested(to)));
                self.one("replaced", done && there && from != to);
                self.one("directories moved", done && names.is_directory(from) && from != to);
            }
            MetadataChange::MakeSpecial { .. }
            | MetadataChange::Link { .. }
            | MetadataChange::Exchange { .. }
            | MetadataChange::SetAttributes { .. }
            | MetadataChange::SetXattr { .. }
            | MetadataChange::RemoveXattr { .. }
            | MetadataChange::Restore { .. } => self.one("of inodes", true),
            MetadataChange::AddChunk { .. }
            | MetadataChange::Truncate { .. }
            // Locks are drawn as data is, and operators are not drawn here.
            | MetadataChange::BeginSession
            | MetadataChange::Lock { .. }
            | MetadataChange::Unlock { .. }
            | MetadataChange::EmptyTrash { .. }
            | MetadataChange::SetConstants { .. }
            | MetadataChange::ForgetServer { .. } => {}
        }
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |name: &str| self.0.get(name).copied().unwrap_or(0);
        let all = of("answered").max(1);
        write!(f, "{} answered", of("answered"))?;
        for name in &Shares::NAMES[1..] {
            let permille = of(name) * 1_000 / all;
            write!(f, ", {name} {} ({}.{} %)", of(name), permille / 10, permille % 10)?;
        }
        Ok(())
    }
}

fn is_denied(result: &Result<Outcome, OpError>) -> bool {
    let Err(OpError::Refused(refusal)) = result else { return false };
    matches!(refusal, Refusal::PermissionDenied | Refusal::NotPermitted)
}

fn shows_inodes(query: &MetadataQuery) -> bool {
    matches!(
        query,
        MetadataQuery::Resolve { .. }
            | MetadataQuery::ReadLink { .. }
            | MetadataQuery::Xattr { .. }
            | MetadataQuery::Xattrs { .. }
    )
}
