#!/bin/sh
# The package's life in a fresh Debian: install, serve, upgrade from 0.1.0 with the store kept, a downgrade refused, remove, purge.
# As root; needs mmdebstrap, git, python3-venv, dpkg-dev, binutils and curl; lintian
# is asked where it is there. Some three minutes.
set -eu
. "$(dirname "$0")/fresh.sh"
# The last commit with version 0.1.0.
first=8de40527e21c57edb255e20e0d8e12aaaf2bff89
port=$(free_port)
arch=$(dpkg --print-architecture)

started() {
    chroot --userspec=panel-gateway:panel-gateway "$root" /usr/bin/panel-gateway serve \
        --config /etc/panel-gateway/panel-gateway.toml --host 127.0.0.1 --port $port >"$work/log" 2>&1 &
    server=$!
    answers "http://127.0.0.1:$port" "$work/log"
}
stopped() { kill "$server"; wait "$server" || fail "the gateway ended badly"; server=; }
call() {
    method=$1 path=$2; shift 2
    token=$(curl -sf "http://127.0.0.1:$port/api/v1/login?username=admin&password=$(printf 123456789abc | md5sum | cut -d' ' -f1)" |
        sed 's/.*"token":"\{0,1\} \{0,1\}"\{0,1\}\([^"]*\)".*/\1/')
    curl -sf -X "$method" -H "Authorization: Bearer $token" "http://127.0.0.1:$port$path" "$@"
}

git -C "$top" cat-file -e "$first" || skip "the tree of 0.1.0 is not in this clone: git fetch --unshallow"
mkdir "$work/first" && git -C "$top" archive "$first" | tar -x -C "$work/first"
BUILD=$work TREE=$work/first sh "$here/build.sh" >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; fail "0.1.0 is not built"; }
BUILD=$work sh "$here/build.sh" >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; fail "the package is not built"; }
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$top/pyproject.toml")
if command -v lintian >/dev/null; then
    lintian --allow-root --fail-on error "$work/panel-gateway_${version}_$arch.deb" || fail "lintian finds an error"
fi
fresh python3,adduser,tzdata
cp "$work"/panel-gateway_*.deb "$root/tmp/"

# A power cut in the middle of the first installation, before the service has its user and after that.
program=$root/usr/sbin/adduser
cp "$program" "$program.real"
for does in true '/usr/sbin/adduser.real "$@"'; do
    printf '#!/bin/sh\n%s\nkill -9 $PPID\n' "$does" >"$program"
    if inside dpkg -i "/tmp/panel-gateway_0.1.0_$arch.deb" 2>"$work/said"; then fail "the installation was not cut off"; fi
    ! grep "nothing was changed" "$work/said" || fail "an installation that was cut off cannot be made again"
done
mv "$program.real" "$program"
inside dpkg -i "/tmp/panel-gateway_0.1.0_$arch.deb"
wanted=$root/etc/systemd/system/multi-user.target.wants/panel-gateway.service
[ -L "$wanted" ] || fail "the service does not start with the machine"
rm "$wanted" # as an administrator disables it
printf '123456789abc\n' >"$root/etc/panel-gateway/admin.password"
inside chown root:panel-gateway /etc/panel-gateway/admin.password && chmod 0640 "$root/etc/panel-gateway/admin.password"
started
call POST /api/v1/access/timeprofile/items/link --data '{"list_items": [{"link_id": "91c615e3-1040-4815-8ecb-000000000009",
    "name": "Work week", "time_options": {"is_all_day": false, "date_from": 1793602800, "date_to": 1793635200},
    "repeat_options": {"repeat_enable": false}}]}' | grep -q 000000000009 || fail "0.1.0 takes no request"
stopped

echo 'of_a_newer_release = true' >>"$root/etc/panel-gateway/panel-gateway.toml" # a key that the program in place refuses
inside dpkg --force-confold -i "/tmp/panel-gateway_${version}_$arch.deb"
inside sed -i '/^of_a_newer_release/d' /etc/panel-gateway/panel-gateway.toml
[ -s "$root/var/lib/panel-gateway/of-0.1.0.db" ] || fail "the store was not copied before the upgrade"
[ "$(inside panel-gateway --version)" = "panel-gateway $version" ] || fail "the program was not upgraded"
inside panel-gateway check
[ ! -L "$wanted" ] || fail "the upgrade enabled a service that was disabled"
for page in man/man1/panel-gateway.1.gz bash-completion/completions/panel-gateway zsh/vendor-completions/_panel-gateway \
    fish/vendor_completions.d/panel-gateway.fish doc/panel-gateway/copyright; do
    [ -s "$root/usr/share/$page" ] || fail "there is no /usr/share/$page"
done
started
call GET '/api/v1/access/timeprofile/items/list?page_number=1&limit=10' | grep -q "Work week" || fail "the upgrade lost the store"
stopped

before=$(cksum <"$root/var/lib/panel-gateway/of-0.1.0.db")
inside install -d -o panel-gateway -g panel-gateway /srv/site
inside sh -c 'mv /var/lib/panel-gateway/panel-gateway.db* /srv/site/ &&
    sed -i "s|^path = .*panel-gateway.db.*|path = \"/srv/site/panel-gateway.db\"|" /etc/panel-gateway/panel-gateway.toml'
inside dpkg -i "/tmp/panel-gateway_${version}_$arch.deb"
[ "$(cksum <"$root/var/lib/panel-gateway/of-0.1.0.db")" = "$before" ] || fail "installing it again replaced the older store's copy"

[ -s "$root/var/lib/panel-gateway/of-$version.db" ] || fail "a store at another place was not copied"

# As it is after a power cut in the middle of unpacking, with a program that does not run.
inside sh -c "sed -i '/^Package: panel-gateway$/,/^$/s/^Status: .*/Status: install reinstreq half-installed/' /var/lib/dpkg/status &&
    rm -r /usr/lib/panel-gateway/lib /var/lib/panel-gateway/of-$version.db"
inside dpkg -i "/tmp/panel-gateway_${version}_$arch.deb" || fail "an upgrade that was cut off cannot be made up for"
[ -s "$root/var/lib/panel-gateway/of-$version.db" ] || fail "the store was not copied where the program does not run"

mkdir "$root/full" && mount -t tmpfs -o size=16k none "$root/full"
mv "$root/var/lib/panel-gateway" "$root/var/lib/kept" && ln -s /full "$root/var/lib/panel-gateway"
inside chown panel-gateway /full
if inside dpkg -i "/tmp/panel-gateway_${version}_$arch.deb" 2>"$work/said"; then fail "the store was not copied, and the upgrade went on"; fi
grep -q "could not be copied to .*; nothing was changed" "$work/said" || { cat "$work/said" >&2; fail "the refusal says nothing"; }
[ -z "$(ls "$root/full")" ] || fail "half a copy is left where there is no room"
umount "$root/full" && rm "$root/var/lib/panel-gateway" && mv "$root/var/lib/kept" "$root/var/lib/panel-gateway"

mv "$root/etc/panel-gateway/panel-gateway.toml" "$work/site.toml"
inside dpkg -i "/tmp/panel-gateway_${version}_$arch.deb" || fail "it is not installed where the configuration was deleted"
cp "$work/site.toml" "$root/etc/panel-gateway/panel-gateway.toml"
chmod 0600 "$root/etc/panel-gateway/panel-gateway.toml" && inside chown panel-gateway: /etc/panel-gateway/panel-gateway.toml
inside dpkg -i "/tmp/panel-gateway_${version}_$arch.deb"
[ "$(inside stat -c '%a %U' /etc/panel-gateway/panel-gateway.toml)" = "600 panel-gateway" ] || fail "the administrator's permissions were changed"

if inside dpkg -i "/tmp/panel-gateway_0.1.0_$arch.deb" 2>"$work/said"; then fail "the downgrade was not refused"; fi
grep -q "is installed, and 0.1.0 may not read its store" "$work/said" || { cat "$work/said" >&2; fail "the refusal says nothing"; }
[ "$(inside panel-gateway --version)" = "panel-gateway $version" ] || fail "the refused downgrade left another program"

inside dpkg -r panel-gateway
[ -s "$root/srv/site/panel-gateway.db" ] || fail "removing the package removed the store"
[ -s "$root/var/lib/panel-gateway/of-0.1.0.db" ] || fail "removing the package removed the copies of the store"
rm "$root/var/lib/panel-gateway/of-$version.db"
inside dpkg -i "/tmp/panel-gateway_${version}_$arch.deb"
[ -s "$root/var/lib/panel-gateway/of-$version.db" ] || fail "the store was not copied before a removed package came again"
[ ! -L "$wanted" ] || fail "a removed package that came again enabled a service that was disabled"
inside dpkg -r panel-gateway
disk=$root/var/lib/panel-gateway/disk
mkdir "$disk" && mount -t tmpfs none "$disk" && touch "$disk/theirs"
inside dpkg --purge panel-gateway || fail "it cannot be purged where a disk is mounted below its folder"
[ -e "$disk/theirs" ] || fail "purging emptied a disk that is mounted below the folder of the package"
umount "$disk"
inside dpkg -i "/tmp/panel-gateway_${version}_$arch.deb"
mount -t tmpfs none "$root/var/lib/panel-gateway"
inside dpkg --purge panel-gateway || fail "it cannot be purged where a disk is mounted at its folder"
umount "$root/var/lib/panel-gateway"
inside dpkg -i "/tmp/panel-gateway_${version}_$arch.deb"
inside dpkg --purge panel-gateway
[ -s "$root/srv/site/panel-gateway.db" ] || fail "purging removed a store that the package did not make a place for"
for left in /etc/panel-gateway /etc/systemd/system/panel-gateway.service /var/lib/panel-gateway /usr/lib/panel-gateway /usr/bin/panel-gateway; do
    [ ! -e "$root$left" ] || fail "purge leaves $left"
done
echo "trial: installed, served, upgraded, not downgraded, removed, purged"
