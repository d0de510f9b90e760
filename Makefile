# What one types. Each target first looks for the tools that it needs (scripts/dev/need.sh) and installs them where it can.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.PHONY: build run test bench check clean help

CARGO ?= cargo
# Built once into the cache, linked by every profile.
ROCKSDB := rocksdb=$$(scripts/dev/get-rocksdb.sh); eval "$$rocksdb";
# `make bench BENCH=quick` takes about four minutes; its figures are for development, not for quoting.
BENCH ?= full

build: ## the release binary, target/release/doorkeeper
	scripts/dev/need.sh rust cc c++ libclang
	$(ROCKSDB) $(CARGO) build --release --locked --package doorkeeper --bin doorkeeper

run: ## Kafka and doorkeeper before it, until Ctrl-C; BACKEND=host:port: before a cluster that is there
	scripts/dev/need.sh rust cc c++ libclang $(if $(BACKEND),,java maven)
	$(ROCKSDB) $(CARGO) build --release --locked --package doorkeeper --bin doorkeeper
	@BACKEND='$(BACKEND)' CONFIG='$(CONFIG)' KAFKA_PORT='$(KAFKA_PORT)' exec scripts/dev/run.sh

test: ## all tests: the library's own, and proto-tests against a real Kafka
	scripts/dev/need.sh rust cc c++ libclang jdk maven python3 venv go node npm haproxy openssl sslscan faketime
	$(ROCKSDB) $(CARGO) build --release --locked --package doorkeeper --bin doorkeeper
	$(ROCKSDB) DOORKEEPER_BIN="$${CARGO_TARGET_DIR:-$$PWD/target}/release/doorkeeper" $(CARGO) test --workspace --locked

bench: ## the same load straight, through doorkeeper, HAProxy and Envoy; writes docs/performance.md
	scripts/dev/need.sh rust cc c++ libclang java maven haproxy openssl
	$(ROCKSDB) $(CARGO) build --release --locked --package doorkeeper --bin doorkeeper
	$(ROCKSDB) $(CARGO) build --release --locked --package proto-tests --bin bench
	scripts/dev/bench.sh $(BENCH)

check: ## formatting, lints, shell scripts, licences and advisories of dependencies
	scripts/dev/need.sh rust cc c++ libclang shellcheck
	$(ROCKSDB) CARGO='$(CARGO)' scripts/dev/check.sh

clean: ## what was built, and the data and logs of `make run`; the cache with Kafka stays
	$(CARGO) clean
	rm -rf run

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
