#!/usr/bin/env bash
# kafka-configs.sh [FLAGS]: as Kafka's own script of this name, for users, clients and ips; it runs `doorkeeper configs`.
#
# DOORKEEPER_BIN names another binary.
set -euo pipefail

base=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for candidate in "${DOORKEEPER_BIN:-}" "$base/bin/doorkeeper" "${CARGO_TARGET_DIR:-$base/target}/release/doorkeeper"; do
    if [ -n "$candidate" ] && [ -x "$candidate" ]; then exec "$candidate" configs "$@"; fi
done
binary=$(command -v doorkeeper) || {
    echo "There is no doorkeeper binary in $base/target/release, $base/bin or on the PATH. Build it with: make" >&2
    exit 1
}
exec "$binary" configs "$@"
