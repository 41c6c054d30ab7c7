//! Scenarios with settings that nothing reads, or only some seeds.

use super::Wrong;

/// Scenarios whose values are right one by one, and without effect together, and faults that cannot happen.
pub(super) const WITHOUT_EFFECT: &[Wrong] = &[
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
    (
        &[
            "[[fault]]",
            "kind = \"crash\"",
            "at = \"8s\"",
            "lasts = \"3s\"",
            "nodes = [\"chunkserver-1\", \"chunkserver-1\"]",
        ],
        "x.toml:6: [[fault]] number 1: nodes = [\"chunkserver-1\", \"chunkserver-1\"]: ",
        &["chunkserver-1 is named twice"],
    ),
    (
        &[
            "[[fault]]",
            "kind = \"one_way\"",
            "at = \"8s\"",
            "lasts = \"3s\"",
            "nodes = [\"client-1\"]",
            "others = [\"client-1\"]",
        ],
        "x.toml:7: [[fault]] number 1: others = [\"client-1\"]: ",
        &["client-1 is on both sides of the cut"],
    ),
    (
        &[
            "[shape]",
            "racks = 6",
            "[[fault]]",
            "kind = \"crash\"",
            "at = \"8s\"",
            "lasts = \"3s\"",
            "rack = 0",
        ],
        "x.toml:8: [[fault]] number 1: rack = 0: ",
        &["no chunkserver is in this rack", "modulo 6"],
    ),
];

/// Settings that only some seeds read, or that are likely not to be meant: the scenario runs.
pub(super) const ODD: &[Wrong] = &[
    (
        &["[workload]", "replicas = 1", "[faults]", "rot = 3"],
        "x.toml:5: [faults] rot = 3: ",
        &["the fault budget allows none", "write replicas = 2"],
    ),
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
