//! `script PATH...`: runs scripts and shows where they differ from what they say they print.
//! `UPDATE=1` rewrites them. Exit codes: 0 as expected, 1 different, 2 not a script.

use leasehold_world::script::{Golden, difference};
use std::process::ExitCode;

fn main() -> ExitCode {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        eprintln!("usage: script PATH...   (UPDATE=1 rewrites what the scripts print)");
        return ExitCode::from(2);
    }
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let mut worst = 0;
    for path in &paths {
        match run(path, update, paths.len() == 1) {
            Ok(as_expected) => worst = worst.max(u8::from(!as_expected)),
            Err(what) => {
                eprintln!("{path}: {what}");
                worst = 2;
            }
        }
    }
    ExitCode::from(worst)
}

fn run(path: &str, update: bool, print: bool) -> Result<bool, String> {
    let script = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let golden = Golden::run(&script).map_err(|error| error.to_string())?;
    if print {
        print!("{}", golden.text);
    }
    let Some(difference) = difference(&script, &golden.text) else {
        println!("{path}: as expected");
        return Ok(true);
    };
    if update {
        std::fs::write(path, &golden.text).map_err(|error| error.to_string())?;
        println!("{path}: rewritten");
        return Ok(true);
    }
    println!("{path}: {difference}");
    Ok(false)
}
