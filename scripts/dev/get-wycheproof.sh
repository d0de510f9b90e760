#!/usr/bin/env bash
# Gets Wycheproof's test vectors of signatures and JSON Web Keys, as the Go module that they are published as.
#
# Progress goes to stderr. The only line on stdout is the directory with the JSON files.
# It is kept under ${DOORKEEPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/doorkeeper}; a second call downloads nothing.
set -euo pipefail

MODULE=github.com/C2SP/wycheproof
VERSION=v0.0.0-20250901140545-b51abcfb8daf
SUM=h1:5BKKVVVj676FUWirLcouEEL6GCYR9X0opkMlEUck8FY=
# What the tests read, of 134 MB.
files=(json_web_signature json_web_key ed25519
    ecdsa_secp256r1_sha256_p1363 ecdsa_secp384r1_sha384_p1363 ecdsa_secp521r1_sha512_p1363
    rsa_signature_{2048,3072,4096,8192}_sha{256,384,512}
    rsa_pss_{2048,3072,4096}_sha256_mgf1_32 rsa_pss_{2048,4096}_sha384_mgf1_48 rsa_pss_4096_sha512_mgf1_64
    rsa_pss_2048_sha256_mgf1_0 rsa_pss_2048_sha256_mgf1sha1_20 rsa_pss_4096_sha512_mgf1_32)

say() { printf '%s\n' "get-wycheproof: $*" >&2; }
die() { say "$*"; exit 1; }

cache=${DOORKEEPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/doorkeeper}
home=$cache/wycheproof-${VERSION##*-}
stamp=$(cksum <"${BASH_SOURCE[0]}")

complete() { [ -f "$home/.stamp" ] && [ "$(cat "$home/.stamp")" = "$stamp" ]; }

build() {
    command -v go >/dev/null || die "go is not installed; it is what downloads the vectors. On Debian: apt-get install -y golang-go"
    local vectors file
    work=$(mktemp -d "$cache/.wycheproof.XXXXXX")
    # Global, for the trap.
    trap 'rm -rf "$work"' EXIT
    say "getting Wycheproof's vectors (28 MB), once"
    # In a module cache of its own, so that the rest of it does not stay; -modcacherw lets it be removed.
    (cd "$work" && GOMODCACHE=$work/mod GOFLAGS=-modcacherw go mod download -json "$MODULE@$VERSION") >"$work/answer" || {
        cat "$work/answer" >&2
        die "go could not download $MODULE"
    }
    grep -qF "\"Sum\": \"$SUM\"" "$work/answer" || die "$MODULE $VERSION is not what it was: expected $SUM"
    vectors=$(sed -n 's/^[[:space:]]*"Dir": "\(.*\)",\{0,1\}$/\1/p' "$work/answer")/testvectors_v1
    mkdir "$work/home"
    for file in "${files[@]}"; do cp "$vectors/${file}_test.json" "$work/home/$file.json"; done
    printf '%s\n' "$stamp" >"$work/home/.stamp"
    rm -rf "$home"
    mv -T "$work/home" "$home"
}

mkdir -p "$cache"
if ! complete; then
    # Two callers at once: the second waits for the first and then finds the work done.
    exec 9>"$cache/.wycheproof.lock"
    if command -v flock >/dev/null; then flock 9; fi
    complete || build
fi
printf '%s\n' "$home"
