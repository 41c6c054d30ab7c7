#!/usr/bin/env bash
# Makes a Debian package: build.sh [--binary FILE] [--version VERSION] [--out DIR]
# Without --binary, it builds the release binary. Prints the package's path.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
binary='' version='' out=$root/target/package
while (($#)); do
    case $1 in
        --binary) binary=$2 ;;
        --version) version=$2 ;;
        --out) out=$2 ;;
        *) echo "build.sh: unknown argument $1; there are --binary, --version and --out" >&2; exit 2 ;;
    esac
    shift 2
done
command -v dpkg-deb >/dev/null || { echo "build.sh: dpkg-deb is needed: apt-get install dpkg" >&2; exit 1; }
if [[ -z $binary ]]; then
    (cd "$root" && cargo build --release --locked -q -p leasehold-cli)
    binary=${CARGO_TARGET_DIR:-$root/target}/release/leasehold
fi
# "leasehold 0.1.0 (commit 0123456789ab, 2026-01-31)": the commit's day orders packages.
words=$("$binary" --version | tr -d '(),')
read -r _ number _ commit day <<<"$words"
version=${version:-$number+git${day//-/}.$commit}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
# Everything below has modes of its own, whatever the umask is.
umask 022
chmod 755 "$tree"
put() { install -D -m "$1" "$2" "$tree/$3"; }
put 755 "$binary" usr/bin/leasehold
strip --strip-unneeded "$tree/usr/bin/leasehold" 2>/dev/null || true
mkdir -p "$tree/usr/sbin"
ln -s ../bin/leasehold "$tree/usr/sbin/mount.leasehold"
put 644 "$here/leasehold-master.service" usr/lib/systemd/system/leasehold-master.service
put 644 "$here/leasehold-chunkserver@.service" usr/lib/systemd/system/leasehold-chunkserver@.service
put 644 "$here/leasehold.sysusers" usr/lib/sysusers.d/leasehold.conf
put 644 "$here/leasehold.tmpfiles" usr/lib/tmpfiles.d/leasehold.conf
put 644 "$here/90-leasehold.conf" usr/lib/sysctl.d/90-leasehold.conf
put 644 "$root/LICENSE" usr/share/doc/leasehold/copyright
put 644 "$here/grafana-dashboard.json" usr/share/leasehold/grafana-dashboard.json
for file in "$here"/examples/*; do
    put 644 "$file" "usr/share/doc/leasehold/examples/${file##*/}"
done
made=$(mktemp -d)
trap 'rm -rf "$tree" "$made"' EXIT
"$binary" docs man "$made/man"
"$binary" docs completions "$made/completions"
for page in "$made"/man/*.1; do
    gzip -9n "$page"
    put 644 "$page.gz" "usr/share/man/man1/${page##*/}.gz"
done
put 644 "$made/completions/leasehold" usr/share/bash-completion/completions/leasehold
put 644 "$made/completions/leasehold.fish" usr/share/fish/vendor_completions.d/leasehold.fish
put 644 "$made/completions/_leasehold" usr/share/zsh/vendor-completions/_leasehold
for script in postinst prerm postrm; do
    put 755 "$here/debian/$script" "DEBIAN/$script"
done
architecture=$(dpkg --print-architecture)
size=$(du -sk --exclude=DEBIAN "$tree" | cut -f1)
sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@SIZE@/$size/" \
    "$here/debian/control" >"$tree/DEBIAN/control"
mkdir -p "$out"
# The same tree gives the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
deb=$out/leasehold_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zgzip --build "$tree" "$deb" >/dev/null
echo "$deb"
