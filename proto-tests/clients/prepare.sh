#!/usr/bin/env bash
# prepare.sh go|node|python|old|pure|issuer: builds or installs the pinned client of that language outside the checkout, once; or the
# issuer of tokens that they get theirs from.
#
# Progress goes to stderr. The only line on stdout is the command that runs the client, up to its arguments:
#   BOOTSTRAP USER PASSWORD TOPIC GROUP
# or the issuer's: SETTINGS_FILE.
# It is kept under ${DOORKEEPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/doorkeeper}/clients, under a name that changes with its sources.
set -euo pipefail

say() { printf '%s\n' "clients/prepare: $*" >&2; }
die() { say "$*"; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is not installed. On Debian: apt-get install -y $2"; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
language=${1:?a language}
[ -d "$here/$language" ] || die "no client in $language"
sum=$(cat "$here/$language"/* | cksum | cut -d' ' -f1)
home=${DOORKEEPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/doorkeeper}/clients/$language-$sum

build_go() {
    need go golang-go
    (cd "$here/go" && go build -o "$1/client" .) >&2
}

build_node() {
    need npm npm
    cp "$here/node/package.json" "$1/"
    (cd "$1" && npm install --no-audit --no-fund --no-package-lock --ignore-scripts) >&2
    cp "$here/node/client.js" "$1/"
}

build_issuer() {
    need npm npm
    cp "$here"/issuer/* "$1/"
    (cd "$1" && npm ci --no-audit --no-fund --ignore-scripts) >&2
}

build_python() {
    need python3 python3-venv
    python3 -m venv "$1/venv" >&2
    "$1/venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "$here/$language/requirements.txt" >&2
    cp "$here/$language/client.py" "$1/"
}

build_old() { build_python "$1"; }
build_pure() { build_python "$1"; }

mkdir -p "${home%/*}"
# Two callers at once: the second waits for the first and then finds the work done.
exec 9>"${home%/*}/.lock"
if command -v flock >/dev/null; then flock 9; fi
if [ ! -e "$home/.ready" ]; then
    say "building the $language client, once"
    rm -rf "$home"
    mkdir -p "$home"
    "build_$language" "$home"
    touch "$home/.ready"
fi
case $language in
go) echo "$home/client" ;;
node) echo "node $home/client.js" ;;
issuer) echo "node $home/issuer.js" ;;
python | old | pure) echo "$home/venv/bin/python $home/client.py" ;;
esac
