#!/usr/bin/env bash
# Builds the simulator twice: the second time the compiler knows, from runs of the first, which ways
# through the code are taken. What a run does is the same. For long sweeps;
# `MIMALLOC_PURGE_DELAY=-1 target/pgo/sim bench` beside `just bench-sim` says what it is worth.
# Usage: benches/pgo.sh        (needs `rustup component add llvm-tools`); the simulator is target/pgo/sim
set -euo pipefail
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
profdata=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
[ -x "$profdata" ] || { echo "no $profdata: run rustup component add llvm-tools" >&2; exit 1; }
export MIMALLOC_PURGE_DELAY=-1

build() { # TARGET-DIR FLAG
  # With a target named, flags are the program's alone, and not the build scripts'.
  cargo --config "build.rustflags=['--cfg','madsim','$2']" build -q --release --locked \
    --target "$host" --target-dir "$1" -p leasehold-sim --bin sim
}

runs=$PWD/target/pgo/runs
rm -rf "$runs"
mkdir -p "$runs"
echo "building what records its ways" >&2
build target/pgo/recording "-Cprofile-generate=$runs"
echo "recording the ways of 16 seeds" >&2
"target/pgo/recording/$host/release/sim" bench --seeds 8 >/dev/null
"$profdata" merge -o target/pgo/ways.profdata "$runs"
echo "building by them" >&2
build target/pgo/guided "-Cprofile-use=$PWD/target/pgo/ways.profdata"
cp "target/pgo/guided/$host/release/sim" target/pgo/sim
echo "target/pgo/sim"
