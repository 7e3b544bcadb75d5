#!/bin/sh
# Installs, upgrades, takes back and removes by hand in a fresh Debian, line by line as config/README.md says, as an administrator with sudo.
# As root; needs mmdebstrap, git, curl and what pip needs to download. Some three minutes.
set -eu
. "$(dirname "$0")/fresh.sh"
line=0

fresh python3,sudo,systemd,adduser,passwd,tzdata
/usr/bin/python3 -m venv "$work/pip"
mkdir "$root/packages" && cp -r "$top" "$work/tree" && rm -rf "$work/tree/.venv" "$work/tree/build"
"$work/pip/bin/pip" download --quiet --disable-pip-version-check --constraint "$top/constraints.txt" --dest "$root/packages" "$work/tree" setuptools wheel
rm -f "$root"/packages/panel_gateway-*
printf '[global]\nno-index = true\nfind-links = /packages\n' >"$root/etc/pip.conf"
inside useradd --create-home --shell /bin/sh admin
# Of systemd only its files are there: what is to start and stop is passed over, what is to be enabled is enabled.
printf 'admin ALL=(ALL) NOPASSWD: ALL\nDefaults env_keep += "SYSTEMD_OFFLINE"\n' >"$root/etc/sudoers.d/admin"
echo "127.0.0.1 $(hostname)" >>"$root/etc/hosts"
mv "$work/tree" "$root/home/admin/panel-gateway" && inside chown -R admin:admin /home/admin
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"

# The lines of the shell blocks below a heading of config/README.md.
lines() { awk -v heading="$1" '/^#/ { here = ($0 == heading) } /^```/ { block = here && !block; next } here && block' "$top/config/README.md"; }
# What a person at a terminal adds: a password, an editor, the day of the copy.
run() {
    lines "$1" >"$work/lines" && [ -s "$work/lines" ] || fail "config/README.md has no lines below $1"
    while IFS= read -r line; do
        echo "+ $line"
        line=$(printf '%s' "$line" | sed "s/of-DATE/of-$(date +%F)/")
        printf '123456789abc\n' | inside su admin -c "cd ~/panel-gateway && export EDITOR=true DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 && set -e && $line" \
            >"$work/said" 2>&1 || { cat "$work/said" >&2; fail "this line of config/README.md fails: $line"; }
    done <"$work/lines"
}
serves() {
    port=$(free_port)
    chroot --userspec=panel-gateway:panel-gateway "$root" /opt/panel-gateway/bin/panel-gateway serve \
        --config /etc/panel-gateway/panel-gateway.toml --host 127.0.0.1 --port "$port" >"$work/log" 2>&1 &
    server=$!
    answers "http://127.0.0.1:$port" "$work/log"
    curl -sf -u admin:123456789abc "http://127.0.0.1:$port/gateway/v1/panels" | grep -q '"panels"' || fail "it takes no request"
    kill "$server"; wait "$server" || fail "the gateway ended badly"; server=
}

run "### By hand"
[ -L "$root/etc/systemd/system/multi-user.target.wants/panel-gateway.service" ] || fail "the service does not start with the machine"
serves
run "### Upgrading by hand"
serves
run "### Going back by hand"
serves
run "### Removing by hand"
for left in /opt/panel-gateway /etc/panel-gateway /var/lib/panel-gateway /etc/systemd/system/panel-gateway.service; do
    [ ! -e "$root$left" ] || fail "removing by hand leaves $left"
done
! inside getent passwd panel-gateway >/dev/null || fail "removing by hand leaves the user"
echo "trial: installed, served, upgraded, taken back and removed by hand"
