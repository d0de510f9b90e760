#!/usr/bin/env bash
# run.sh: a Kafka broker on loopback and doorkeeper before it, until Ctrl-C. `make run` builds first and then comes here.
#
#   BACKEND=host:port[,host:port]  use the cluster that is there instead of starting a broker; downloads nothing
#   CONFIG=FILE                    doorkeeper's configuration (etc/server.properties)
#   KAFKA_PORT=N                   the broker's port (9092; its controller takes the next one)
#
# Everything that is written goes to run/: the broker's data, the logs, and a link "kafka" to the distribution in the cache.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
config=${CONFIG:-etc/server.properties}
kafka_port=${KAFKA_PORT:-9092}
binary=${DOORKEEPER_BIN:-${CARGO_TARGET_DIR:-target}/release/doorkeeper}
# The listener's address is the configuration's: the first entry of `listeners`.
listener=$(sed -n 's/^[[:space:]]*listeners[[:space:]]*[=:][[:space:]]*[A-Za-z0-9_]*:\/\/\([^,[:space:]]*\).*/\1/p' "$config" | tail -n 1)
listener_port=${listener##*:}
front=${listener%:*}
front=${front:-127.0.0.1}:$listener_port

say() { printf '%s\n' "$*"; }
die() { printf '\n%s\n' "$*" >&2; exit 1; }

answers() { (exec 3<>"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null; }

refuse_taken() {
    local port=$1 whose=$2 hint=$3 by=''
    answers "127.0.0.1:$port" || return 0
    if command -v ss >/dev/null; then by=$(ss -Hltnp "sport = :$port" 2>/dev/null | grep -o 'users:.*' | head -n 1 || true); fi
    die "Port $port, which $whose needs, is taken${by:+ ($by)}. $hint"
}

# wait_for WHAT SECONDS PID LOG COMMAND...: shows that time passes; ends with the log's last lines if PID dies meanwhile.
wait_for() {
    local what=$1 limit=$2 pid=$3 log=$4 started=$SECONDS
    shift 4
    printf '%s ' "$what"
    until "$@"; do
        kill -0 "$pid" 2>/dev/null || { tail -n 25 "$log" >&2; die "It ended instead of getting ready; the end of $log is above."; }
        [ $((SECONDS - started)) -lt "$limit" ] || { tail -n 25 "$log" >&2; die "Not ready after $limit s; the end of $log is above."; }
        printf '.'
        sleep 0.5
    done
    say " ready after $((SECONDS - started)) s"
}

# shellcheck disable=SC2317 # called by the trap
# The children get a session of their own, so that Ctrl-C reaches only this script, which then stops them in order.
stop_all() {
    trap '' INT TERM
    local pid
    [ -z "${tail_pid:-}" ] || kill "$tail_pid" 2>/dev/null || true
    for pid in ${doorkeeper_pid:-} ${kafka_pid:-}; do
        kill -TERM "$pid" 2>/dev/null || continue
        if [ "$pid" = "${doorkeeper_pid:-}" ]; then say "stopping doorkeeper"; else say "stopping Kafka"; fi
        wait "$pid" 2>/dev/null || true
    done
}

start_kafka() {
    local home
    refuse_taken "$kafka_port" "Kafka" "Stop what uses it, choose another one (make run KAFKA_PORT=19092), or use that Kafka: make run BACKEND=127.0.0.1:$kafka_port"
    refuse_taken "$((kafka_port + 1))" "Kafka's controller" "Stop what uses it, or choose another pair: make run KAFKA_PORT=19092"
    home=$(scripts/get-kafka.sh)
    ln -sfn "$home" run/kafka
    cat >run/broker.properties <<PROPERTIES
# Written by scripts/dev/run.sh at every start.
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$kafka_port,CONTROLLER://127.0.0.1:$((kafka_port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$kafka_port,CONTROLLER://127.0.0.1:$((kafka_port + 1))
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:$((kafka_port + 1))
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$PWD/run/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
PROPERTIES
    if ! [ -f run/data/meta.properties ]; then
        say "preparing the broker's data directory run/data"
        run/kafka/bin/kafka-storage.sh format --standalone -t "$(run/kafka/bin/kafka-storage.sh random-uuid)" \
            -c run/broker.properties >run/log/kafka-format.log 2>&1 || { cat run/log/kafka-format.log >&2; die "Kafka could not format run/data."; }
    fi
    KAFKA_HEAP_OPTS=${KAFKA_HEAP_OPTS:--Xmx1G -Xms256M} setsid run/kafka/bin/kafka-server-start.sh run/broker.properties \
        >run/log/kafka.log 2>&1 </dev/null &
    kafka_pid=$!
    wait_for "starting Kafka on 127.0.0.1:$kafka_port" 90 "$kafka_pid" run/log/kafka.log grep -q 'Kafka Server started' run/log/kafka.log
    backend=127.0.0.1:$kafka_port
}

start_doorkeeper() {
    refuse_taken "$listener_port" "doorkeeper" "Stop what uses it, or change the listener in $config."
    setsid "$binary" serve "$config" --override "backend.bootstrap.servers=$backend" >run/log/doorkeeper.log 2>&1 </dev/null &
    doorkeeper_pid=$!
    wait_for "starting doorkeeper on $front" 30 "$doorkeeper_pid" run/log/doorkeeper.log \
        grep -qE '( ready$|"ready")' run/log/doorkeeper.log
}

# shellcheck disable=SC2317 # called by wait_for
# Through the front, as alice: the first real request, and the topic that the printed commands use.
first_request() {
    run/kafka/bin/kafka-topics.sh --bootstrap-server "$front" --command-config etc/alice.properties \
        --create --if-not-exists --topic hello >run/log/first-request.log 2>&1
}

print_commands() {
    local bin=run/kafka/bin
    # With BACKEND nothing was downloaded: the commands are those of the reader's own Kafka.
    if [ -n "${BACKEND:-}" ]; then
        if [ -n "${KAFKA_HOME:-}" ]; then bin=$KAFKA_HOME/bin; else bin=''; fi
    fi
    cat <<TEXT

doorkeeper is ready on $front, before Kafka on $backend.

Produce as alice (in a second terminal, from $PWD):
    echo "hello, doorkeeper" | ${bin:+$bin/}kafka-console-producer.sh --bootstrap-server $front --command-config etc/alice.properties --topic hello

Consume as alice:
    ${bin:+$bin/}kafka-console-consumer.sh --bootstrap-server $front --command-config etc/alice.properties --topic hello --from-beginning --max-messages 1

See what a wrong password looks like:
    ${bin:+$bin/}kafka-topics.sh --bootstrap-server $front --command-config etc/wrong-password.properties --list

Logs: run/log/. Ctrl-C stops $1. What follows is doorkeeper's log.

TEXT
}

[ -r "$config" ] || die "$config is not there."
[ -n "$listener_port" ] || die "$config has no line listeners=... that names a port."
[ -x "$binary" ] || die "$binary is not there: type make first."
mkdir -p run/log
trap stop_all EXIT
# Ctrl-C is how one ends this.
trap 'exit 0' INT
trap 'exit 143' TERM HUP
if [ -n "${BACKEND:-}" ]; then
    backend=$BACKEND
    answers "${backend%%,*}" || say "Note: nothing answers at ${backend%%,*} now; doorkeeper starts and keeps trying."
    start_doorkeeper
    print_commands doorkeeper
else
    # Before a long download: a port that is taken is said first.
    refuse_taken "$listener_port" "doorkeeper" "Stop what uses it, or change the listener in $config."
    start_kafka
    start_doorkeeper
    wait_for "first request as alice" 60 "$doorkeeper_pid" run/log/first-request.log first_request
    print_commands both
fi
echo "$doorkeeper_pid ${kafka_pid:-}" >run/pids
tail -n +1 -f run/log/doorkeeper.log &
tail_pid=$!
children=("$doorkeeper_pid")
[ -z "${kafka_pid:-}" ] || children+=("$kafka_pid")
wait -n "${children[@]}" || true
if kill -0 "$doorkeeper_pid" 2>/dev/null; then
    tail -n 25 run/log/kafka.log >&2
    die "Kafka has ended; the end of run/log/kafka.log is above."
fi
die "doorkeeper has ended; its log is run/log/doorkeeper.log."
