# The verbs of this project. `make run` and `make test` are all that a new machine with Rust needs.

# RocksDB compiles for ten minutes: one target folder, outside the clone, for every clone and every verb.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/treekeeper/target
CARGO_FLAGS := --release --locked
BINARY := $(CARGO_TARGET_DIR)/release/treekeeper
OLDER_BINARY := $(CARGO_TARGET_DIR)/release/treekeeper-rules-1

.PHONY: run build older test check fix compat bench faults simulate demo fuzz prepare

run: build ## Serve on 127.0.0.1:2181, data in ./data
	$(BINARY) serve

build: prepare
	cargo build $(CARGO_FLAGS) -p treekeeper-server

older: prepare ## A second treekeeper, which knows only the first rules of apply: the tests upgrade from it
	cargo build $(CARGO_FLAGS) -p treekeeper-server --features rules-1 --bin treekeeper-rules-1

test: build older ## Pass the tests
	cargo test $(CARGO_FLAGS) --workspace

check: prepare ## Format, lints, licences, boundaries: checks, changes nothing
	.ci/check

fix: ## Format
	cargo fmt --all

compat: build ## Every client library against treekeeper; SERVER=both adds Apache ZooKeeper
	cargo run $(CARGO_FLAGS) -p treekeeper-tests --bin compat -- --server $(or $(SERVER),treekeeper) $(ARGS)

bench: build ## treekeeper and Apache ZooKeeper side by side
	cargo run $(CARGO_FLAGS) -p treekeeper-benches --bin bench -- $(ARGS)

faults: build older ## Three servers under kill -9, partitions, bad disks and clocks, … with load, the history checked
	cargo run $(CARGO_FLAGS) -p treekeeper-tests --bin faults -- \
		--treekeeper-binary $(BINARY) --older-binary $(OLDER_BINARY) $(ARGS)

simulate: prepare ## Ensembles in simulated time, one a seed: ARGS="--seeds 1..1000" for as many as you like
	cargo run $(CARGO_FLAGS) -p treekeeper-simulation --bin simulate -- $(ARGS)

demo: build ## The Dubbo walk-through of the README
	tests/compat/dubbo/demo $(BINARY)

fuzz: ## Each fuzz target for a short while; needs the nightly toolchain
	.ci/fuzz

prepare: ## What the build of RocksDB needs beside Rust
	@.ci/prepare
