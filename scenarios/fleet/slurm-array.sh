#!/bin/bash
# 64 shards of a sweep as a job array: sbatch scenarios/fleet/slurm-array.sh, from the root of the
# repository, after `cargo sim --release -- --help` has built the program.
#SBATCH --job-name=leasehold-sweep
#SBATCH --array=0-63
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=02:00:00
#SBATCH --requeue
#SBATCH --output=reports/out/slurm-%A-%a.log
set -euo pipefail

mkdir -p reports/out
exec target/sim/release/sim sweep \
    --seeds "${SEEDS:-0..20000}" \
    --scenario scenarios/fast \
    --jobs "$SLURM_CPUS_PER_TASK" \
    --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
    --table "reports/out/sweep-$SLURM_ARRAY_TASK_ID.csv" \
    --resume
