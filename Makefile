# The commands of this repository. Standard output belongs to the program: `make demo ARGS="--once --json" | jq` works, so
# everything that installs or builds speaks on standard error.

MAKEFLAGS += --no-print-directory
CARGO ?= cargo
# Handed to `jirafleet demo`, for example ARGS="--once --json".
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help packages demo test test-compat kills coverage bench fmt lint

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) >&2

packages: ## install PostgreSQL and Redis where they are missing
	@deploy/install-packages.sh

demo: packages ## the whole house on this machine, with a simulated Jira
	@$(CARGO) build --release --locked --package jirafleet --bin jirafleet >&2
	@exec "$${CARGO_TARGET_DIR:-target}/release/jirafleet" demo $(ARGS)

test: ## every test; those with servers start their own
	@deploy/install-packages.sh --for-tests
	@$(CARGO) build --locked --workspace --bin jirafleet >&2
	@$(CARGO) test --workspace --locked

test-compat: ## Jira clients against the simulated Jira, redocly and schemathesis against REST; wants python3, npm and their registries
	@$(CARGO) build --locked --package jirafleet --bin jirafleet >&2
	@tests/compat/run.sh
	@tests/compat/lint.sh
	@tests/compat/rest.sh

kills: packages ## writes by an api that is killed 500 times (ARGS="--kills 50" for fewer)
	@$(CARGO) build --release --locked --package tests --bin kills --package jirafleet --bin jirafleet >&2
	@"$${CARGO_TARGET_DIR:-target}/release/kills" $(ARGS)

coverage: ## which lines of the ground and the use cases the tests run; wants rustup's llvm-tools
	@tests/coverage.sh

bench: ## every benchmark beside its references: a table here, the figures in target/bench
	@deploy/install-packages.sh --for-bench
	@$(CARGO) build --release --locked --package tests --bin bench --bin chaos --package jirafleet --bin jirafleet >&2
	@"$${CARGO_TARGET_DIR:-target}/release/bench" queue $(ARGS)
	@"$${CARGO_TARGET_DIR:-target}/release/bench" store
	@"$${CARGO_TARGET_DIR:-target}/release/bench" rest
	@"$${CARGO_TARGET_DIR:-target}/release/bench" backfill
	@"$${CARGO_TARGET_DIR:-target}/release/bench" freshness
	@"$${CARGO_TARGET_DIR:-target}/release/bench" day

fmt: ## format the sources
	@$(CARGO) fmt --all

lint: ## what .ci/run checks before the tests
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --workspace --locked
