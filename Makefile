# One verb a line; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo up test test-arm64 check examples docs build bench compare

help:      ## list the verbs
	@grep -hE '^[a-z0-9-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+): [^#]*## (.*)/  make \1|\2/' | column -t -s '|'

demo:  ## run the example jobs through the whole path on local stand-ins and account for each
	cargo build --workspace --locked
	target/debug/devstack demo

up: build  ## start the local stand-ins and leave them running; settings in .devstack/env
	@mkdir -p .devstack
	target/release/devstack up --env-file .devstack/env

test:  ## pass all tests (the stand-ins are installed and started by the tests themselves)
	cargo test --workspace --locked

test-arm64:  ## pass the tests of search/ on emulated 64-bit Arm processors
	search/arm64.sh

check:  ## formatting, lints, documentation, and that examples and docs are not stale
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	cargo run --quiet --locked --example generate -- --check

examples:  ## write examples/catalog.csv and jobs.jsonl anew
	cargo run --quiet --locked --example generate

docs:  ## write the generated parts of docs/ and terraform/ anew: schemas, the table of settings, metrics
	UPDATE_DOCS=1 cargo test --locked -p nearline-contract --test schemas
	UPDATE_DOCS=1 cargo test --locked -p nearline --lib config
	UPDATE_DOCS=1 cargo test --locked -p nearline --lib telemetry
	UPDATE_DOCS=1 cargo test --locked -p loadgen --lib report

build:  ## build the binaries: target/release/{nearline,bootstrap,devstack,loadgen}
	cargo build --release --workspace --locked

bench:  ## time the search, by the shape of the question (criterion, about 2 minutes)
	cargo bench --locked --package nearline-search --bench search -- $(ARGS)

COMPARE_VENV := $(or $(CARGO_TARGET_DIR),target)/compare-venv

compare: $(COMPARE_VENV)/complete  ## run FAISS, NumPy, USearch and NumKong on the same vectors in turn; ARGS="--help"
	$(COMPARE_VENV)/bin/python search/benches/rivals/compare.py $(ARGS)

$(COMPARE_VENV)/complete: search/benches/rivals/requirements.txt
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make compare needs Python 3.11 or newer")'
	python3 -m venv --clear $(COMPARE_VENV)
	$(COMPARE_VENV)/bin/python -m pip install --quiet --no-deps --disable-pip-version-check --requirement $<
	touch $@
