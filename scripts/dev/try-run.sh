#!/usr/bin/env bash
# try-run.sh: starts `make run`, types the commands that it prints exactly as printed, and ends it with Ctrl-C's signal.
# That the newcomer's way works is a test like any other.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
out=$work/out
die() { printf 'try-run: %s\n' "$*" >&2; echo "--- what make run said:" >&2; cat "$out" >&2; exit 1; }

# What a script starts in the background ignores Ctrl-C's signal for good, and so does all that it starts: then the other one.
interrupt=INT
if (((0x$(awk '/^SigIgn:/ { print $2 }' /proc/self/status) & 2) != 0)); then interrupt=TERM; fi

# job control gives the background job a process group of its own, to which the signal can go as from a terminal
set -m
make run >"$out" 2>&1 </dev/null &
run=$!
set +m
# shellcheck disable=SC2317 # called by the trap
finish() {
    kill -"$interrupt" -- "-$run" 2>/dev/null || true
    wait "$run" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

started=$SECONDS
until grep -q '^doorkeeper is ready' "$out"; do
    kill -0 "$run" 2>/dev/null || die "make run ended before it was ready"
    [ $((SECONDS - started)) -lt "${LIMIT:-1800}" ] || die "not ready after ${LIMIT:-1800} s"
    sleep 0.5
done
echo "try-run: ready after $((SECONDS - started)) s"

# the_command WORDS: the indented line that follows the line with these words
the_command() { grep -A 1 "$1" "$out" | sed -n 's/^    //p' | head -n 1; }

produce=$(the_command 'Produce as alice')
consume=$(the_command 'Consume as alice')
wrong=$(the_command 'a wrong password looks like')
if [ -z "$produce" ] || [ -z "$consume" ] || [ -z "$wrong" ]; then die "a command is missing in what was printed"; fi

echo "+ $produce"
bash -c "$produce" || die "producing failed"
echo "+ $consume"
got=$(timeout 60 bash -c "$consume") || die "consuming failed"
echo "$got"
[ "$got" = "hello, doorkeeper" ] || die "consumed '$got' instead of what was produced"
echo "+ $wrong"
if timeout 60 bash -c "$wrong" >"$work/wrong" 2>&1; then die "a wrong password was let in"; fi
cat "$work/wrong"
grep -q 'SaslAuthenticationException: Authentication failed: Invalid username or password' "$work/wrong" ||
    die "a wrong password did not give SaslAuthenticationException: Authentication failed: Invalid username or password"

read -r -a pids <run/pids
kill -"$interrupt" -- "-$run"
started=$SECONDS
wait "$run" || true
trap 'rm -rf "$work"' EXIT
for pid in "${pids[@]}"; do
    if kill -0 "$pid" 2>/dev/null; then die "process $pid outlived Ctrl-C"; fi
done
echo "try-run: both stopped after $((SECONDS - started)) s; all as printed"
