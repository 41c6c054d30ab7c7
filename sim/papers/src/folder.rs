//! A paper's folder: everything that is known before the run.

use crate::claim::{self, Claim};
use crate::published::{self, Published};
use anyhow::{Context, Result};
use leasehold_sim::scenario::Scenario;
use std::path::{Path, PathBuf};

/// `scenarios/papers/NAME`.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// `published.csv`.
    pub published: Vec<Published>,
    /// `claim.toml`.
    pub claim: Claim,
    /// `scenario.toml`, where a cluster is simulated.
    pub scenario: Option<Scenario>,
    /// `notes.md`: how to read the result, discrepancies, limits.
    pub notes: String,
}

impl Folder {
    /// Reads one.
    ///
    /// # Errors
    /// Names the file that is missing or wrong.
    pub fn read(path: &Path) -> Result<Self> {
        let text = |name: &str| {
            let file = path.join(name);
            std::fs::read_to_string(&file).with_context(|| file.display().to_string())
        };
        let named = || path.display().to_string();
        let scenario = path.join("scenario.toml");
        let scenario = match scenario.exists() {
            true => {
                let name = scenario.display().to_string();
                Some(Scenario::parse(&name, &text("scenario.toml")?)?)
            }
            false => None,
        };
        Ok(Folder {
            path: path.to_owned(),
            published: published::parse(&text("published.csv")?).with_context(named)?,
            claim: claim::parse(&text("claim.toml")?).with_context(named)?,
            scenario,
            notes: text("notes.md")?,
        })
    }
}
