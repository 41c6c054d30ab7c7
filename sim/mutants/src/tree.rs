//! The scratch copy that is broken and mended. A file is written only where it differs, so that
//! cargo builds again what a patch touched and nothing else.

use crate::fnv::Fnv;
use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of the project's files under `target/mutants`.
pub struct Tree {
    root: PathBuf,
    folder: PathBuf,
    /// The patch that is applied, if one is.
    broken_by: Option<PathBuf>,
}

/// The top folder of the project.
pub fn root() -> Result<PathBuf> {
    let top = git(Path::new("."), &["rev-parse", "--show-toplevel"])?;
    Ok(PathBuf::from(top.trim_end()))
}

impl Tree {
    /// Makes the copy, or brings an older one up to date.
    pub fn open(root: &Path) -> Result<Self> {
        let mut tree = Tree::at(root, "target/mutants/tree")?;
        tree.mend()?;
        Ok(tree)
    }

    /// A copy in this folder, which is not brought up to date yet.
    pub fn at(root: &Path, folder: &str) -> Result<Self> {
        let (root, folder) = (root.to_owned(), root.join(folder));
        fs::create_dir_all(&folder)?;
        Ok(Tree { root, folder, broken_by: None })
    }

    /// Where the copy is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the copy like the project again: what a patch changed, and what changed since.
    pub fn mend(&mut self) -> Result<()> {
        self.overlay(&BTreeMap::new())
    }

    /// Makes the copy like the project but for these files, which have another text or are new.
    pub fn overlay(&mut self, texts: &BTreeMap<String, String>) -> Result<()> {
        self.broken_by = None;
        let mut files = self.files()?;
        files.extend(texts.keys().cloned());
        for file in &files {
            let (from, to) = (self.root.join(file), self.folder.join(file));
            let bytes = match texts.get(file) {
                Some(text) => text.clone().into_bytes(),
                None => fs::read(&from).with_context(|| from.display().to_string())?,
            };
            if fs::read(&to).ok().as_ref() != Some(&bytes) {
                fs::create_dir_all(to.parent().expect("a file stands in a folder"))?;
                fs::write(&to, bytes).with_context(|| to.display().to_string())?;
            }
        }
        remove_others(&self.folder, &self.folder, &files)
    }

    /// Has the copy be like the project but for this patch, or for none. What is so already is not
    /// touched: a file that is written anew is built anew.
    pub fn set(&mut self, patch: Option<&Path>) -> Result<()> {
        if self.broken_by.as_deref() == patch {
            return Ok(());
        }
        self.mend()?;
        if let Some(patch) = patch {
            self.apply(patch)?;
            self.broken_by = Some(patch.to_owned());
        }
        Ok(())
    }

    /// Applies a patch; an error says that it is not of this tree.
    fn apply(&self, patch: &Path) -> Result<()> {
        // Within a repository git would look for the patch's files at the repository's top.
        let above = self.folder.parent().expect("the copy stands in a folder");
        let applied = Command::new("git")
            .current_dir(&self.folder)
            .env("GIT_CEILING_DIRECTORIES", above)
            .args(["apply", "--whitespace=nowarn"])
            .arg(patch)
            .output()?;
        if !applied.status.success() {
            bail!("the patch does not apply: {}", String::from_utf8_lossy(&applied.stderr).trim());
        }
        Ok(())
    }

    /// 16 hex digits over everything that a verdict may depend on: not the documents, and not the
    /// other mutants.
    pub fn digest(&self) -> Result<String> {
        let mut sum = Sum::default();
        let judged = |file: &&String| {
            let document = file.ends_with(".md") || file.starts_with("reports/");
            !document && !file.starts_with("scenarios/mutants/") && !file.starts_with("sim/mutants")
        };
        for file in self.files()?.iter().filter(judged) {
            sum.add(file.as_bytes());
            sum.add(&fs::read(self.root.join(file))?);
        }
        Ok(sum.hex())
    }

    /// The project's files: those that git knows, and new ones that it does not ignore.
    fn files(&self) -> Result<BTreeSet<String>> {
        let known = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let names = git(&self.root, &known)?;
        let there = names.split('\0').filter(|name| self.root.join(name).is_file());
        Ok(there.map(str::to_owned).collect())
    }
}

fn git(folder: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new("git").current_dir(folder).args(args).output().context("git")?;
    ensure!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Removes what the project has no file for.
fn remove_others(folder: &Path, top: &Path, kept: &BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.strip_prefix(top).expect("found below it").to_string_lossy().into_owned();
        if path.is_dir() {
            remove_others(&path, top, kept)?;
        } else if !kept.contains(&name) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Tells trees and patches apart.
#[derive(Default)]
pub struct Sum(Fnv);

impl Sum {
    /// Adds bytes, and their end.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.add(bytes);
        self.0.add(&(bytes.len() as u64).to_le_bytes());
    }

    /// The sum.
    pub fn value(&self) -> u64 {
        self.0.value()
    }

    /// 16 hex digits.
    pub fn hex(&self) -> String {
        format!("{:016x}", self.0.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "Breaks: a word\n\ndiff --git a/core/a.txt b/core/a.txt\n\
                         --- a/core/a.txt\n+++ b/core/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n";

    /// A repository with one file, and a patch of it.
    fn project() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        git(root, &["init", "-q"]).unwrap();
        fs::create_dir(root.join("core")).unwrap();
        fs::write(root.join("core/a.txt"), "one\ntwo\n").unwrap();
        fs::write(root.join("core/b.txt"), "untouched\n").unwrap();
        fs::write(root.join(".gitignore"), "/target/\n").unwrap();
        fs::write(root.join("a.patch"), PATCH).unwrap();
        let patch = root.join("a.patch");
        (folder, patch)
    }

    #[test]
    fn a_copy_is_broken_and_mended_and_the_rest_keeps_its_time() {
        let (project, patch) = project();
        let mut tree = Tree::open(project.path()).unwrap();
        let folder = tree.folder().to_owned();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let time = |name: &str| fs::metadata(folder.join(name)).unwrap().modified().unwrap();
        let before = time("core/b.txt");
        tree.set(Some(&patch)).unwrap();
        assert_eq!(read("core/a.txt"), "one\nthree\n");
        assert_eq!(fs::read_to_string(project.path().join("core/a.txt")).unwrap(), "one\ntwo\n");
        let broken = time("core/a.txt");
        tree.set(Some(&patch)).unwrap();
        assert_eq!(time("core/a.txt"), broken, "what is broken already is not broken again");
        tree.set(None).unwrap();
        assert_eq!(read("core/a.txt"), "one\ntwo\n");
        assert_eq!(time("core/b.txt"), before);
    }

    #[test]
    fn a_patch_of_another_tree_is_an_error() {
        let (project, patch) = project();
        fs::write(project.path().join("core/a.txt"), "something else\n").unwrap();
        let mut tree = Tree::open(project.path()).unwrap();
        let error = tree.set(Some(&patch)).unwrap_err().to_string();
        assert!(error.starts_with("the patch does not apply"), "{error}");
    }

    #[test]
    fn what_the_project_drops_the_copy_drops() {
        let (project, _) = project();
        let mut tree = Tree::open(project.path()).unwrap();
        let before = tree.digest().unwrap();
        fs::remove_file(project.path().join("core/b.txt")).unwrap();
        tree.mend().unwrap();
        assert!(!tree.folder().join("core/b.txt").exists());
        assert_ne!(tree.digest().unwrap(), before);
    }
}
