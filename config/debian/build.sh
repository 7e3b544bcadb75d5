#!/bin/sh
# Makes build/panel-gateway_VERSION_ARCH.deb from the tree that it lies in: a virtual environment of Debian's own Python, and what belongs
# to it. Needs python3-venv, dpkg-dev and binutils; installs from the package index that pip is set to.
#   TREE=DIR   the source to package, this one where absent; the packaging is always this folder's
set -eu
umask 022 # the service reads what is packaged, whoever builds it
here=$(cd "$(dirname "$0")" && pwd)
tree=${TREE:-$(cd "$here/../.." && pwd)}
units=$here/../systemd
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$tree/pyproject.toml")
arch=$(dpkg --print-architecture)
build=${BUILD:-$(cd "$here/../.." && pwd)/build}
root=$build/debian
program=/usr/lib/panel-gateway

rm -rf "$root" && mkdir -p "$root/DEBIAN" "$root/usr/lib" "$root/usr/bin" "$root/etc/panel-gateway" "$root/usr/lib/systemd/system"
# A copy: what an earlier build left in the tree (build/lib) would be installed, too.
copy=$build/source
rm -rf "$copy" && mkdir -p "$copy"
tar -C "$tree" --exclude=./build --exclude=./.venv --exclude=./.git -c . | tar -C "$copy" -x
/usr/bin/python3 -m venv "$root$program"
"$root$program/bin/pip" install --quiet --disable-pip-version-check --no-compile --constraint "$tree/constraints.txt" "$copy"
rm -rf "$copy"
find "$root$program" -name direct_url.json -delete # it names the folder of the build
"$root$program/bin/pip" uninstall --quiet --yes pip setuptools 2>/dev/null || true
find "$root" -name __pycache__ -type d -prune -exec rm -rf {} +
# Of the programs only the gateway's own; the libraries without what only a debugger reads.
find "$root$program/bin" -type f ! -name panel-gateway -delete
find "$root$program" -name '*.so*' -type f -exec strip --strip-unneeded {} +
grep -rlI "$root$program" "$root$program" | xargs -r sed -i "s|$root$program|$program|g"
ln -s "../lib/panel-gateway/bin/panel-gateway" "$root/usr/bin/panel-gateway"

for unit in "$units"/*.service "$units"/*.timer; do
    sed "s|/opt/panel-gateway/bin/panel-gateway|/usr/bin/panel-gateway|; s|/opt/panel-gateway|$program|" "$unit" \
        >"$root/usr/lib/systemd/system/$(basename "$unit")"
done
install -m 0640 "$tree/config/examples/appliance.toml" "$root/etc/panel-gateway/panel-gateway.toml"
echo /etc/panel-gateway/panel-gateway.toml >"$root/DEBIAN/conffiles"

doc=$root/usr/share/doc/panel-gateway
mkdir -p "$doc"
install -D -m 0644 "$here/lintian-overrides" "$root/usr/share/lintian/overrides/panel-gateway"
{ echo "Upstream: the panel gateway's authors"; echo; cat "$tree/LICENSE"; } >"$doc/copyright"
printf 'panel-gateway (%s) stable; urgency=medium\n\n  * See %s/share/doc/panel-gateway/CHANGELOG.md.\n\n -- %s  %s\n' \
    "$version" "$program" "The panel-gateway authors <maintainers@panel-gateway.invalid>" "$(date -R)" |
    gzip -9n >"$doc/changelog.gz"
run() { PYTHONPATH="$(echo "$root$program"/lib/python3*/site-packages)" /usr/bin/python3 -m gateway "$@"; }
if run manual >"$build/manual" 2>/dev/null; then
    mkdir -p "$root/usr/share/man/man1" && gzip -9nc "$build/manual" >"$root/usr/share/man/man1/panel-gateway.1.gz"
fi
if run completion bash >"$build/completion" 2>/dev/null; then
    install -D -m 0644 "$build/completion" "$root/usr/share/bash-completion/completions/panel-gateway"
    run completion zsh >"$build/completion" && install -D -m 0644 "$build/completion" "$root/usr/share/zsh/vendor-completions/_panel-gateway"
    run completion fish >"$build/completion" && install -D -m 0644 "$build/completion" "$root/usr/share/fish/vendor_completions.d/panel-gateway.fish"
fi
find "$root" -name __pycache__ -type d -prune -exec rm -rf {} +

size=$(du -ks --exclude=DEBIAN "$root" | cut -f1)
sed "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@SIZE@/$size/" "$here/control" >"$root/DEBIAN/control"
for script in preinst postinst prerm postrm; do
    sed "s/@VERSION@/$version/" "$here/$script" >"$root/DEBIAN/$script" && chmod 0755 "$root/DEBIAN/$script"
done
find "$root" -path "$root/DEBIAN" -prune -o -type d -exec chmod 0755 {} +
chmod 0750 "$root/etc/panel-gateway"
dpkg-deb --root-owner-group --build "$root" "$build/panel-gateway_${version}_$arch.deb"
