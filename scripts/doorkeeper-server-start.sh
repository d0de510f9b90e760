#!/usr/bin/env bash
# doorkeeper-server-start.sh [-daemon] FILE [--override key=value]...
#
# Runs `doorkeeper serve` in the foreground, or with -daemon in the background: output then goes to
# $LOG_DIR/doorkeeper.out and the process id to $LOG_DIR/doorkeeper.pid (LOG_DIR: run/log of this directory tree).
# DOORKEEPER_BIN names another binary. KAFKA_OPTS=-Djava.security.auth.login.config=FILE is honoured as Kafka does.
set -euo pipefail

usage() {
    echo "usage: $(basename "$0") [-daemon] FILE [--override key=value]..." >&2
    exit 1
}

base=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

find_binary() {
    local candidate
    for candidate in "${DOORKEEPER_BIN:-}" "$base/bin/doorkeeper" "${CARGO_TARGET_DIR:-$base/target}/release/doorkeeper"; do
        if [ -n "$candidate" ] && [ -x "$candidate" ]; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    command -v doorkeeper || {
        echo "There is no doorkeeper binary in $base/target/release, $base/bin or on the PATH. Build it with: make" >&2
        return 1
    }
}

daemon=no
case ${1:-} in
-daemon | --daemon) daemon=yes; shift ;;
esac
[ $# -ge 1 ] || usage
case $1 in -*) usage ;; esac
[ -r "$1" ] || { echo "The configuration file $1 cannot be read." >&2; exit 1; }
binary=$(find_binary)

if [ "$daemon" = no ]; then exec "$binary" serve "$@"; fi

log_dir=${LOG_DIR:-$base/run/log}
mkdir -p "$log_dir"
pid_file=$log_dir/doorkeeper.pid
if [ -f "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null; then
    echo "doorkeeper runs already, as process $(cat "$pid_file") (of $pid_file)." >&2
    exit 1
fi
nohup "$binary" serve "$@" >>"$log_dir/doorkeeper.out" 2>&1 </dev/null &
pid=$!
echo "$pid" >"$pid_file"
# A wrong configuration ends it at once: say so here rather than only in the file.
sleep 0.5
if ! kill -0 "$pid" 2>/dev/null; then
    rm -f "$pid_file"
    echo "doorkeeper did not start. The end of $log_dir/doorkeeper.out:" >&2
    tail -n 20 "$log_dir/doorkeeper.out" >&2
    exit 1
fi
echo "doorkeeper runs as process $pid; it logs to $log_dir/doorkeeper.out; stop it with $base/scripts/doorkeeper-server-stop.sh"
