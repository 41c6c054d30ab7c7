//! Every command line, its numbers at their edges.

use super::*;
use clap::CommandFactory;

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn every_command_answers_to_its_own_name() {
    for (line, name) in [
        ("put a /b", "put"),
        ("ls -lh /", "ls"),
        ("mv /a /b /c", "mv"),
        ("fsck --wait 60", "fsck"),
        ("fsck --metadata /d --json", "fsck"),
        ("safe-mode status", "safe-mode"),
        ("safe-mode leave --json", "safe-mode"),
        ("constants", "constants"),
    ] {
        let words = std::iter::once("leasehold").chain(line.split(' '));
        let parsed = Arguments::try_parse_from(words).expect(line);
        assert_eq!(parsed.command.name(), name);
    }
}

#[test]
fn what_cannot_be_is_refused() {
    for line in [
        "",
        "frobnicate",
        "put a",
        "mv /a",
        "rm",
        "safe-mode",
        "put --replicas 0 a /b",
        "put --chunk-size big a /b",
        "ls --timeout 5",
        "fsck --metadata /d --wait 60",
        "master --listen nowhere",
    ] {
        let words = std::iter::once("leasehold").chain(line.split(' '));
        assert!(Arguments::try_parse_from(words).is_err(), "{line:?}");
    }
}

/// Values of every kind of number, at its edges and beyond: each is taken, or refused with a
/// sentence. A new option with a number is tried without another line here.
#[test]
fn every_number_is_taken_or_refused_with_a_reason() {
    let values = [
        "0",
        "1",
        "16",
        "17",
        "255",
        "256",
        "65535",
        "65536",
        "4294967295",
        "4294967296",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "1.5",
        "",
        " ",
        "0s",
        "1ns",
        "584y",
        "213503d",
        "213504d",
        "999999999999999999999d",
        "0B",
        "1B",
        "1TiB",
        "16777215TiB",
        "16777216TiB",
        "9e9",
        "0x10",
    ];
    let mut tried = 0;
    each_command(&mut Arguments::command(), &mut Vec::new(), &mut |words, command| {
        for argument in command.get_arguments() {
            let Some(long) = argument.get_long().filter(|_| takes_number(argument)) else {
                continue;
            };
            for value in values {
                let mut line = words.to_vec();
                line.push(format!("--{long}={value}"));
                line.extend(required(command));
                tried += 1;
                if let Err(refused) = Arguments::try_parse_from(&line) {
                    let why = refused.to_string();
                    assert!(why.contains(long), "{line:?}: {why}");
                }
            }
        }
    });
    assert!(tried > 20 * values.len(), "{tried} lines were tried");
}

/// What no cluster can do is refused before one is asked.
#[test]
fn numbers_that_can_never_work_are_refused() {
    for line in [
        "put a /b --replicas 17",
        "put a /b --chunk-size 0",
        "put a /b --chunk-size 1025GiB",
        "append /b --chunk-size 0",
        "ls --timeout 0s",
        "cluster --chunkservers 0",
        "cluster --base-port 0",
        "cluster --masters 0",
        "master --node 0",
        "master --node 18446744073709551615",
        "chunkserver --capacity 0",
        "server forget x",
        "sweep --older-than 5",
    ] {
        let words = std::iter::once("leasehold").chain(line.split(' '));
        assert!(Arguments::try_parse_from(words).is_err(), "{line:?}");
    }
    for line in [
        "put a /b --replicas 16 --chunk-size 1TiB",
        "put a /b --replicas 1 --chunk-size 1",
        "fsck --wait 18446744073709551615",
        "fsck --wait 0",
        "sweep --older-than 0s",
        "server forget n18446744073709551615 0",
        "cluster --chunkservers 65535 --base-port 1",
    ] {
        let words = std::iter::once("leasehold").chain(line.split(' '));
        assert!(Arguments::try_parse_from(words).is_ok(), "{line:?}");
    }
}

fn takes_number(argument: &clap::Arg) -> bool {
    let names = argument.get_value_names().unwrap_or_default();
    names.iter().any(|name| ["N", "SIZE", "TIME", "PORT"].contains(&name.as_str()))
}

/// Words for what a command does not do without.
fn required(command: &clap::Command) -> Vec<String> {
    let positional = command.get_positionals().filter(|argument| argument.is_required_set());
    positional
        .flat_map(|argument| {
            let least = argument.get_num_args().map_or(1, |range| range.min_values().max(1));
            let word = if argument.get_id() == "servers" { "n1" } else { "/a" };
            let word = if argument.get_id() == "number" { "1" } else { word };
            std::iter::repeat_n(word.to_owned(), least)
        })
        .collect()
}

fn each_command(
    command: &mut clap::Command,
    words: &mut Vec<String>,
    see: &mut impl FnMut(&[String], &clap::Command),
) {
    words.push(command.get_name().to_owned());
    see(words, command);
    for below in command.get_subcommands_mut() {
        each_command(below, words, see);
    }
    words.pop();
}
