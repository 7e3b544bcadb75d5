#!/bin/sh
# The package's life in a fresh Debian: install, serve, upgrade from 0.1.0 with the store kept, a downgrade refused, remove, purge.
# As root; needs mmdebstrap, git, python3-venv, dpkg-dev and curl. Some six minutes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
# The last commit with version 0.1.0.
first=8de40527e21c57edb255e20e0d8e12aaaf2bff89
work=$(mktemp -d)
root=$work/root
port=18473
server=
arch=$(dpkg --print-architecture)

finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    for place in dev proc; do umount "$root/$place" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT
fail() { echo "trial: $1" >&2; exit 1; }
inside() { chroot "$root" "$@"; }
started() {
    chroot --userspec=panel-gateway:panel-gateway "$root" /usr/bin/panel-gateway serve \
        --config /etc/panel-gateway/panel-gateway.toml --host 127.0.0.1 --port $port >"$work/log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        curl -sf "http://127.0.0.1:$port/healthz" >/dev/null && return
        sleep 0.2
    done
    cat "$work/log" >&2
    fail "the gateway does not answer"
}
stopped() { kill "$server"; wait "$server" || fail "the gateway ended badly"; server=; }
call() {
    method=$1 path=$2; shift 2
    token=$(curl -sf "http://127.0.0.1:$port/api/v1/login?username=admin&password=$(printf 123456789abc | md5sum | cut -d' ' -f1)" |
        sed 's/.*"token":"\{0,1\} \{0,1\}"\{0,1\}\([^"]*\)".*/\1/')
    curl -sf -X "$method" -H "Authorization: Bearer $token" "http://127.0.0.1:$port$path" "$@"
}

mkdir "$work/first" && git -C "$top" archive "$first" | tar -x -C "$work/first"
BUILD=$work TREE=$work/first sh "$here/build.sh" >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; fail "0.1.0 is not built"; }
BUILD=$work sh "$here/build.sh" >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; fail "the package is not built"; }
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$top/pyproject.toml")
cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    mmdebstrap --quiet --variant=apt --include=python3,adduser,tzdata bookworm "$root" -
mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev"
cp "$work"/panel-gateway_*.deb "$root/tmp/"

inside dpkg -i "/tmp/panel-gateway_0.1.0_$arch.deb"
printf '123456789abc\n' >"$root/etc/panel-gateway/admin.password"
inside chown root:panel-gateway /etc/panel-gateway/admin.password && chmod 0640 "$root/etc/panel-gateway/admin.password"
started
call POST /api/v1/access/timeprofile/items/link --data '{"list_items": [{"link_id": "91c615e3-1040-4815-8ecb-000000000009",
    "name": "Work week", "time_options": {"is_all_day": false, "date_from": 1793602800, "date_to": 1793635200},
    "repeat_options": {"repeat_enable": false}}]}' | grep -q 000000000009 || fail "0.1.0 takes no request"
stopped

inside dpkg -i "/tmp/panel-gateway_${version}_$arch.deb"
[ -s "$root/var/lib/panel-gateway/of-0.1.0.db" ] || fail "the store was not copied before the upgrade"
[ "$(inside panel-gateway --version)" = "panel-gateway $version" ] || fail "the program was not upgraded"
inside panel-gateway check
[ -s "$root/usr/share/man/man1/panel-gateway.1.gz" ] || fail "there is no manual page"
started
call GET '/api/v1/access/timeprofile/items/list?page_number=1&limit=10' | grep -q "Work week" || fail "the upgrade lost the store"
stopped

before=$(cksum <"$root/var/lib/panel-gateway/of-0.1.0.db")
inside dpkg -i "/tmp/panel-gateway_${version}_$arch.deb"
[ "$(cksum <"$root/var/lib/panel-gateway/of-0.1.0.db")" = "$before" ] || fail "installing it again replaced the older store's copy"

if inside dpkg -i "/tmp/panel-gateway_0.1.0_$arch.deb" 2>"$work/said"; then fail "the downgrade was not refused"; fi
grep -q "is installed, and 0.1.0 may not read its store" "$work/said" || { cat "$work/said" >&2; fail "the refusal says nothing"; }
[ "$(inside panel-gateway --version)" = "panel-gateway $version" ] || fail "the refused downgrade left another program"

inside dpkg -r panel-gateway
[ -s "$root/var/lib/panel-gateway/panel-gateway.db" ] || fail "removing the package removed the store"
inside dpkg --purge panel-gateway
for left in /etc/panel-gateway /var/lib/panel-gateway /usr/lib/panel-gateway /usr/bin/panel-gateway; do
    [ ! -e "$root$left" ] || fail "purge leaves $left"
done
echo "trial: installed, served, upgraded, not downgraded, removed, purged"
