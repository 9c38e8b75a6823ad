# One verb a line; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo up test check examples docs build

help:      ## list the verbs
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+): [^#]*## (.*)/  make \1|\2/' | column -t -s '|'

demo:  ## run the example jobs through the whole path on local stand-ins and account for each
	cargo build --workspace --locked
	target/debug/devstack demo

up: build  ## start the local stand-ins and leave them running; settings in .devstack/env
	@mkdir -p .devstack
	target/release/devstack up --env-file .devstack/env

test:  ## pass all tests (the stand-ins are installed and started by the tests themselves)
	cargo test --workspace --locked

check:  ## formatting, lints, documentation, and that examples and docs are not stale
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	cargo run --quiet --locked --example generate -- --check

examples:  ## write examples/catalog.csv and jobs.jsonl anew
	cargo run --quiet --locked --example generate

docs:  ## write the generated parts of docs/ anew: schemas and the table of settings
	UPDATE_DOCS=1 cargo test --locked -p nearline-contract --test schemas
	UPDATE_DOCS=1 cargo test --locked -p nearline --lib config

build:  ## build the binaries: target/release/{nearline,bootstrap,devstack,loadgen}
	cargo build --release --workspace --locked
