# One verb a line; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo up test test-arm64 test-terraform test-package check examples docs build bench compare \
	package seed deploy invoke load logs prune-versions destroy

# The architecture that is deployed, unless another is asked for.
ARCH ?= $(or $(shell sed -n 's/^ *architecture *= *"\([a-z0-9_]*\)".*/\1/p' terraform/terraform.tfvars 2>/dev/null),arm64)
VENVS := $(or $(CARGO_TARGET_DIR),target)
COMPARE_VENV := $(VENVS)/compare-venv
CHECKOV_VENV := $(VENVS)/checkov-venv
PACKAGE_VENV := $(VENVS)/package-venv

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

# Apart from the working folder of a deployment, with its state.
test-terraform: export TF_DATA_DIR := $(abspath $(VENVS))/terraform
test-terraform: $(CHECKOV_VENV)/complete $(PACKAGE_VENV)/complete  ## pass the tests of terraform/ and of the scripts that deploy (no account needed)
	terraform fmt -check -diff -recursive terraform
	terraform -chdir=terraform init -backend=false -input=false
	terraform -chdir=terraform validate
	terraform -chdir=terraform test
	python3 terraform/tests/refusals.py
	$(CHECKOV_VENV)/bin/checkov --directory terraform --framework terraform --quiet --compact --skip-download
	python3 -m unittest terraform/tests/operate_test.py
	cd package && $(abspath $(PACKAGE_VENV))/bin/python -m unittest package_test.py

test-package: package  ## run the executable of the zip on the stand-ins: one job in, one record out (under qemu if it is foreign)
	package/try.sh $(ARCH)

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

package: $(PACKAGE_VENV)/complete  ## build dist/nearline-ARCH.zip for Lambda; ARCH=arm64 or x86_64, otherwise that of terraform.tfvars
	$(PACKAGE_VENV)/bin/python package/package.py --arch $(ARCH)

seed:  ## embed CATALOG=examples/catalog.csv through Bedrock and publish it; the first time, make the bucket for it
	cargo build --workspace --locked
	python3 terraform/operate.py seed $(or $(CATALOG),examples/catalog.csv) $(ARGS)

deploy: package  ## build, show the plan, and apply it once somebody says yes
	terraform -chdir=terraform init -input=false
	terraform -chdir=terraform apply

invoke: export JOB := $(value JOB)
invoke:  ## ask the function itself: JOB='{"request_id":"a","query":"hiking boots"}'
	python3 terraform/operate.py invoke

load: build  ## sustained traffic, and an account of every job: ARGS='--rps 50 --duration 5m'
	python3 terraform/operate.py load $(or $(ARGS),--rps 20 --duration 1m)

logs:  ## follow the worker's log
	python3 terraform/operate.py logs

prune-versions:  ## delete published versions that nothing needs any more; ARGS='--keep 0' for the one to go back to as well
	python3 terraform/operate.py prune-versions $(ARGS)

destroy:  ## destroy the deployment, its data too, and wait until its instances are gone
	python3 terraform/operate.py destroy

bench:  ## time the search, by the shape of the question (criterion, about 2 minutes)
	cargo bench --locked --package nearline-search --bench search -- $(ARGS)

compare: $(COMPARE_VENV)/complete  ## run FAISS, NumPy, USearch and NumKong on the same vectors in turn; ARGS="--help"
	$(COMPARE_VENV)/bin/python search/benches/rivals/compare.py $(ARGS)

# Virtual environments, each with what its list pins.
$(COMPARE_VENV)/complete: search/benches/rivals/requirements.txt
$(CHECKOV_VENV)/complete: terraform/tests/requirements.txt
$(PACKAGE_VENV)/complete: package/requirements.txt
%-venv/complete:
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "this needs Python 3.11 or newer as python3")'
	python3 -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --no-deps --disable-pip-version-check --requirement $<
	touch $@
