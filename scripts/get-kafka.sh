#!/usr/bin/env bash
# Gets Apache Kafka from Maven Central and lays it out as its own distribution does: libs/*.jar and bin/*.sh.
#
# Progress goes to stderr. The only line on stdout is the directory, so that a caller can write
#   KAFKA_HOME=$(scripts/get-kafka.sh)
# It is kept under ${DOORKEEPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/doorkeeper}; a second call downloads nothing.
set -euo pipefail

KAFKA_VERSION=4.3.1
SCALA_VERSION=2.13
LOG4J_VERSION=2.25.4       # the one that this Kafka brings; its jars lack only the binding
DEPENDENCY_PLUGIN=3.8.1

say() { printf '%s\n' "get-kafka: $*" >&2; }
die() { say "$*"; exit 1; }

cache=${DOORKEEPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/doorkeeper}
home=$cache/kafka-$KAFKA_VERSION

# name of the wrapper -> class that it runs
tools='
kafka-acls                    org.apache.kafka.tools.AclCommand
kafka-broker-api-versions     org.apache.kafka.tools.BrokerApiVersionsCommand
kafka-cluster                 org.apache.kafka.tools.ClusterTool
kafka-configs                 kafka.admin.ConfigCommand
kafka-console-consumer        org.apache.kafka.tools.consumer.ConsoleConsumer
kafka-console-producer        org.apache.kafka.tools.ConsoleProducer
kafka-console-share-consumer  org.apache.kafka.tools.consumer.ConsoleShareConsumer
kafka-consumer-groups         org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
kafka-consumer-perf-test      org.apache.kafka.tools.ConsumerPerformance
kafka-delegation-tokens       org.apache.kafka.tools.DelegationTokenCommand
kafka-delete-records          org.apache.kafka.tools.DeleteRecordsCommand
kafka-features                org.apache.kafka.tools.FeatureCommand
kafka-get-offsets             org.apache.kafka.tools.GetOffsetShell
kafka-groups                  org.apache.kafka.tools.GroupsCommand
kafka-leader-election         org.apache.kafka.tools.LeaderElectionCommand
kafka-log-dirs                org.apache.kafka.tools.LogDirsCommand
kafka-metadata-quorum         org.apache.kafka.tools.MetadataQuorumCommand
kafka-producer-perf-test      org.apache.kafka.tools.ProducerPerformance
kafka-reassign-partitions     org.apache.kafka.tools.reassign.ReassignPartitionsCommand
kafka-share-groups            org.apache.kafka.tools.consumer.group.ShareGroupCommand
kafka-storage                 kafka.tools.StorageTool
kafka-streams-groups          org.apache.kafka.tools.streams.StreamsGroupCommand
kafka-topics                  org.apache.kafka.tools.TopicCommand
kafka-transactions            org.apache.kafka.tools.TransactionsCommand
'

main() {
    command -v java >/dev/null || die "java is not installed; Apache Kafka needs Java 17 or newer. On Debian: $(as_root)apt-get install -y openjdk-17-jre-headless"
    local stamp
    stamp=$(cksum <"${BASH_SOURCE[0]}")
    if ! complete "$stamp"; then
        mkdir -p "$cache"
        # Two callers at once: the second waits for the first and then finds the work done.
        exec 9>"$cache/.kafka-$KAFKA_VERSION.lock"
        if command -v flock >/dev/null; then flock 9; fi
        complete "$stamp" || build "$stamp"
        exec 9>&-
    fi
    printf '%s\n' "$home"
}

as_root() { if [ "$(id -u)" = 0 ]; then printf ''; else printf 'sudo '; fi; }

complete() { [ -f "$home/.stamp" ] && [ "$(cat "$home/.stamp")" = "$1" ]; }

# Everything is made in a directory beside the final one, which then takes the name in one step. Where only this script
# has changed, its files are replaced one by one: a broker that runs from there must not miss a jar for a moment.
build() {
    local stamp=$1 file
    work=$(mktemp -d "$cache/.kafka-$KAFKA_VERSION.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/bin" "$work/config" "$work/logs"
    write_log_config "$work/config/log4j2.yaml" "$work/config/tools-log4j2.yaml"
    write_wrappers "$work/bin"
    if [ -f "$home/.stamp" ]; then
        for file in "$work"/bin/* "$work"/config/*; do mv -f "$file" "$home${file#"$work"}"; done
        printf '%s\n' "$stamp" >"$work/.stamp"
        mv -f "$work/.stamp" "$home/.stamp"
        rm -rf "$work"
    else
        download "$work/libs"
        printf '%s\n' "$stamp" >"$work/.stamp"
        chmod 755 "$work"
        mv -T "$work" "$home" || die "$home is in the way: it is not complete and not ours to remove. Remove it and try again"
    fi
    trap - EXIT
    say "Apache Kafka $KAFKA_VERSION is in $home"
}

download() {
    command -v mvn >/dev/null || die "mvn (Apache Maven) is not installed; it is what downloads Apache Kafka. On Debian: $(as_root)apt-get install -y maven"
    local pom=$work/pom.xml log=$work/mvn.log
    cat >"$pom" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>doorkeeper</groupId><artifactId>kafka</artifactId><version>$KAFKA_VERSION</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_$SCALA_VERSION</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$LOG4J_VERSION</version></dependency>
  </dependencies>
</project>
POM
    say "getting Apache Kafka $KAFKA_VERSION (about 90 jars, 55 MB) from Maven Central into $cache; once only"
    if ! mvn -B -f "$pom" "org.apache.maven.plugins:maven-dependency-plugin:$DEPENDENCY_PLUGIN:copy-dependencies" \
        -DincludeScope=runtime -DoutputDirectory="$1" 2>&1 | tee "$log" | show_progress; then
        tail -n 20 "$log" >&2
        die "Maven could not get Apache Kafka (its last lines are above)"
    fi
    [ -f "$1/kafka_$SCALA_VERSION-$KAFKA_VERSION.jar" ] || die "Maven ended well but brought no kafka_$SCALA_VERSION-$KAFKA_VERSION.jar"
    rm -f "$pom" "$log"
}

show_progress() {
    awk '/Downloaded from/ && $0 ~ /\.jar/ { n++; if (n % 10 == 0) { printf "get-kafka: %d jars downloaded\n", n > "/dev/stderr"; fflush() } }'
}

# The broker logs to its standard output (whoever starts it decides where that goes); the tools only warn, on stderr.
write_log_config() {
    cat >"$1" <<'YAML'
Configuration:
  status: warn
  Appenders:
    Console: { name: OUT, target: SYSTEM_OUT, PatternLayout: { pattern: "[%d] %p %m (%c)%n" } }
  Loggers:
    Root: { level: "${sys:kafka.log.level:-info}", AppenderRef: { ref: OUT } }
YAML
    cat >"$2" <<'YAML'
Configuration:
  status: warn
  Appenders:
    Console: { name: ERR, target: SYSTEM_ERR, PatternLayout: { pattern: "[%d] %p %m (%c)%n" } }
  Loggers:
    Root: { level: "${sys:kafka.log.level:-warn}", AppenderRef: { ref: ERR } }
YAML
}

write_wrappers() {
    # shellcheck disable=SC2016 # what is written here expands when the wrapper runs
    local name class format='#!/usr/bin/env bash\n%s\nexec "$(dirname "${BASH_SOURCE[0]}")/kafka-run-class.sh" %s "$@"\n'
    # The load generators run long enough for the second compiler to pay.
    # shellcheck disable=SC2016
    local longer='export KAFKA_HEAP_OPTS=${KAFKA_HEAP_OPTS:--Xmx512M} KAFKA_JVM_PERFORMANCE_OPTS=${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC}'
    cat >"$1/kafka-run-class.sh" <<'RUN'
#!/usr/bin/env bash
# kafka-run-class.sh CLASS [ARG]...: honours JAVA_HOME, KAFKA_HEAP_OPTS, KAFKA_JVM_PERFORMANCE_OPTS, KAFKA_LOG4J_OPTS, KAFKA_OPTS.
set -euo pipefail
home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
java=java
if [ -n "${JAVA_HOME:-}" ]; then java=$JAVA_HOME/bin/java; fi
# A tool lives for a second or two: the first compiler only, and the collector without threads of its own.
# shellcheck disable=SC2086 # the options are lists of words
exec "$java" ${KAFKA_HEAP_OPTS:--Xmx256M} \
    ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto} \
    -Djava.awt.headless=true \
    ${KAFKA_LOG4J_OPTS:--Dlog4j2.configurationFile=$home/config/tools-log4j2.yaml} ${KAFKA_OPTS:-} \
    -cp "$home/libs/*${CLASSPATH:+:$CLASSPATH}" "$@"
RUN
    while read -r name class; do
        [ -n "$name" ] || continue
        local lead='set -euo pipefail'
        case $name in *-perf-test) lead="$lead"$'\n'"$longer" ;; esac
        # shellcheck disable=SC2059
        printf "$format" "$lead" "$class" >"$1/$name.sh"
    done <<<"$tools"
    cat >"$1/kafka-server-start.sh" <<'START'
#!/usr/bin/env bash
# kafka-server-start.sh [-daemon] FILE [--override key=value]...: -daemon logs to $LOG_DIR/kafkaServer.out and returns.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export KAFKA_HEAP_OPTS=${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G}
export KAFKA_JVM_PERFORMANCE_OPTS=${KAFKA_JVM_PERFORMANCE_OPTS:--server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35}
export KAFKA_LOG4J_OPTS=${KAFKA_LOG4J_OPTS:--Dlog4j2.configurationFile=$here/../config/log4j2.yaml}
if [ "${1:-}" = -daemon ]; then
    shift
    log=${LOG_DIR:-$here/../logs}
    mkdir -p "$log"
    nohup "$here/kafka-run-class.sh" kafka.Kafka "$@" >"$log/kafkaServer.out" 2>&1 </dev/null &
    exit 0
fi
exec "$here/kafka-run-class.sh" kafka.Kafka "$@"
START
    chmod 755 "$1"/*.sh
}

main "$@"
