#!/usr/bin/env bash
# check.sh: formatting, lints, shell scripts, and what the dependencies bring (licences, sources, advisories).
# Every step runs, also after one has failed; the list at the end says what was found and what was skipped and why.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
read -r -a cargo <<<"${CARGO:-cargo}"
deny_config=.cargo/deny.toml
deny_version=0.20.2
tools=${DOORKEEPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/doorkeeper}/tools
results=()
failed=no

step() {
    local name=$1
    shift
    echo "== $name"
    if "$@"; then results+=("ok       $name"); else results+=("FAILED   $name"); failed=yes; fi
}
skip() { echo "== $1: SKIPPED: $2"; results+=("SKIPPED  $1: $2"); }

# cargo-deny is built once into the cache where it is not installed; that takes some minutes.
find_cargo_deny() {
    PATH=$PATH:$tools/bin
    command -v cargo-deny >/dev/null && return
    echo "== building cargo-deny $deny_version into $tools (once)"
    "${cargo[@]}" install cargo-deny --locked --version "$deny_version" --root "$tools"
}

step "cargo fmt" "${cargo[@]}" fmt --all --check
step "clippy, warnings are errors" "${cargo[@]}" clippy --workspace --all-targets --locked -- -D warnings
if command -v shellcheck >/dev/null; then
    # shellcheck disable=SC2046 # none of our names holds a blank
    step "shellcheck" shellcheck $(git ls-files '*.sh' .ci/run)
else
    skip "shellcheck" "it is not installed"
fi
if find_cargo_deny; then
    step "licences, bans, sources of dependencies" "${cargo[@]}" deny --workspace --all-features --config "$deny_config" check licenses bans sources
    # The advisory database is a git repository on the internet; a build machine often cannot reach it. A copy from an
    # earlier run is used then; without one the step is skipped, and said to be.
    if timeout 60 "${cargo[@]}" deny --workspace --all-features --config "$deny_config" fetch db >/tmp/advisories.$$ 2>&1; then
        step "advisories" "${cargo[@]}" deny --workspace --all-features --config "$deny_config" check advisories
    else
        tail -n 3 /tmp/advisories.$$
        skip "advisories" "the advisory database (github.com/rustsec/advisory-db) cannot be fetched from here"
    fi
    rm -f /tmp/advisories.$$
else
    skip "licences and advisories" "cargo-deny is not installed and could not be built"
fi

printf '\n'
printf '%s\n' "${results[@]}"
[ "$failed" = no ]
