# Every command a person types, one line each. `just` alone lists them.

set positional-arguments

# cargo for the simulation: every crate sees `cfg(madsim)`, in a target folder of its own. External
# commands, such as clippy, do not see what stands before their name.
simulation := "--config \"build.rustflags=['--cfg','madsim']\" --config \"build.target-dir='target/sim'\""
simulated := "cargo " + simulation

# List the recipes.
default:
    @{{ just_executable() }} --list --unsorted

# Run a seeded cluster under faults and judge it: `just sim --seed 42`.
sim *ARGS:
    @cargo sim --release -- run "$@"

# List the keys of scenarios (`--keys`), show one as it is resolved (`--show FILE`), say what is wrong (`--check PATH`).
scenario *ARGS:
    @cargo sim --release -- scenario "$@"

# Run a seed that draws everything, shape, constants, workload and faults: `just swarm --seed 42`.
swarm *ARGS:
    @cargo sim --release -- run --swarm "$@"

# Run one seed in two processes and compare fingerprints: `just twice --seed 42`.
twice *ARGS:
    @cargo sim --release -- twice "$@"

# Replay a recorded run's inputs on this build and compare effects: `just sim --seed 7 --record F`, `just replay F`.
replay *ARGS:
    @cargo sim --release -- replay "$@"

# Run many seeds of scenarios on all cores, a row each: `just sweep --seeds 0..500`.
sweep *ARGS:
    @cargo sim --release -- sweep "$@"

# Put the tables of shards together: `just join reports/out/sweep-*.csv -o reports/out/sweep.csv`.
join *ARGS:
    @cargo sim --release -- join "$@"

# Percentiles, intervals and plots of tables: `just figures reports/out/sweep.csv`.
figures *ARGS:
    @cargo sim --release -- report "$@"

# Make the runs behind a report again, from its tables: `just report failover` says "same" or what differs.
report NAME *ARGS:
    #!/usr/bin/env bash
    set -euo pipefail
    shopt -s nullglob
    tables=()
    for table in reports/*"$1"*.csv; do
        case "$table" in *.coverage.csv | *.matrix.csv) ;; *) tables+=("$table") ;; esac
    done
    if [ ${#tables[@]} -eq 0 ]; then
        echo "reports/*$1*.csv: no table; its commands: $(grep -ohE '`just [^`]*`' reports/*"$1"*.md | sort -u | paste -sd ' ')" >&2
        exit 2
    fi
    code=0
    for table in "${tables[@]}"; do
        ended=0
        cargo sim --release -- again "$table" "${@:2}" || ended=$?
        if [ $ended -gt $code ]; then code=$ended; fi
    done
    exit $code

# What differs between two tables, paired by seed: `just compare before.csv after.csv`.
compare *ARGS:
    @cargo sim --release -- compare "$@"

# Make a failing seed small: `just shrink --seed 7 --scenario FILE`.
shrink *ARGS:
    @cargo sim --release -- shrink "$@"

# Does every negative scenario violate the invariant that it names? One row each in reports/out/negatives.csv.
negatives *ARGS:
    @cargo sim --release -- negatives --csv reports/out/negatives.csv "$@"

# How long are clients blocked when the leader of three masters loses power? `just failover --seeds 0..1000`.
failover *ARGS:
    @cargo sim --release -- failover --csv reports/out/failover.csv --svg reports/out/failover.svg "$@"

# A published table beside a formula and a simulation: `just paper gray-cheriton`; `--reduced` within a minute.
paper NAME *ARGS:
    @cargo papers --release -- "$@"

# Every paper, into reports/papers; `--reduced` takes fewer rows and seeds and writes to reports/out/papers.
papers *ARGS:
    @cargo papers --release -- "$@"

# Shrink one failing seed of every negative scenario; the figures go to reports/out/shrink.csv.
shrink-all *ARGS:
    @cargo sim --release -- shrink --all-negative --csv reports/out/shrink.csv "$@"

# Run scripts through World and print what is seen: `just script scenarios/scripts/NAME.txt`; `--html FILE` for a page.
script +PATHS:
    @cargo run -q -p leasehold-world --bin script -- "$@"

# Walk World at random: `just walk --seed 1`; `--targeted-partitions` for walks about leases.
walk *ARGS:
    @cargo run --release -q -p leasehold-world --bin walk -- "$@"

# Find the drift at which two leases overlap, over a grid; CSV and plots in reports/out.
lease-boundary *ARGS:
    @cargo run --release -q -p leasehold-world --bin lease_boundary -- "$@"

# Search every run of the models within their bounds: `just model --size small|medium|large --heal`.
model *ARGS:
    @cargo run --release -q -p leasehold-model --bin model -- "$@"

# Apply one seeded bug at a time, and report which layer detects it: `just mutants --only NAME`.
mutants *ARGS:
    @cargo run -q --profile mutants --target-dir target/mutants/plain -p leasehold-mutants -- "$@"

# The small models: complete, green, and every state of theirs converges once its faults end.
models: && models-red
    @cargo run --release -q -p leasehold-model --bin model -- --heal

# The medium models, within ten minutes: complete and green, and every state of theirs converges.
models-medium *ARGS:
    @cargo run --release -q -p leasehold-model --bin model -- --size medium --heal "$@"

# Every model is red without its rules, by the runs in scenarios/scripts/found.
models-red *ARGS:
    @cargo run --release -q -p leasehold-model --bin model -- --negatives "$@"

# Start one master (or `--masters 3`) and three chunkservers as processes on loopback; Ctrl-C stops them.
cluster *ARGS:
    @cargo run --release -q -p leasehold-cli --bin leasehold -- cluster "$@"

# How fast simulated time passes, and World's random walk; figures go to reports/out.
bench-sim *ARGS:
    @cargo sim --release -- bench --csv reports/out/bench-sim.csv "$@"
    @cargo run --release -q -p leasehold-world --bin walk -- --seeds 200 --csv reports/out/bench-walk.csv

# Build target/pgo/sim, a simulator that the compiler makes with a profile of it, for long sweeps.
sim-pgo:
    @benches/pgo.sh

# Measure put and get beside a bare relay and a bare sender.
bench *ARGS:
    @cargo run --release -q -p leasehold-bench -- "$@"

# Put and get 2 GiB on real processes while some are killed with -9.
kill9 *ARGS:
    @cargo build --release -q -p leasehold-cli
    @benches/kill9.sh "$@"

# POSIX's file-system calls on a mounted cluster, by pjdfstest, as the superuser; `just pjdfstest DIR` on another.
pjdfstest *ARGS:
    @benches/pjdfstest.sh "$@"

# Put 2 GiB and make 1,000 files a second on three masters, while leaders are killed and stopped.
leaders *ARGS:
    @cargo run --release -q -p leasehold-bench -- leaders "$@"

# A Debian package with hardened units, in target/package; `--binary FILE` for one that was built elsewhere.
package *ARGS:
    @benches/field/package/build.sh "$@"

# Hosts on this machine for a trial, as root: `just lab up -n 5`, `just lab down`.
lab *ARGS:
    @cargo run -q -p leasehold-field --bin field -- lab "$@"

# Roll a package out on the hosts of an inventory, and begin a cluster there: `just deploy INVENTORY`.
deploy INVENTORY:
    #!/usr/bin/env bash
    set -euo pipefail
    package=$(benches/field/package/build.sh)
    cargo build -q -p leasehold-field
    target/debug/field check "$1"
    target/debug/field put "$1" --package "$package"
    target/debug/field start "$1" --init

# Any verb for a cluster on machines: `just field status INVENTORY`.
field *ARGS:
    @cargo run -q -p leasehold-field --bin field -- "$@"

# From nothing to nothing on three booted hosts of this machine, as root: package, cluster, faults, upgrade.
field-smoke *ARGS:
    @cargo build -q -p leasehold-field
    @benches/field/smoke.sh "$@"

# Measure the two candidates for CRC-32C.
bench-crc:
    @cargo bench -q -p leasehold-wire --bench crc

# Judge histories of 100,000 operations, and measure how long that takes.
bench-checker:
    @cargo bench -q -p leasehold-checker --bench histories

# All tests, those under simulation included.
test: && sim-test
    cargo test --workspace

# The tests that take minutes, and are left out of the others: crashes in 400 workloads.
test-long:
    cargo test --release -p leasehold-store --test it -- --ignored

# The tests that need the simulation.
sim-test:
    {{ simulated }} test -p leasehold-sim -p leasehold-papers

# The dependency arrows of ARCHITECTURE.md against the manifests.
arrows:
    cargo test -q -p leasehold-cli --test arrows

# Everything that must be green before a commit. Writes nothing but target/.
check: fmt-check clippy docs test models

# Is everything formatted?
fmt-check:
    cargo fmt --all --check

# Lints, in both builds.
clippy:
    cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo clippy {{ simulation }} --locked -p leasehold-sim -p leasehold-papers --all-targets -- -D warnings

# Documentation builds and its links lead somewhere.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked -q --workspace --no-deps

# Format, and fix what clippy can. This is the recipe that writes.
fix:
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
    cargo fmt --all

# Rewrite the goldens; read the diff before you commit it.
bless:
    UPDATE=1 cargo test -q -p leasehold-wire -p leasehold-world -p leasehold-model
    UPDATE=1 cargo test -q -p leasehold-sim --lib the_page_of_keys

# Licences, advisories and doubled dependencies; needs `cargo install cargo-deny`.
deny:
    cargo deny check
