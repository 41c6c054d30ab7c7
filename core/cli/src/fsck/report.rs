//! What fsck found, for people and for programs.

use super::problem::Problem;
use crate::path::ClusterPath;
use crate::sweep::Unfinished;
use crate::units::human_size;
use leasehold_client::ChunkStatus;
use leasehold_proto::{ChunkHandle, FileId};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One problem of one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which chunk.
    pub chunk: ChunkHandle,
    /// Of which file.
    pub file: FileId,
    /// Its place in it.
    pub index: u64,
    /// What is wrong.
    pub problem: Problem,
}

impl Finding {
    /// A problem of `chunk`.
    pub fn new(chunk: &ChunkStatus, problem: Problem) -> Finding {
        Finding { chunk: chunk.chunk, file: chunk.file, index: chunk.index, problem }
    }
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every chunk that the master knows.
    pub chunks: Vec<ChunkStatus>,
    /// Paths of the files outside the trash.
    pub paths: BTreeMap<FileId, ClusterPath>,
    /// Directories that could not be listed, and why.
    pub unlisted: Vec<(ClusterPath, String)>,
    /// Files that puts have begun and not finished, or left. They are no fault of the chunks.
    pub unfinished: Vec<Unfinished>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The master met chunks that its log does not know.
    pub alarm: bool,
    /// Replicas read in full.
    pub replicas_read: u64,
    /// Their bytes.
    pub bytes_read: u64,
}

fn unfinished_json(file: &Unfinished) -> Value {
    json!({
        "path": file.path.text(),
        "file": file.info.file.0,
        "host": file.owner.as_ref().map(|owner| owner.host.as_str()),
        "pid": file.owner.as_ref().map(|owner| owner.pid),
        "age_s": file.age().as_secs(),
        "length_reported": file.info.length_reported,
    })
}

impl Report {
    /// True if nothing is wrong.
    pub fn is_healthy(&self) -> bool {
        self.findings.is_empty() && self.unlisted.is_empty() && !self.alarm
    }

    fn path(&self, file: FileId) -> String {
        self.paths.get(&file).map_or_else(|| format!("(trash) {file}"), ToString::to_string)
    }

    /// For people: what is wrong, then one word.
    pub fn page(&self) -> String {
        let mut lines = Vec::new();
        if self.alarm {
            lines.push("ALARM: chunkservers know of what this master's log never did".into());
        }
        lines.extend(self.findings.iter().map(|finding| {
            let path = self.path(finding.file);
            format!("{path} chunk {} ({}): {}", finding.index, finding.chunk, finding.problem)
        }));
        let unlisted = self.unlisted.iter();
        lines.extend(unlisted.map(|(path, why)| format!("{path} cannot be listed: {why}")));
        let unfinished = self.unfinished.iter();
        lines.extend(unfinished.map(|file| format!("{}: unfinished, {}", file.path, file.what())));
        if !self.unfinished.is_empty() {
            lines.push("`leasehold sweep` removes unfinished files that are a day old".to_owned());
        }
        let read = format!("{} replicas read, {}", self.replicas_read, human_size(self.bytes_read));
        let verdict = if self.is_healthy() {
            "HEALTHY".to_owned()
        } else {
            let listing = self.unlisted.len();
            let problems = self.findings.len() + listing + usize::from(self.alarm);
            format!("NOT HEALTHY: {problems} problem{}", if problems == 1 { "" } else { "s" })
        };
        lines.push(format!("{} chunks, {read}", self.chunks.len()));
        lines.push(verdict);
        lines.join("\n")
    }

    /// For programs.
    pub fn json(&self) -> String {
        let finding = |finding: &Finding| {
            json!({
                "chunk": finding.chunk.0,
                "file": finding.file.0,
                "path": self.paths.get(&finding.file).map(ClusterPath::text),
                "index": finding.index,
                "server": finding.problem.node().map(|node| node.to_string()),
                "problem": finding.problem.kind(),
                "what": finding.problem.to_string(),
            })
        };
        let page = json!({
            "healthy": self.is_healthy(),
            "alarm": self.alarm,
            "replicas_read": self.replicas_read,
            "bytes_read": self.bytes_read,
            "unlisted": self.unlisted.iter().map(|(path, why)| {
                json!({ "path": path.text(), "what": why })
            }).collect::<Vec<_>>(),
            "unfinished": self.unfinished.iter().map(unfinished_json).collect::<Vec<_>>(),
            "problems": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "chunks": self.chunks.iter().map(|chunk| self.chunk_json(chunk)).collect::<Vec<_>>(),
        });
        serde_json::to_string_pretty(&page).expect("numbers and strings")
    }

    fn chunk_json(&self, chunk: &ChunkStatus) -> Value {
        let replicas = chunk.replicas.iter().map(|replica| {
            json!({
                "server": replica.node.to_string(),
                "member": replica.member,
                "alive": replica.alive,
                "corrupt": replica.corrupt,
                "version": replica.applied_version.0,
                "length": replica.length,
            })
        });
        json!({
            "chunk": chunk.chunk.0,
            "file": chunk.file.0,
            "path": self.paths.get(&chunk.file).map(ClusterPath::text),
            "index": chunk.index,
            "version": chunk.version.0,
            "primary": chunk.primary.map(|node| node.to_string()),
            "leased": chunk.leased,
            "target": chunk.target,
            "replicas": replicas.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::NodeId;

    fn unwell() -> Report {
        let problem = Problem::Silent(NodeId(0xab));
        Report {
            paths: [(FileId(2), ClusterPath::parse("/a/b").unwrap())].into(),
            findings: vec![
                Finding { chunk: ChunkHandle(7), file: FileId(2), index: 3, problem },
                Finding {
                    chunk: ChunkHandle(8),
                    file: FileId(9),
                    index: 0,
                    problem: Problem::Unavailable,
                },
            ],
            ..Report::default()
        }
    }

    #[test]
    fn nothing_wrong_is_one_word() {
        let report = Report::default();
        assert!(report.page().ends_with("\nHEALTHY"), "{}", report.page());
    }

    #[test]
    fn a_finding_names_path_chunk_and_server() {
        let page = unwell().page();
        assert!(page.starts_with("/a/b chunk 3 (c7): n171: server silent\n"), "{page}");
        assert!(page.contains("(trash) f9 chunk 0 (c8): no good replica is heard"), "{page}");
        assert!(page.ends_with("NOT HEALTHY: 2 problems"), "{page}");
    }

    #[test]
    fn an_alarm_alone_is_not_healthy() {
        let report = Report { alarm: true, ..Report::default() };
        assert!(!report.is_healthy());
        assert!(report.page().ends_with("NOT HEALTHY: 1 problem"), "{}", report.page());
    }

    #[test]
    fn json_says_the_same() {
        let json: Value = serde_json::from_str(&unwell().json()).unwrap();
        assert_eq!(json["healthy"], false);
        assert_eq!(json["problems"][0]["path"], "/a/b");
        assert_eq!(json["problems"][0]["problem"], "silent");
        assert!(json["problems"][1]["path"].is_null());
    }
}
