#!/bin/bash
# Shards of a sweep as a job array of Slurm, one task each: `sbatch scenarios/fleet/slurm-array.sh`, from the
# root of the repository, after `cargo sim --release -- --help` has built the program.
#
#   SEEDS=0..400 SCENARIOS=scenarios/slow sbatch --array=0-3 scenarios/fleet/slurm-array.sh
#
# A single shard once more: `SHARDS=64 sbatch --array=7 scenarios/fleet/slurm-array.sh`.
#SBATCH --job-name=leasehold-sweep
#SBATCH --array=0-63
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=02:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# Slurm opens this file before anything here runs, and makes no folder for it.
#SBATCH --output=sweep-%A-%a.log
set -euo pipefail

sim="${SIM:-target/sim/release/sim}"
out="${OUT:-reports/out}"
shards="${SHARDS:-$SLURM_ARRAY_TASK_COUNT}"

if [ ! -x "$sim" ]; then
    echo "$PWD/$sim: not there; \`cargo sim --release -- --help\` builds it, from the root of the repository" >&2
    exit 2
fi
if [ "$SLURM_ARRAY_TASK_ID" -ge "$shards" ]; then
    echo "task $SLURM_ARRAY_TASK_ID of $shards shards: for a part of an array, SHARDS says how many there are" >&2
    exit 2
fi

mkdir -p "$out"
code=0
"$sim" sweep \
    --seeds "${SEEDS:-0..20000}" \
    --scenario "${SCENARIOS:-scenarios/fast}" \
    --jobs "${SLURM_CPUS_PER_TASK:-1}" \
    --shard "$SLURM_ARRAY_TASK_ID/$shards" \
    --table "$out/sweep-$SLURM_ARRAY_TASK_ID.csv" \
    --resume &
# A signal for the script ends the sweep, and the sweep's exit code is the script's.
trap 'kill -TERM $! 2>/dev/null || true' TERM INT
wait $! || true
wait $! || code=$?

# Low coverage is judged over the whole sweep, when its tables are joined: a shard has few runs of each scenario.
if [ "$code" -eq 3 ]; then code=0; fi
exit "$code"
