#!/usr/bin/env bash
# get-rocksdb.sh: builds librocksdb.a once and prints where it is, as shell assignments:
#     eval "$(scripts/dev/get-rocksdb.sh)"; cargo build
# Without it cargo compiles RocksDB by itself, once for each profile: a quarter of an hour on two cores.
#
# The sources are those that the crate librocksdb-sys of Cargo.lock brings, with its defines. They are compiled in groups of
# files ("unity build", which RocksDB's own Makefile has as a target): most of the time goes into the headers, which each group
# then reads once. The archive lies in the cache, beside Kafka, and survives `cargo clean`.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
say() { printf '%s\n' "$*" >&2; }
cache=${DOORKEEPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/doorkeeper}
group_size=12
flags=(-std=c++20 -O2 -fPIC -w -include cstdint -DNDEBUG -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION -DOS_LINUX
    -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DROCKSDB_SCHED_GETCPU_PRESENT -DROCKSDB_AUXV_GETAUXVAL_PRESENT
    -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT -Irocksdb/include -Irocksdb -I.)

version=$(sed -n '/^name = "librocksdb-sys"$/{n;s/^version = "\(.*\)"$/\1/p}' Cargo.lock)
[ -n "$version" ] || { say "get-rocksdb.sh: Cargo.lock names no librocksdb-sys"; exit 1; }
if [ "$(uname -s)" != Linux ]; then
    say "get-rocksdb.sh: made for Linux; elsewhere cargo builds RocksDB by itself"
    exit 0
fi
key=$version-$(printf '%s ' "$group_size" "${flags[@]}" "$(uname -m)" | cksum | cut -d ' ' -f 1)
home=$cache/rocksdb-$key

build() {
    local source work total
    cargo fetch --locked >&2
    source=$(cargo metadata --locked --format-version 1 | grep -o '"manifest_path":"[^"]*/librocksdb-sys-[^"]*/Cargo.toml"' | head -n 1)
    source=${source#*:\"}
    source=${source%/Cargo.toml\"}
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/rocksdb-building.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$work'" EXIT
    grep -v -e '^util/build_version.cc$' -e '^$' "$source/rocksdb_lib_sources.txt" | split -l "$group_size" -d -a 3 - "$work/group-"
    for group in "$work"/group-*; do
        sed 's|.*|#include "&"|' "$group" >"$group.cc"
        rm "$group"
    done
    printf '#include "build_version.cc"\n' >"$work/group-version.cc"
    total=$(find "$work" -name '*.cc' | wc -l)
    say "building RocksDB $version, once: about four minutes on two cores"
    # shellcheck disable=SC2016 # the inner shell expands it
    (cd "$source" && find "$work" -name '*.cc' | sort | FLAGS="${flags[*]}" xargs -P "$(nproc)" -I{} bash -c '
        set -eu
        # shellcheck disable=SC2086 # a list of flags
        "${CXX:-c++}" $FLAGS -c "$1" -o "${1%.cc}.o"
        done=$(find "$2" -name "*.o" | wc -l)
        printf "  RocksDB: %s of %s\n" "$done" "$3" >&2' build {} "$work" "$total")
    ar crs "$work/librocksdb.a" "$work"/*.o
    rm "$work"/*.o "$work"/*.cc
    # Another process may have been faster: its archive is as good.
    mv -T "$work" "$home" 2>/dev/null || [ -f "$home/librocksdb.a" ]
}

[ -f "$home/librocksdb.a" ] || build
printf 'export ROCKSDB_LIB_DIR=%q ROCKSDB_STATIC=1\n' "$home"
