//! `script PATH... [--html FILE]`: runs scripts and shows where they differ from what they say
//! they print; `--html` makes a page of what happened in one. `UPDATE=1` rewrites them. Exit codes:
//! 0 as expected, 1 different, 2 not a script.

use leasehold_trace::{Story, Title};
use leasehold_trace::{note, say};
use leasehold_world::Tracer;
use leasehold_world::script::{Golden, difference};
use std::process::ExitCode;

const USAGE: &str = "usage: script PATH... [--html FILE]   (UPDATE=1 rewrites what the scripts \
                     print; a page is made of one script)";

fn main() -> ExitCode {
    let Some((paths, page)) = arguments(std::env::args().skip(1)) else {
        note!("{USAGE}");
        return ExitCode::from(2);
    };
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let mut worst = 0;
    for path in &paths {
        match run(path, update, paths.len() == 1, page.as_deref()) {
            Ok(as_expected) => worst = worst.max(u8::from(!as_expected)),
            Err(what) => {
                note!("{path}: {what}");
                worst = 2;
            }
        }
    }
    ExitCode::from(worst)
}

/// The scripts, and where their page goes.
fn arguments(words: impl Iterator<Item = String>) -> Option<(Vec<String>, Option<String>)> {
    let (mut paths, mut page) = (Vec::new(), None);
    let mut words = words;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--html" if page.is_none() => page = Some(words.next()?),
            option if option.starts_with("--") => return None,
            _ => paths.push(word),
        }
    }
    let fits = !paths.is_empty() && (page.is_none() || paths.len() == 1);
    fits.then_some((paths, page))
}

fn run(path: &str, update: bool, print: bool, page: Option<&str>) -> Result<bool, String> {
    let script = std::fs::read_to_string(path)
        .map_err(|error| leasehold_trace::renamed::explained(path.as_ref(), error).to_string())?;
    let golden = match page {
        None => Golden::run(&script).map_err(|error| error.to_string())?,
        Some(page) => {
            let ran = Golden::traced(&script).map_err(|error| error.to_string())?;
            let tracer = ran.1.ok_or("a script without a cluster has no page")?;
            write_page(path, &script, tracer, page)?;
            ran.0
        }
    };
    if print {
        say!("{}", golden.text.trim_end_matches('\n'));
    }
    let Some(difference) = difference(&script, &golden.text) else {
        say!("{path}: as expected");
        return Ok(true);
    };
    if update {
        std::fs::write(path, &golden.text).map_err(|error| error.to_string())?;
        say!("{path}: rewritten");
        return Ok(true);
    }
    say!("{path}: {difference}");
    Ok(false)
}

fn write_page(path: &str, script: &str, tracer: Tracer, page: &str) -> Result<(), String> {
    let (trace, mut finding) = tracer.finish();
    let said = |prefix: &str| {
        let line = script.lines().find(|line| line.starts_with(prefix));
        line.map_or("", |line| line[prefix.len()..].trim())
    };
    if let Some(finding) = &mut finding {
        finding.expected = said("# violates") == finding.violation.invariant;
    }
    let comments = script.lines().filter_map(|line| line.strip_prefix("# "));
    let about: Vec<&str> = comments.filter(|line| !line.starts_with("violates")).collect();
    let title = Title {
        scenario: path.to_owned(),
        about: about.join(" "),
        replay: format!("just script {path} --html {page}"),
        ..Title::default()
    };
    let story = Story { title: &title, trace: &trace, finding: finding.as_ref(), window: None };
    let mut html = Vec::new();
    story.write_html(&mut html).map_err(|error| error.to_string())?;
    std::fs::write(page, html).map_err(|error| format!("{page}: {error}"))
}
