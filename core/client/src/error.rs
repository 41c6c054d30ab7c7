//! Why a client's call failed.

use leasehold_proto::{OpError, Refusal};

/// A call that failed.
///
/// The text is what a person expects of `cp` and `ls`: `/a/b: No such file or directory`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The cluster answered, or did not answer in time.
    #[error("{path}: {error}{}", also(unreachable))]
    Operation {
        /// The path that the caller named, or by which the file was opened; for a call about no
        /// path, what it was about.
        path: String,
        /// How it ended.
        error: OpError,
        /// If no answer came in time: the nodes that could not be reached when they were tried
        /// last, each with its address and the reason.
        unreachable: Vec<String>,
    },
    /// The session has ended: its driver was stopped.
    #[error("the client session has ended")]
    Closed,
    /// The session could not begin.
    #[error("{what}: {why}")]
    Setup {
        /// What was being set up.
        what: String,
        /// What the operating system or the configuration check said.
        why: String,
    },
}

fn also(unreachable: &[String]) -> String {
    let each = unreachable.iter().map(|node| format!("; {node}"));
    each.collect()
}

impl ClientError {
    pub(crate) fn of(path: &str, error: OpError) -> Self {
        ClientError::Operation { path: path.to_owned(), error, unreachable: Vec::new() }
    }

    /// The refusal for good that ended the operation, if that is how it ended.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            ClientError::Operation { error: OpError::Refused(refusal), .. } => Some(refusal),
            ClientError::Operation {
                error: OpError::TimedOut { .. } | OpError::Partly { .. },
                ..
            }
            | ClientError::Closed
            | ClientError::Setup { .. } => None,
        }
    }

    /// True if the operation may have taken effect although it failed.
    #[must_use]
    pub fn maybe_took_effect(&self) -> bool {
        match self {
            ClientError::Operation { error, .. } => error.may_have_effect(),
            ClientError::Setup { .. } => false,
            ClientError::Closed => true,
        }
    }
}
