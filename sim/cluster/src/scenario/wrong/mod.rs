//! Wrong scenarios, and what is answered to each: file, line, key, value, and what would be right.

mod effect;
mod table;

use super::{Examined, Scenario};
use effect::{ODD, WITHOUT_EFFECT};
use table::WRONG;

/// A scenario, line by line behind its head; how the answer begins, and what else it says.
type Wrong = (&'static [&'static str], &'static str, &'static [&'static str]);

const HEAD: &str = "about = \"x\"";

#[test]
fn each_is_answered_with_file_line_key_value_and_what_would_be_right() {
    let wrong = || WRONG.iter().chain(WITHOUT_EFFECT);
    assert!(wrong().count() >= 80, "{}", wrong().count());
    for (lines, begins, parts) in wrong() {
        let text = format!("{HEAD}\n{}\n", lines.join("\n"));
        let answer = match Scenario::examine("x.toml", &text) {
            Err(errors) => errors[0].to_string(),
            Ok(_) => panic!("this is taken for right:\n{text}"),
        };
        assert!(answer.starts_with(begins), "wanted {begins}\n   got {answer}");
        for part in *parts {
            assert!(answer.contains(part), "wanted {part}\n   got {answer}");
        }
    }
}

#[test]
fn what_is_odd_is_said_and_no_error() {
    for (lines, begins, parts) in ODD {
        let text = format!("{HEAD}\n{}\n", lines.join("\n"));
        let Examined { warnings, .. } = Scenario::examine("x.toml", &text)
            .unwrap_or_else(|errors| panic!("refused: {}", errors[0]));
        let said = warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let found = warnings.iter().map(ToString::to_string).find(|text| text.starts_with(begins));
        let warning = found.unwrap_or_else(|| panic!("wanted {begins}\n   got {said}"));
        assert!(parts.iter().all(|part| warning.contains(part)), "{warning}");
    }
}

#[test]
fn a_line_says_what_is_wrong_with_a_setting_beside_a_file() {
    let error = |path: &str, value: &str| {
        let change = [(path.to_owned(), value.to_owned())];
        Scenario::standard().with(&change).unwrap_err().to_string()
    };
    assert_eq!(
        error("shape.cleints", "7"),
        "--set shape.cleints=7: [shape] cleints = 7: unknown key; did you mean `clients`?"
    );
    assert!(error("about.x", "7").contains("`about` is not a section"));
    assert!(error("shape.clients", "many").contains("= \"many\": must be a whole number"));
    assert!(error("workload.files", "1").contains("[workload] files = 1: appends need"));
    assert!(error("faults.gap_ms", "[6s, 2s]").contains("write [\"2s\", \"6s\"]"));
    assert!(error("constants.server_dead_after_ms", "300ms").contains("two heartbeat_interval"));
}

#[test]
fn units_are_taken_alike_in_files_and_beside_them() {
    let values = [
        ("constants", "lease_duration_ms", "6s", "6000"),
        ("constants", "lease_duration_ms", "6.5s", "6500"),
        ("faults", "gap_ms", "[500ms, 2s]", "[500, 2000]"),
        ("disks", "sync_us", "1ms", "1000"),
        ("workload", "chunk_bytes", "128KiB", "131072"),
        ("disks", "capacity_bytes", "2GiB", "2147483648"),
        ("network", "uplink_bytes_per_second", "10MiB/s", "10485760"),
        ("disks", "bytes_per_second", "[10MB/s, 20MB/s]", "[10000000, 20000000]"),
    ];
    let plain = Scenario::standard();
    for (section, key, said, number) in values {
        let beside = |value: &str| plain.with(&[(format!("{section}.{key}"), value.to_owned())]);
        let quoted = said.trim_matches(['[', ']']).split(", ").collect::<Vec<_>>().join("\", \"");
        let quoted = match said.starts_with('[') {
            true => format!("[\"{quoted}\"]"),
            false => format!("\"{quoted}\""),
        };
        let number = beside(number).unwrap();
        assert_ne!(number, plain, "{key}");
        assert_eq!(beside(said).unwrap(), number, "{key}");
        assert_eq!(beside(&quoted).unwrap(), number, "{key}");
        let text = format!("about = \"x\"\n[{section}]\n{key} = {quoted}\n");
        let file = Scenario::parse("x.toml", &text).unwrap().to_table();
        assert_eq!(file[section][key], number.to_table()[section][key], "{key}");
    }
}
