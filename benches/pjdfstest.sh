#!/usr/bin/env bash
# pjdfstest on a mounted cluster of three chunkservers, as the superuser: `just pjdfstest`. With a
# directory as argument, on that directory instead, to compare with another file system.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || { echo "pjdfstest: only the superuser can run it: it changes owners" >&2; exit 2; }
tools=target/tools
[ -x $tools/bin/pjdfstest ] || cargo install --quiet --locked --root $tools pjdfstest

work=$(mktemp -d)
# Other users look names up below it.
chmod 755 "$work"
end() {
    [ -z "${mounted:-}" ] || umount "$mounted" || umount -l "$mounted"
    [ -z "${cluster:-}" ] || kill "$cluster" 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT

cat > "$work/pjdfstest.toml" <<'END'
[features]
posix_fallocate = {}
utime_now = {}
utimensat = {}
rename_ctime = {}
stat_st_birthtime = {}
[settings]
naptime = 0.01
allow_remount = false
expected_failures = []
[dummy_auth]
entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
END

at=${1:-}
if [ -z "$at" ]; then
    cargo build --release --quiet -p leasehold-cli
    leasehold=$PWD/target/release/leasehold
    export LEASEHOLD_MASTER=127.0.0.1:17400
    "$leasehold" cluster --dir "$work/cluster" --base-port 17400 > "$work/cluster.log" 2>&1 &
    cluster=$!
    mkdir "$work/mnt"
    "$leasehold" mount "$work/mnt"
    mounted=$work/mnt
    at=$work/mnt/pjdfstest
fi
mkdir -p "$at"
$tools/bin/pjdfstest -c "$work/pjdfstest.toml" -p "$at"
