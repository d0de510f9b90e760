#!/usr/bin/env bash
# bench.sh [quick|full] [bench's flags]...: gets Kafka and runs the built bench; a full run writes docs/performance.md.
# DOORKEEPER_BIN names another doorkeeper, BENCH_DIR another place for the broker's data (some GB; target/bench).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mode=${1:-full}
[ $# -eq 0 ] || shift
kafka=$(scripts/get-kafka.sh)
# Debian keeps haproxy where only root's PATH looks.
PATH=$PATH:/usr/sbin:/sbin
haproxy=$(command -v haproxy) || { echo "haproxy is not installed" >&2; exit 1; }
# A bench without Envoy is better than none; the report then says so.
envoy=$(scripts/dev/get-envoy.sh) || { echo "Envoy cannot be had: its rows will be missing" >&2; envoy=; }
target=${CARGO_TARGET_DIR:-target}
work=${BENCH_DIR:-$target/bench}
mkdir -p "$work" docs
free_kb=$(df -Pk "$work" | awk 'NR == 2 { print $4 }')
[ "$free_kb" -ge 8000000 ] || { echo "The bench needs 8 GB on the disk of $work; there are $((free_kb / 1000000)) GB." >&2; exit 1; }
exec "$target/release/bench" "$mode" --kafka "$kafka" --doorkeeper "${DOORKEEPER_BIN:-$target/release/doorkeeper}" \
    --haproxy "$haproxy" ${envoy:+--envoy "$envoy"} --work "$work" --write docs/performance.md "$@"
