//! Wrong scenarios: names and values, and what no run can do.

use super::Wrong;

/// What is answered to each.
pub(super) const WRONG: &[Wrong] = &[
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
    (&["expect = \"I13\""], "x.toml:2: expect = \"I13\": ", &["\"pass\"", "\"I10\""]),
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
    (
        &["[workload]", "run_cells = 500"],
        "x.toml:3: [workload] run_cells = 500: ",
        &["a file has 192 cells", "write 192 or less"],
    ),
    (
        &["[demands]", "acknowledged = 100", "[workload]", "think_ms = \"20s\""],
        "x.toml:3: [demands] acknowledged = 100: ",
        &["all clients together do 16 operations"],
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
];
