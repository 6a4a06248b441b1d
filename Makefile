# Every chore, one target each. `make serve` and `make test` need nothing but Python 3.11+ (with venv) and make: they make
# their own environment from requirements.lock first. Works with GNU make 3.81, which macOS has.

HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=
KILLS ?= 100
DRAINS ?= 25
EXAMPLES ?= 200
MINUTES ?= 10
EVERY ?= 1
VENV ?= .venv
PEERS ?= .venv-peers
UV := uv==0.13.9

RUN := $(VENV)/bin/python
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(RUN) -m pip --quiet --no-input
ENVIRONMENT := $(VENV)/.installed

# The first Python that runs, is new enough and can make an environment. A name on the PATH proves nothing (version managers
# leave shims), so each is run. PYTHON=... is tried first, and alone.
PYTHON ?=
CANDIDATES = $(or $(PYTHON),python3.13 python3.12 python3.11 python3.14 python3)
NEW_ENOUGH = import sys; sys.version_info < (3, 11) and sys.exit(1)
WITH_VENV = $(NEW_ENOUGH); import ensurepip, venv
first = $(shell for p in $(CANDIDATES); do if "$$p" -c '$(1)' >/dev/null 2>&1; then command -v "$$p"; break; fi; done)

.DEFAULT_GOAL := help
.PHONY: help serve test check stubs lock bench bench-service bench-durable calibrate crash drain schemathesis soak damage conformance wheels mermaid clean environment torch

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-20s%s\n", $$1, $$2}'

serve: $(ENVIRONMENT)  ## run the service on 127.0.0.1:8000 (HOST=, PORT=, ARGS= for more flags of `gradwire serve`)
	@exec $(VENV)/bin/gradwire serve --host $(HOST) --port $(PORT) $(ARGS)

test: $(ENVIRONMENT)  ## run all tests (ARGS= for flags of pytest)
	@$(RUN) -m pytest $(ARGS)

check: $(ENVIRONMENT)  ## stubs, ruff (rules and format), mypy strict, import contracts, house rules
	$(RUN) -m engine.stubs --check
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports --no-cache
	$(RUN) -m pytest -q tests/house

stubs: $(ENVIRONMENT)  ## write the type stubs that come from the operator table
	$(RUN) -m engine.stubs

bench: $(VENV)/.torch $(VENV)/peers/.installed  ## time operators and workloads beside PyTorch, MyGrad, autograd, NumPy (ARGS= names)
	@PYTHONPATH=$(VENV)/peers $(RUN) -m tests.benchmarks $(ARGS)

bench-service: $(ENVIRONMENT) $(PEERS)/.installed  ## load on the service beside an echo and the peers' servers (ARGS= for its flags)
	@$(RUN) -m tests.benchmarks.service --peers $(PEERS)/bin/python $(ARGS)

bench-durable: $(ENVIRONMENT)  ## writes a second in memory and on disk, speed of replay, memory of sessions (ARGS= for its flags)
	@$(RUN) -m tests.benchmarks.durable $(ARGS)

crash: $(ENVIRONMENT)  ## kill a working server 100 times and compare what it knows afterwards (KILLS=, CRASH_SEED=)
	@CRASH_KILLS=$(KILLS) $(RUN) -m pytest -s tests/end_to_end/test_crash.py $(ARGS)

drain: $(ENVIRONMENT)  ## end a server under load, many times, and look whether all that it answered is there afterwards (DRAINS=)
	@DRAINS=$(DRAINS) $(RUN) -m pytest -s tests/end_to_end/test_drain.py $(ARGS)

damage: $(ENVIRONMENT)  ## damage every byte of a small store and look what a server makes of it (half an hour; EVERY=)
	@DAMAGE_EVERY=$(EVERY) $(RUN) -m pytest -s tests/service/test_damage.py $(ARGS)

schemathesis: $(ENVIRONMENT)  ## requests made of the OpenAPI document, many (EXAMPLES= of each operation)
	@SCHEMATHESIS_EXAMPLES=$(EXAMPLES) $(RUN) -m pytest -s tests/end_to_end/test_schemathesis.py $(ARGS)

soak: $(ENVIRONMENT)  ## a mixed load on a server, and how its memory and descriptors grow after warming up (MINUTES=)
	@$(RUN) -m tests.benchmarks.soak --minutes $(MINUTES) $(ARGS)

calibrate: $(ENVIRONMENT)  ## how long the largest requests take that the limit of arithmetic admits, by family
	@$(RUN) -m tests.benchmarks.calibrate $(ARGS)

conformance: $(VENV)/.torch  ## compare with the real PyTorch (installs it, a few GB where only CUDA builds are to be had)
	@$(RUN) -m tests.conformance.opinfo
	@$(RUN) -m pytest tests/conformance $(ARGS)

lock: $(ENVIRONMENT)  ## resolve requirements.lock again, newest versions (LOCKED= with flags of `uv pip compile`)
	$(PIP) install $(UV)
	$(RUN) -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --fork-strategy fewest \
	  --generate-hashes --no-header --no-emit-index-url --upgrade --quiet --output-file requirements.lock $(LOCKED)

wheels: $(ENVIRONMENT)  ## ask the index whether every locked package has a wheel for amd64 and arm64
	@GRADWIRE_CI=1 $(RUN) -m pytest -q tests/house/test_docker.py -k has_a_wheel $(ARGS)

mermaid: $(ENVIRONMENT)  ## draw graphs with Mermaid's own library and compare every label (needs npm and chromium)
	@npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(VENV)/mermaid mermaid@11.17.2
	@$(RUN) -m tests.end_to_end.mermaid_library $(VENV)/mermaid/node_modules/mermaid/dist/mermaid.min.js

clean:  ## remove the environment, caches and what was built
	rm -rf $(VENV) $(PEERS) build dist htmlcov .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find engine service tests -name __pycache__ -type d -prune -exec rm -rf {} +

# For scripts: the environment alone, and with PyTorch.
environment: $(ENVIRONMENT)

torch: $(VENV)/.torch

# The lock is installed into an empty environment, so that nothing lives on which it no longer names; it is whole, so pip
# looks for nothing beyond it (older ones reach for releases newer than the lock's, and then miss their hashes).
$(VENV)/.locked: requirements.lock
	$(eval FOUND := $(call first,$(WITH_VENV)))
	$(if $(FOUND),,$(eval OLD := $(call first,$(NEW_ENOUGH))))
	$(if $(FOUND),,$(if $(OLD),$(error Gradwire needs the venv module, which $(OLD) lacks (on Debian: apt-get install python3-venv)),\
	  $(error Gradwire needs Python 3.11 or newer; none of these is: $(CANDIDATES))))
	@echo "Gradwire: making $(VENV) with $(FOUND) from requirements.lock (once, about a minute)"
	@"$(FOUND)" -m venv --clear $(VENV)
	@$(PIP) install --require-hashes --no-deps --requirement requirements.lock
	@touch $@

$(ENVIRONMENT): $(VENV)/.locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# In a folder of their own: what the benchmark compares with is no part of the environment.
$(VENV)/peers/.installed: $(ENVIRONMENT)
	$(PIP) install --no-deps --target $(VENV)/peers autograd==1.9.1 mygrad==2.5.0
	@touch $@

# The peers' servers need other versions of what we use, so they live apart; only the benchmark knows them.
$(PEERS)/.installed:
	$(eval FOUND := $(call first,$(WITH_VENV)))
	$(if $(FOUND),,$(error Gradwire needs Python 3.11 or newer with venv; none of these is: $(CANDIDATES)))
	@"$(FOUND)" -m venv --clear $(PEERS)
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(PEERS)/bin/python -m pip --quiet --no-input install umbridge==1.2.10 'tesseract-core[runtime]==1.15.0'
	@touch $@

# All but PyTorch and what it needs is there already, so that nothing of the lock changes.
$(VENV)/.torch: $(ENVIRONMENT)
	$(PIP) install --no-build-isolation --editable '.[conformance]'
	@touch $@
