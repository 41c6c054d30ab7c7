//! Scripts through World: a violation counts for more than another text.

use super::{Bench, Layer, Panic, Verdict, limit, named};
use crate::child::{self, End, Said};
use anyhow::{Context, Result};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What kills a mutant in which a script prints something else, and nothing is violated.
pub const ANOTHER_TEXT: &str = "another text";

/// What kills a mutant in which a script takes too long.
const NO_END: &str = "no end";

/// Runs scripts until one shows a violation. Of what is found a violation comes first, then a panic,
/// then a script that prints something else than it says.
pub fn judge(bench: &Bench<'_>) -> Result<Verdict> {
    let scripts = scripts(&bench.tree.join("scenarios/scripts"))?;
    let mut worst: Option<(u8, Verdict)> = None;
    for (at, path) in scripts.iter().enumerate() {
        let Some((rank, by, says)) = one(bench, path)? else { continue };
        let endless = by == NO_END;
        if worst.as_ref().is_none_or(|(known, _)| rank < *known) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            worst = Some((rank, Verdict::killed(by, format!("{name}: {says}"), at as u64 + 1)));
        }
        // The others would not end either, and nothing is worse than a violation.
        if rank == 0 || endless {
            break;
        }
    }
    Ok(worst.map_or(Verdict::survived(scripts.len() as u64), |(_, verdict)| verdict))
}

fn scripts(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| folder.display().to_string())?;
    let mut scripts = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    scripts.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    scripts.sort();
    Ok(scripts)
}

/// How bad, by what, and in which words.
fn one(bench: &Bench<'_>, path: &Path) -> Result<Option<(u8, String, String)>> {
    let (mut violation, mut panic, mut last) = (None, Panic::default(), String::new());
    let mut command = Command::new(Layer::Scripts.program(bench, "script"));
    let command = bench.set(&mut command).arg(path);
    let end = child::run(command, String::new(), limit(bench), |said| {
        panic.hear(&said);
        let (Said::Out(line) | Said::Err(line)) = said;
        let told = line.trim().strip_prefix("violation: ").map(str::to_owned);
        violation = violation.take().or(told);
        if !line.trim().is_empty() {
            last = line;
        }
        ControlFlow::Continue(())
    })?;
    Ok(match (violation, panic.told(), end) {
        (Some(what), _, _) => Some((0, named(&what), what)),
        (None, Some(what), _) => Some((1, "assertion".to_owned(), what)),
        (None, None, End::Exited(status)) if status.success() => None,
        (None, None, End::Exited(_)) => Some((2, ANOTHER_TEXT.to_owned(), last)),
        (None, None, _) => Some((1, NO_END.to_owned(), "it does not come to an end".to_owned())),
    })
}
