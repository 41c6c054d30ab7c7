//! `docs`: man pages and completions, made from the arguments themselves.

use crate::arguments::{Arguments, DocsArguments, DocsKind};
use crate::failure::{Failure, Outcome};
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;

/// `leasehold docs`.
pub fn docs(arguments: &DocsArguments) -> Outcome {
    let DocsArguments { kind, dir } = arguments;
    let fail = |error| Failure::about(dir.display(), error);
    std::fs::create_dir_all(dir).map_err(fail)?;
    match kind {
        DocsKind::Man => man(dir).map_err(fail),
        DocsKind::Completions => completions(dir).map_err(fail),
    }
}

/// `leasehold.1`, and `leasehold-put.1` and so on for the commands that help shows.
fn man(dir: &Path) -> std::io::Result<()> {
    clap_mangen::generate_to(Arguments::command().disable_help_subcommand(true), dir)
}

/// Each under the name by which its shell finds it.
fn completions(dir: &Path) -> std::io::Result<()> {
    for (shell, name) in
        [(Shell::Bash, "leasehold"), (Shell::Fish, "leasehold.fish"), (Shell::Zsh, "_leasehold")]
    {
        let mut file = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), "leasehold", &mut file);
        std::fs::write(dir.join(name), file)?;
    }
    Ok(())
}
