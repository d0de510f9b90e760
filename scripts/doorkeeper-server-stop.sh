#!/usr/bin/env bash
# Stops the doorkeeper that `doorkeeper-server-start.sh -daemon` started, and waits until it has finished what is in flight.
set -euo pipefail

base=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
pid_file=${LOG_DIR:-$base/run/log}/doorkeeper.pid
if ! [ -f "$pid_file" ] || ! kill -0 "$(cat "$pid_file")" 2>/dev/null; then
    echo "No doorkeeper server to stop (looked in $pid_file)." >&2
    rm -f "$pid_file"
    exit 1
fi
pid=$(cat "$pid_file")
# A process id can have been given to someone else since.
case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null || ps -o args= -p "$pid") in
*doorkeeper*) ;;
*) echo "Process $pid of $pid_file is not doorkeeper: it is left alone." >&2; exit 1 ;;
esac
kill -TERM "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
rm -f "$pid_file"
echo "doorkeeper (process $pid) has stopped."
