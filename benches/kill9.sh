#!/usr/bin/env bash
# A file of random bytes is put on a real cluster and read back while processes are killed with -9:
# one chunkserver during the put, another during the get, then the master during a second put.
# Usage: benches/kill9.sh [MIB] [DIR]      (needs target/release/leasehold, or LEASEHOLD=path)
set -euo pipefail
mib=${1:-2048}
dir=$(mktemp -d "${2:-${TMPDIR:-/tmp}}/kill9.XXXXXX")
lh=${LEASEHOLD:-target/release/leasehold}
base=${BASE_PORT:-17400}
export LEASEHOLD_MASTER=127.0.0.1:$base
declare -A pid

start() { # NAME
  case $1 in
    m) "$lh" master --listen "127.0.0.1:$base" --data-dir "$dir/m" --init-if-missing 2>>"$dir/m.log" & ;;
    *) "$lh" chunkserver --listen "127.0.0.1:$((base + ${1#n}))" --rack "${1#n}" \
         --data-dir "$dir/$1" --init-if-missing 2>>"$dir/$1.log" & ;;
  esac
  pid[$1]=$!
}
slay() { kill -9 "${pid[$1]}"; wait "${pid[$1]}" 2>/dev/null || true; echo "  killed -9 $1"; }
peak() { awk '/VmHWM/ {printf "%d MiB", $2 / 1024}' "/proc/${pid[$1]}/status"; }
finish() { kill "${pid[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"; }
trap finish EXIT

for name in m n1 n2 n3 n4; do start $name; done
sleep 2
head -c "${mib}M" /dev/urandom >"$dir/file"
want=$(sha256sum <"$dir/file")
pause=$(awk -v mib="$mib" 'BEGIN { print mib / 512 }')

echo "put $mib MiB, a chunkserver killed on the way"
SECONDS=0
"$lh" put "$dir/file" /file & put=$!
sleep "$pause"; slay n2
wait $put; echo "  done in $SECONDS s"

echo "get, another chunkserver killed on the way"
SECONDS=0
"$lh" get /file "$dir/back" & get=$!
sleep 1; slay n3
wait $get; echo "  done in $SECONDS s"
[ "$(sha256sum <"$dir/back")" = "$want" ] && echo "  the same sha256"
rm "$dir/back"
for name in n1 n4; do echo "  peak memory of $name: $(peak $name)"; done

start n2; start n3
"$lh" fsck --wait 120

echo "put again, the master killed on the way"
SECONDS=0
"$lh" put "$dir/file" /second && code=0 || code=$? & put=$!
sleep "$pause"; slay m; sleep 2; start m
wait $put && echo "  put resumed, done in $SECONDS s" || echo "  put ended with an error (above)"
"$lh" fsck --wait 120
"$lh" ls -l /
if "$lh" stat /second >/dev/null 2>&1; then
  [ "$("$lh" cat /second | sha256sum)" = "$want" ] && echo "  /second has the same sha256"
fi
[ "$("$lh" cat /file | sha256sum)" = "$want" ] && echo "  /file has the same sha256"
