# Sourced by the trials: a fresh Debian 12 in $root, in a folder that goes when the trial ends. As root; needs mmdebstrap.
# shellcheck shell=sh
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
root=$work/root
server=

finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    for place in full dev proc var/lib/panel-gateway/disk var/lib/panel-gateway; do umount "$root/$place" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT
fail() { echo "trial: $1" >&2; exit 1; }
skip() { echo "trial: skipped, $1"; exit 0; }
inside() { chroot "$root" "$@"; }

# fresh PACKAGES: made from the machine's own package sources.
fresh() {
    mkdir "$root"
    mount -t tmpfs none "$root" 2>/dev/null && umount "$root" || skip "no file system can be mounted here"
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        mmdebstrap --quiet --variant=apt --include="$1" bookworm "$root" -
    mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# answers URL LOG: waits until the gateway answers there.
answers() {
    for _ in $(seq 100); do
        curl -sf "$1/healthz" >/dev/null && return
        sleep 0.2
    done
    cat "$2" >&2
    fail "the gateway does not answer"
}
