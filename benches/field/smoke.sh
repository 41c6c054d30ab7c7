#!/usr/bin/env bash
# The package on three booted hosts of this machine, from nothing to nothing, timed: hosts up, package
# installed, cluster started; put and get by sha256, a chunkserver killed during a put, one cut off one way
# during a put, a rolling restart during a put, an upgrade; logs collected, hosts down.
#   smoke.sh [--package FILE] [-n HOSTS] [--masters N] [--dir DIR]
# Needs root and, from Debian: debootstrap systemd-container openssh-client nftables iproute2.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
hosts=3 masters=1 dir=$root/target/lab package='' out=$root/reports/out/field/smoke
while (($#)); do
    case $1 in
        --package) package=$2 ;;
        -n) hosts=$2 ;;
        --masters) masters=$2 ;;
        --dir) dir=$2 ;;
        *) echo "smoke.sh: unknown argument $1" >&2; exit 2 ;;
    esac
    shift 2
done
field=${FIELD:-$root/target/debug/field}
inventory=$dir/inventory.toml
times=()

step() { # NAME COMMAND...
    local name=$1 begun=$EPOCHREALTIME
    shift
    echo "== $name" >&2
    "$@"
    times+=("$(awk -v a="$begun" -v b="$EPOCHREALTIME" -v n="$name" 'BEGIN{printf "%-34s %6.1f s", n, b-a}')")
}
on() { "$field" exec "$inventory" "$@"; }
fail() { echo "smoke.sh: $*" >&2; exit 1; }

finish() {
    local code=$?
    rm -rf "$unpacked"
    if ((code != 0)) && [[ -f $inventory ]]; then
        "$field" collect "$inventory" --out "$out-failed" || true
    fi
    "$field" lab --dir "$dir" down || true
    exit $code
}

# A put whose second half comes three seconds after its first: what happens meanwhile is in its middle.
slow_put() { # PATH
    on --timeout-s 120 -- "{ head -c 32M /tmp/file; sleep 3; tail -c +33554433 /tmp/file; } | leasehold put - $1"
}
same() { # PATH
    local found
    found=$(on -- "leasehold cat $1 | sha256sum")
    [[ $found == "$sum" ]] || fail "$1 is not what was put: $found instead of $sum"
}
during_put() { # PATH COMMAND...
    local path=$1
    shift
    slow_put "$path" &
    local put=$!
    sleep 1
    "$@"
    wait "$put" || fail "the put of $path failed"
    same "$path"
}
store() {
    on -- "head -c 64M /dev/urandom >/tmp/file"
    sum=$(on -- "sha256sum </tmp/file")
    on -- "leasehold put /tmp/file /first"
    same /first
}
monitored() {
    local said
    said=$(on --host lab-1 -- "bash -c 'exec 3<>/dev/tcp/127.0.0.1/9400; printf \"GET /healthz HTTP/1.1\\r\\n\\r\\n\" >&3; cat <&3'")
    [[ $said == *"200 OK"* ]] || fail "the master is not healthy: $said"
}
killed() { during_put /killed "$field" fault "$inventory" restart --host lab-2; }
cut_one_way() { during_put /cut "$field" fault "$inventory" one-way --host lab-3 --for-s 6; }
rolled() { during_put /rolled "$field" upgrade "$inventory"; }
upgraded() {
    local next
    next=$("$root/benches/field/package/build.sh" --binary "$binary" --out "$dir/next" \
        --version "$(date +9999.%s)")
    "$field" upgrade "$inventory" --package "$next"
}
healthy() { on -- "leasehold fsck --wait 60s | tail -1"; }

if [[ -z $package ]]; then
    package=$("$root/benches/field/package/build.sh" --out "$root/target/package")
fi
unpacked=$(mktemp -d)
dpkg-deb -x "$package" "$unpacked"
binary=$unpacked/usr/bin/leasehold
trap finish EXIT
begun=$EPOCHREALTIME
step 'hosts up' "$field" lab --dir "$dir" up -n "$hosts" --masters "$masters"
step 'check' "$field" check "$inventory"
step 'package and configuration' "$field" put "$inventory" --package "$package"
step 'cluster begun and started' "$field" start "$inventory" --init
step 'put and get 64 MiB' store
step 'healthz' monitored
step 'kill -9 of a server in a put' killed
step 'one-way cut in a put' cut_one_way
step 'rolling restart in a put' rolled
step 'upgrade, host by host' upgraded
step 'fsck' healthy
for path in /first /killed /cut /rolled; do same "$path"; done
step 'status' "$field" status "$inventory"
step 'collect' "$field" collect "$inventory" --out "$out"
step 'wipe' "$field" wipe "$inventory" --id "$(sed -n 's/^id = "\(.*\)"$/\1/p' "$inventory")"
step 'hosts down' "$field" lab --dir "$dir" down
printf '\n'
printf '%s\n' "${times[@]}"
awk -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN{printf "%-34s %6.1f s\n", "all", b-a}'
