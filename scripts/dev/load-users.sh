#!/usr/bin/env bash
# load-users.sh [COUNT [MECHANISM]]: how long `doorkeeper configs --file` takes for that many users with passwords (100,000, SCRAM-SHA-256,
# 4096 iterations), into a new store by --store-dir. PBKDF2 is the tool's, on all cores. Then the store is verified and one user described.
# DOORKEEPER_BIN names another doorkeeper than target/release's.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
count=${1:-100000}
mechanism=${2:-SCRAM-SHA-256}
doorkeeper=${DOORKEEPER_BIN:-${CARGO_TARGET_DIR:-target}/release/doorkeeper}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk -v count="$count" -v mechanism="$mechanism" 'BEGIN {
    print "name,mechanism,password"
    for (n = 0; n < count; n++) printf "user-%06d,%s,secret of user %d\n", n, mechanism, n
}' >"$work/users.csv"
echo "load: $(nproc) cores, load average $(cut -d ' ' -f 1 /proc/loadavg) before"
time "$doorkeeper" configs --store-dir "$work/store" --alter --entity-type users --file "$work/users.csv"
"$doorkeeper" store verify --store-dir "$work/store"
"$doorkeeper" configs --store-dir "$work/store" --describe --user user-000000
