#!/usr/bin/env bash
# need.sh NAME...: makes sure that the named tools are there (rust cc java maven python3 haproxy go node shellcheck ...).
# What is missing is installed with apt-get when we are root on Debian or Ubuntu; otherwise the one command to type is
# printed and we end with 1. Rust comes from rustup, whose command is printed: it changes a person's home directory.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

packages=()
want_rust=no
want() { packages+=("$@"); }
have() { command -v "$1" >/dev/null 2>&1; }
# Whether one of the files is there.
any_exists() {
    local file
    for file in "$@"; do if [ -e "$file" ]; then return 0; fi; done
    return 1
}

rust_is_new_enough() {
    local floor have_version
    floor=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$here/Cargo.toml" | head -n 1)
    have_version=$(rustc --version 2>/dev/null | awk '{print $2}')
    [ -n "$have_version" ] && [ "$(printf '%s\n' "$floor" "$have_version" | sort -V | head -n 1)" = "$floor" ]
}

java_is_new_enough() {
    local version
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ -n "$version" ] && [ "$version" -ge 17 ]
}

for tool in "$@"; do
    case $tool in
    rust) rust_is_new_enough || want_rust=yes ;;
    cc) have cc || want gcc libc6-dev ;;
    c++) have c++ || want g++ ;;
    # What bindgen reads RocksDB's C header with; libclang-cpp.so is another thing.
    libclang) any_exists /usr/lib/{llvm-*/lib,*}/libclang{,-[0-9]*}.so* || want libclang-14-dev ;;
    java) java_is_new_enough || want openjdk-17-jre-headless ;;
    jdk) { java_is_new_enough && have javac; } || want openjdk-17-jdk-headless ;;
    maven) have mvn || want maven ;;
    python3) have python3 || want python3 ;;
    pip) python3 -m pip --version >/dev/null 2>&1 || want python3-pip python3-venv ;;
    venv) python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || want python3-venv ;;
    go) have go || want golang-go ;;
    faketime) any_exists /usr/lib/*/faketime/libfaketimeMT.so.1 || want libfaketime ;;
    node) have node || want nodejs ;;
    *) have "$tool" || want "$tool" ;;
    esac
done

failed=no
if [ ${#packages[@]} -gt 0 ]; then
    if ! have apt-get; then
        say "These are missing; install them with your system's package manager (the names are Debian's):"
        say "    ${packages[*]}"
        failed=yes
    elif [ "$(id -u)" = 0 ]; then
        say "installing ${packages[*]} with apt-get"
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -y -q --no-install-recommends "${packages[@]}" >&2 || {
            apt-get update -q >&2
            apt-get install -y -q --no-install-recommends "${packages[@]}" >&2
        }
    else
        say "These packages are missing. Install them with:"
        say "    sudo apt-get install -y --no-install-recommends ${packages[*]}"
        failed=yes
    fi
fi
if [ "$want_rust" = yes ]; then
    floor=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$here/Cargo.toml" | head -n 1)
    if have rustup; then
        say "Rust $floor or newer is needed, this is $(rustc --version 2>/dev/null || echo 'no toolchain'). Get it with:"
        say "    rustup toolchain install stable --profile minimal -c clippy -c rustfmt && rustup default stable"
    else
        say "Rust $floor or newer is needed. Get it with (then open a new shell):"
        say "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c clippy -c rustfmt"
    fi
    failed=yes
fi
[ "$failed" = no ]
