//! Wrong scenarios, and what is answered to each: file, line, key, value, and what would be right.

use super::{Examined, Scenario};

/// A scenario, line by line behind its head; how the answer begins, and what else it says.
type Wrong = (&'static [&'static str], &'static str, &'static [&'static str]);

const HEAD: &str = "about = \"x\"";

const WRONG: &[Wrong] = &[
    // Names.
    (
        &["[shape]", "chnukservers = 5"],
        "x.toml:3: [shape] chnukservers = 5: ",
        &["unknown key", "did you mean `chunkservers`?"],
    ),
    (
        &["[shpae]", "clients = 5"],
        "x.toml:2: shpae: ",
        &["unknown section", "did you mean [shape]?"],
    ),
    (
        &["[shape]", "write = 5"],
        "x.toml:3: [shape] write = 5: ",
        &["`write` belongs to [workload]"],
    ),
    (
        &["[shape]", "seeds_max = 5"],
        "x.toml:3: [shape] seeds_max = 5: ",
        &["belongs to the head of the file"],
    ),
    (
        &["[constants]", "lease_duration = 5"],
        "x.toml:3: [constants] lease_duration = 5: ",
        &["did you mean `lease_duration_ms`?"],
    ),
    (
        &["[rules]", "repairs = false"],
        "x.toml:3: [rules] repairs = false: ",
        &["did you mean `repair`?"],
    ),
    (
        &["[restart]", "parts = 2", "[restart.constants]", "block_byte = 512"],
        "x.toml:5: [restart.constants] block_byte = 512: ",
        &["did you mean `block_bytes`?"],
    ),
    (&["[faults]", "crahs = 1"], "x.toml:3: [faults] crahs = 1: ", &["did you mean `crash`?"]),
    (&["colour = 7"], "x.toml:2: colour = 7: ", &["unknown key", "`sim scenario --keys`"]),
    // Values of another kind.
    (&["constants = 5"], "x.toml:2: [constants] = 5: ", &["must be a section, [constants]"]),
    (&["fault = 5"], "x.toml:2: [[fault]] = 5: ", &["must be a section, [[fault]]"]),
    (
        &["[shape]", "clients = \"four\""],
        "x.toml:3: [shape] clients = \"four\": ",
        &["a whole number", "[least, most]"],
    ),
    (
        &["[shape]", "clients = [1, 2, 3]"],
        "x.toml:3: [shape] clients = [1, 2, 3]: ",
        &["two of them as [least, most]"],
    ),
    (
        &["[shape]", "clients = [4, 2]"],
        "x.toml:3: [shape] clients = [4, 2]: ",
        &["the least, 4, is above the most, 2", "write [2, 4]"],
    ),
    (
        &["[faults]", "gap_ms = [6000, 2000]"],
        "x.toml:3: [faults] gap_ms = [6000, 2000]: ",
        &["is above the most", "write [\"2s\", \"6s\"]"],
    ),
    (
        &["[constants]", "lease_duration_ms = -4"],
        "x.toml:3: [constants] lease_duration_ms = -4: ",
        &["must be from \"0ms\" to \"24h\""],
    ),
    (
        &["[constants]", "lease_duration_ms = \"4 parsecs\""],
        "x.toml:3: [constants] lease_duration_ms = \"4 parsecs\": ",
        &["a duration such as \"500ms\" or \"2s\""],
    ),
    (
        &["[constants]", "lease_duration_ms = 1.5"],
        "x.toml:3: [constants] lease_duration_ms = 1.5: ",
        &["or whole milliseconds"],
    ),
    (
        &["[workload]", "chunk_bytes = \"64K\""],
        "x.toml:3: [workload] chunk_bytes = \"64K\": ",
        &["a size such as \"64KiB\""],
    ),
    (
        &["[network]", "card_bytes_per_second = \"1 Gbit\""],
        "x.toml:3: [network] card_bytes_per_second = \"1 Gbit\": ",
        &["a rate such as \"100MiB/s\""],
    ),
    (
        &["[workload]", "prefill = 1"],
        "x.toml:3: [workload] prefill = 1: ",
        &["must be true or false"],
    ),
    (
        &["[workload]", "order = \"sequental\""],
        "x.toml:3: [workload] order = \"sequental\": ",
        &["\"random\" or \"sequential\"", "did you mean \"sequential\"?"],
    ),
    (
        &["[restart]", "stop = \"kill\""],
        "x.toml:3: [restart] stop = \"kill\": ",
        &["\"power\" or \"process\""],
    ),
    (&["expect = \"I12\""], "x.toml:2: expect = \"I12\": ", &["\"pass\"", "\"I10\""]),
    (
        &["[rules]", "repair = \"no\""],
        "x.toml:3: [rules] repair = \"no\": ",
        &["must be true or false"],
    ),
    (&["[measure]", "begins_ms = 5"], "x.toml:2: [measure] ends_ms: ", &["must be there"]),
    (
        &["swarm = true", "swarm = false"],
        "x.toml:3: swarm = false: ",
        &["no TOML", "duplicate key"],
    ),
    (&["[shape", "clients = 4"], "x.toml:2: [shape: ", &["no TOML"]),
    // Too little, too much.
    (
        &["[acts]", "faults_ms = 9223372036854775807"],
        "x.toml:3: [acts] faults_ms = 9223372036854775807: ",
        &["from \"0ms\" to \"24h\""],
    ),
    (&["[acts]", "faults_ms = \"48h\""], "x.toml:3: [acts] faults_ms = \"48h\": ", &["to \"24h\""]),
    (
        &["[shape]", "chunkservers = [5, 1000000]"],
        "x.toml:3: [shape] chunkservers = [5, 1000000]: ",
        &["from 1 to 1000"],
    ),
    (&["[shape]", "masters = 0"], "x.toml:3: [shape] masters = 0: ", &["from 1 to 5"]),
    (
        &["[faults]", "crash = 4294967295"],
        "x.toml:3: [faults] crash = 4294967295: ",
        &["from 0 to 1000"],
    ),
    (
        &["[network]", "loss_ppm = 1000000"],
        "x.toml:3: [network] loss_ppm = 1000000: ",
        &["from 0 to 900000"],
    ),
    (
        &["[disks]", "capacity_bytes = 0"],
        "x.toml:3: [disks] capacity_bytes = 0: ",
        &["from \"1MiB\" to"],
    ),
    (
        &["[constants]", "operation_timeout_ms = 0"],
        "x.toml:3: [constants] operation_timeout_ms = 0: ",
        &["from \"1ms\" to"],
    ),
    (
        &["[restart]", "parts = 2", "[restart.constants]", "block_bytes = 0"],
        "x.toml:5: [restart.constants] block_bytes = 0: ",
        &["from \"1B\" to \"16MiB\""],
    ),
    // Values that exclude each other.
    (
        &["[constants]", "lease_duration_ms = 900"],
        "x.toml:3: [constants] lease_duration_ms = 900: ",
        &["lease_duration", "must be"],
    ),
    (
        &["[constants]", "server_dead_after_ms = 600"],
        "x.toml:3: [constants] server_dead_after_ms = 600: ",
        &["must be at least two heartbeat_interval", "heartbeat_interval is 500ms"],
    ),
    (
        &["[constants]", "heartbeat_interval_ms = \"4s\""],
        "x.toml:3: [constants] heartbeat_interval_ms = \"4s\": ",
        &["server_dead_after must be at least two heartbeat_interval"],
    ),
    (
        &["[constants]", "block_bytes = 1000"],
        "x.toml:3: [constants] block_bytes = 1000: ",
        &["must be a power of two"],
    ),
    (
        &["[shape]", "chunkservers = 2"],
        "x.toml:3: [shape] chunkservers = 2: ",
        &["write chunkservers = 3, or replicas = 2"],
    ),
    (
        &["[workload]", "replicas = 6"],
        "x.toml:3: [workload] replicas = 6: ",
        &["write chunkservers = 6, or replicas = 5"],
    ),
    (
        &["[workload]", "cell_bytes = 1000"],
        "x.toml:3: [workload] cell_bytes = 1000: ",
        &["1000 does not divide 65536"],
    ),
    (
        &["[workload]", "record_bytes = \"32KiB\""],
        "x.toml:3: [workload] record_bytes = \"32KiB\": ",
        &["at most a quarter of chunk_bytes"],
    ),
    (
        &["[workload]", "write = 0", "append = 0", "read = 0", "relaxed_read = 0", "namespace = 0"],
        "x.toml:3: [workload] write = 0: ",
        &["clients must have something to do"],
    ),
    (&["swarm_masters = 3"], "x.toml:2: swarm_masters = 3: ", &["add `swarm = true`"]),
    (
        &["swarm = true", "swarm_masters = 2"],
        "x.toml:3: swarm_masters = 2: ",
        &["must be 1, 3 or 5"],
    ),
    (
        &["swarm = true", "[shape]", "chunkservers = 7"],
        "x.toml:3: [shape]: ",
        &["has no effect beside `swarm = true`"],
    ),
    (
        &["[measure]", "begins_ms = 7", "ends_ms = 6"],
        "x.toml:3: [measure] begins_ms = 7: ",
        &["must begin before it ends"],
    ),
    (
        &["[measure]", "begins_ms = 7", "ends_ms = \"2min\""],
        "x.toml:4: [measure] ends_ms = \"2min\": ",
        &["within the first act, which is 60000 ms long"],
    ),
    (
        &["[restart.constants]", "lease_margin_ms = 7"],
        "x.toml:2: [restart.constants]: ",
        &["write parts = 2"],
    ),
    (
        &["[restart]", "parts = 2", "[restart.constants]", "block_bytes = 512"],
        "x.toml:5: [restart.constants] block_bytes = 512: ",
        &["must stay 65536"],
    ),
    // What no run can do.
    (
        &["[network]", "uplink_bytes_per_second = 125"],
        "x.toml:3: [network] uplink_bytes_per_second = 125: ",
        &["must be from \"4KiB/s\" to"],
    ),
    (
        &["[network]", "uplink_bytes_per_second = \"8KiB/s\"", "[workload]", "cell_bytes = 65536"],
        "x.toml:3: [network] uplink_bytes_per_second = \"8KiB/s\": ",
        &[
            "a piece of 64KiB takes 8.0 s over an uplink",
            "counts as dead after 5.0 s",
            "write at least",
        ],
    ),
    (
        &["[network]", "latency_us = \"3s\""],
        "x.toml:3: [network] latency_us = \"3s\": ",
        &["a question and its answer take 6.0 s", "member_silent_after"],
    ),
    (
        &["[network]", "loss_ppm = 800000"],
        "x.toml:3: [network] loss_ppm = 800000: ",
        &["80 % are lost", "server_dead_after"],
    ),
    (
        &[
            "[network]",
            "card_bytes_per_second = \"10MB/s\"",
            "[acts]",
            "converge_ms = \"1s\"",
            "[workload]",
            "prefill = true",
            "files = 1000",
        ],
        "x.toml:3: [network] card_bytes_per_second = \"10MB/s\": ",
        &["cannot converge within its limit", "reading 96000KiB back takes 9.8 s"],
    ),
    // Settings without effect.
    (
        &["[workload]", "append = 100", "write = 0", "files = 1"],
        "x.toml:3: [workload] append = 100: ",
        &["would be writes", "write files = 2, or append = 0"],
    ),
    (
        &["[workload]", "files = 1"],
        "x.toml:3: [workload] files = 1: ",
        &["would be writes", "append = 0"],
    ),
    (
        &["[workload]", "append = 0", "record_bytes = 100"],
        "x.toml:4: [workload] record_bytes = 100: ",
        &["has no effect: nothing is appended"],
    ),
    (
        &["[workload]", "torture = \"links\""],
        "x.toml:3: [workload] torture = \"links\": ",
        &["`shared` is 0"],
    ),
    (
        &["[workload]", "look = 5", "[shape]", "clients = 1"],
        "x.toml:3: [workload] look = 5: ",
        &["no other client", "write clients = 2"],
    ),
    (
        &["[workload]", "own_files = true", "hot_permille = 100"],
        "x.toml:4: [workload] hot_permille = 100: ",
        &["leave one of them out"],
    ),
    (
        &["[workload]", "operations_max = 0"],
        "x.toml:3: [workload] operations_max = 0: ",
        &["clients do nothing"],
    ),
    (
        &["[shape]", "racks = 20"],
        "x.toml:3: [shape] racks = 20: ",
        &["more racks than those stay empty", "write racks = 9 or less"],
    ),
    (
        &["[faults]", "master_wipe = 1"],
        "x.toml:3: [faults] master_wipe = 1: ",
        &["write masters = 3"],
    ),
    (
        &["[faults]", "enabled = false", "crash = 3"],
        "x.toml:4: [faults] crash = 3: ",
        &["`enabled` is false"],
    ),
    (
        &["[faults]", "others = false", "crash = 0"],
        "x.toml:3: [faults] others = false: ",
        &["no kind of fault has a weight"],
    ),
    (
        &["[faults]", "gap_ms = \"2min\""],
        "x.toml:3: [faults] gap_ms = \"2min\": ",
        &["no fault ever begins"],
    ),
    (
        &["[restart]", "stop = \"process\""],
        "x.toml:3: [restart] stop = \"process\": ",
        &["write parts = 2"],
    ),
    (
        &["[faults]", "enabled = false", "[demands]", "crashes = 2"],
        "x.toml:5: [demands] crashes = 2: ",
        &["write crashes = 0"],
    ),
    // Faults that cannot happen.
    (
        &[
            "[[plan]]",
            "kind = \"crash\"",
            "begins_ms = 70000",
            "ends_ms = 71000",
            "draw = \"00000000000000ff\"",
        ],
        "x.toml:4: [[plan]] number 1: begins_ms = 70000: ",
        &["never begins: faults are on until 60000 ms"],
    ),
    (
        &[
            "[[plan]]",
            "kind = \"crash\"",
            "begins_ms = 700",
            "ends_ms = 71",
            "draw = \"00000000000000ff\"",
        ],
        "x.toml:5: [[plan]] number 1: ends_ms = 71: ",
        &["at least begins_ms, 700"],
    ),
    (
        &["[[plan]]", "kind = \"crash\"", "begins_ms = 7", "ends_ms = 71"],
        "x.toml:2: [[plan]] number 1: draw: ",
        &["must be there"],
    ),
    (
        &["[[fault]]", "kind = \"rack_power\"", "at = \"80s\"", "lasts = \"3s\"", "rack = 1"],
        "x.toml:4: [[fault]] number 1: at = \"80s\": ",
        &["never begins"],
    ),
    (
        &["[[fault]]", "kind = \"rack_power\"", "at = 8", "lasts = \"3s\"", "rack = 1"],
        "x.toml:4: [[fault]] number 1: at = 8: ",
        &["has no unit", "\"8s\""],
    ),
    (
        &["[[fault]]", "kind = \"rack_power\"", "at = \"8s\"", "lasts = \"3s\"", "rack = 3"],
        "x.toml:6: [[fault]] number 1: rack = 3: ",
        &["no such rack", "from 0 to 2"],
    ),
    (
        &["[[fault]]", "kind = \"rack_powr\"", "at = \"8s\"", "lasts = \"3s\""],
        "x.toml:3: [[fault]] number 1: kind = \"rack_powr\": ",
        &["did you mean \"rack_power\"?"],
    ),
    (
        &[
            "[[fault]]",
            "kind = \"crash\"",
            "at = \"8s\"",
            "lasts = \"3s\"",
            "nodes = [\"chunkserver-9\"]",
        ],
        "x.toml:6: [[fault]] number 1: nodes = [\"chunkserver-9\"]: ",
        &["there is no chunkserver-9", "1 to 8"],
    ),
    (
        &[
            "[[fault]]",
            "kind = \"crash\"",
            "at = \"8s\"",
            "lasts = \"3s\"",
            "nodes = [\"server 1\"]",
        ],
        "x.toml:6: [[fault]] number 1: nodes = [\"server 1\"]: ",
        &["is no node", "chunkserver-1"],
    ),
    (
        &[
            "[[fault]]",
            "kind = \"crash\"",
            "at = \"8s\"",
            "lasts = \"3s\"",
            "nodes = [\"client-1\"]",
        ],
        "x.toml:6: [[fault]] number 1: nodes = [\"client-1\"]: ",
        &["a crash cannot be done to client-1", "chunkserver"],
    ),
    (
        &["[[fault]]", "kind = \"loss\"", "at = \"8s\"", "lasts = \"3s\"", "rack = 1"],
        "x.toml:6: [[fault]] number 1: rack = 1: ",
        &["has no meaning for a loss", "it takes ppm"],
    ),
    (
        &[
            "[[fault]]",
            "kind = \"crash\"",
            "at = \"8s\"",
            "lasts = \"3s\"",
            "primary_of = \"/cells/1\"",
        ],
        "x.toml:6: [[fault]] number 1: primary_of = \"/cells/1\": ",
        &["no such file", "/cells/0, /records/1"],
    ),
    (
        &[
            "[[fault]]",
            "kind = \"crash\"",
            "at = \"8s\"",
            "lasts = \"3s\"",
            "rack = 1",
            "nodes = [\"chunkserver-1\"]",
        ],
        "x.toml:7: [[fault]] number 1: nodes = [\"chunkserver-1\"]: ",
        &["rack and nodes say its nodes twice"],
    ),
    (
        &["[[fault]]", "kind = \"crash\"", "at = \"8s\"", "lasts = \"3s\"", "chunk = 1"],
        "x.toml:6: [[fault]] number 1: chunk = 1: ",
        &["primary_of"],
    ),
    (
        &["[[fault]]", "kind = \"crash\"", "at = \"8s\""],
        "x.toml:2: [[fault]] number 1: ",
        &["must be there", "how long the crash lasts"],
    ),
    (
        &["[[fault]]", "kind = \"rot\"", "at = \"8s\"", "lasts = \"3s\""],
        "x.toml:5: [[fault]] number 1: lasts = \"3s\": ",
        &["a rot has no end", "leave it out"],
    ),
    (
        &["[[fault]]", "kind = \"master_cut\"", "at = \"8s\"", "lasts = \"3s\""],
        "x.toml:3: [[fault]] number 1: kind = \"master_cut\": ",
        &["write masters = 3"],
    ),
];

#[test]
fn each_is_answered_with_file_line_key_value_and_what_would_be_right() {
    assert!(WRONG.len() >= 50, "{}", WRONG.len());
    for (lines, begins, parts) in WRONG {
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

/// Settings that only some seeds read, or that are likely not to be meant: the scenario runs.
const ODD: &[Wrong] = &[
    (&["seeds_max = 5"], "x.toml:2: seeds_max = 5: ", &["`expect`"]),
    (
        &["expect = \"I1\"", "[demands]", "crashes = 1"],
        "x.toml:4: [demands] crashes = 1: ",
        &["demands nothing else"],
    ),
    (
        &[
            "[faults]",
            "others = false",
            "frozen = 1",
            "lasts_ms = 5",
            "[demands]",
            "partitions = 0",
            "crashes = 0",
        ],
        "x.toml:5: [faults] lasts_ms = 5: ",
        &["longer than a lease"],
    ),
    (&["[shape]", "racks = [2, 9]"], "x.toml:3: [shape] racks = [2, 9]: ", &["some hold none"]),
    (&["[shape]", "masters = 2"], "x.toml:3: [shape] masters = 2: ", &["2 masters count as 3"]),
    (
        &["[workload]", "files = [1, 4]"],
        "x.toml:3: [workload] files = [1, 4]: ",
        &["draw one file"],
    ),
    (
        &["[workload]", "look = 4", "namespace = 0"],
        "x.toml:3: [workload] look = 4: ",
        &["looks find nothing"],
    ),
    (
        &["[workload]", "files = 2", "hot_permille = 900"],
        "x.toml:4: [workload] hot_permille = 900: ",
        &["one file of each kind"],
    ),
    (
        &["[faults]", "enabled = false"],
        "x.toml: [demands] crashes: ",
        &["cannot be met", "write crashes = 0"],
    ),
    (
        &["[faults]", "master_cut = 1", "[shape]", "masters = [1, 3]"],
        "x.toml:3: [faults] master_cut = 1: ",
        &["not in seeds that draw one"],
    ),
    (
        &["[clocks]", "drift_ppm = 200000"],
        "x.toml:3: [clocks] drift_ppm = 200000: ",
        &["more than the protocol"],
    ),
    (
        &["[rules]", "repair = false", "[constants]", "repair_delay_ms = 5"],
        "x.toml:5: [constants] repair_delay_ms = 5: ",
        &["[rules] repair is false"],
    ),
    (
        &["[rules]", "vote_is_durable = false"],
        "x.toml:3: [rules] vote_is_durable = false: ",
        &["[shape] masters is 1"],
    ),
    (
        &["[[fault]]", "kind = \"crash\"", "at = \"59s\"", "lasts = \"3s\""],
        "x.toml:5: [[fault]] number 1: lasts = \"3s\": ",
        &["ends with the act of faults"],
    ),
    (
        &[
            "[[fault]]",
            "kind = \"crash\"",
            "at = \"5s\"",
            "lasts = \"3s\"",
            "primary_of = \"/cells/4\"",
        ],
        "x.toml:6: [[fault]] number 1: primary_of = \"/cells/4\": ",
        &["draw fewer"],
    ),
];

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
