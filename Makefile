# Every target makes what it needs, and is quick when that is there already.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Touched when .venv holds exactly what the lock file says.
READY  := $(VENV)/.ready
# Only `make lock` uses it, so it is not in the lock itself.
UV     := uv==0.13.8

# Processes that run the tests, each with a Kafka of its own. Most tests wait for something.
JOBS     ?= $(shell [ "$$(nproc)" -ge 4 ] && echo 3 || echo 2)
# The same of `make fuzz`.
ATHERIS := atheris==3.0.0

# What is checked. wildcard: a folder may be missing while it is being written.
CODE     := $(wildcard common central engine monitor driver admin gateway sim bench chaos examples deploy tests)
# What the protocol and the bill depend on. Nothing less than all of it is tested.
COVERED  := common/units.py,common/errors.py,common/messages.py,common/gateway_messages.py,common/connection.py,common/protocol.py,common/codec.py,common/dispatch.py,common/states.py,common/framing.py,common/exchange.py,central/rules/**

.PHONY: help setup demo test test-compose test-faults check sim chaos soak fuzz fuzz-gateway \
        bench bench-gateway bench-connections docs certs format lock clean kafka \
        check-format check-lint check-types check-imports

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv with the locked dependencies and this project in it

demo: $(READY)  ## watch drivers charge at three charge points; ends by itself
	@$(BIN)/python examples/demo.py

test: kafka  ## run all tests on a real Kafka, and check what they cover
	PYTHONASYNCIODEBUG=1 $(BIN)/pytest -m "not alone and not long" --cov --cov-report= \
	  --numprocesses $(JOBS) --dist loadfile
	PYTHONASYNCIODEBUG=1 $(BIN)/pytest -m "alone and not long" --cov --cov-report= --cov-append
	$(BIN)/coverage report
	@echo "The protocol and the rules, which must be covered in full:"
	$(BIN)/coverage report --include='$(COVERED)' --fail-under=100 --show-missing

test-compose: $(READY)  ## run the whole stack of docker-compose.yml, kill, charge on; needs docker
	$(BIN)/pytest --override-ini addopts="--strict-markers --strict-config" tests/compose

test-faults: kafka  ## kill everything at every moment, cut every link: the tests that take long, too
	$(BIN)/pytest -m "long or not long" tests/faults tests/chaos tests/ocpp

check: check-format check-lint check-types check-imports  ## what a change must pass: format, lint, types, imports, then the tests
	@$(MAKE) --no-print-directory test

sim: $(READY)  ## play SEEDS (1000) histories with simulated faults, from FIRST (0) on; or one SEED again
	@$(BIN)/python -m sim $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0)) $(ARGS)

chaos: kafka  ## kill and cut POINTS (50) charge points for MINUTES (5); SEED repeats a run
	@$(BIN)/python -m chaos --points $(or $(POINTS),50) --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED)) $(ARGS)

soak: kafka  ## central's memory and descriptors under POINTS (2000) charge points for MINUTES (30)
	@$(BIN)/python -m chaos.soak --points $(or $(POINTS),2000) --minutes $(or $(MINUTES),30) $(ARGS)

fuzz: $(READY)  ## seek input that breaks frames, messages or journals, SECONDS (60) for each
	@$(BIN)/pip install --quiet --disable-pip-version-check $(ATHERIS)
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(ARGS)

fuzz-gateway: kafka  ## send nonsense to a gateway for SECONDS (600); SEED repeats it
	@$(BIN)/python -m tests.ocpp --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1) $(ARGS)

bench: $(READY)  ## measure, and print the figures with the machine they are from
	@$(BIN)/python -m bench

bench-gateway: kafka  ## measure the gateway, beside mobilityhouse/ocpp and ocpp-go
	@$(BIN)/python -m bench.gateway $(ARGS)

bench-connections: kafka  ## hold CONNECTIONS (100000) charge points on this machine for two minutes
	@$(BIN)/python -m bench.gateway_connections --connections $(or $(CONNECTIONS),100000) $(ARGS)

docs: $(READY)  ## write the reference pages and docs/asyncapi.json again from the code
	@$(BIN)/python -m common.reference docs

certs: $(READY)  ## make a CA and certificates for development in DIR (certs)
	@$(BIN)/python -m common.certs $(or $(DIR),certs) $(foreach host,$(HOSTS),--host $(host))

format: $(READY)  ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: $(BIN)/python  ## choose new versions of the dependencies and pin them by hash
	$(BIN)/pip install --quiet $(UV)
	$(BIN)/uv pip compile pyproject.toml --extra dev --output-file requirements.lock \
	  --universal --python-version 3.11 --generate-hashes --upgrade --quiet \
	  --custom-compile-command 'make lock'
	$(BIN)/uv pip compile pyproject.toml --extra build --output-file requirements-run.lock \
	  --constraint requirements.lock --universal --python-version 3.11 --generate-hashes \
	  --quiet --custom-compile-command 'make lock'

clean:  ## remove all that the other targets have made here
	rm -rf $(VENV) .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache \
	  .ruff_cache .import_linter_cache build dist *.egg-info .demo .fuzz
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- Steps of the above -------------------------------------------------------

check-format: $(READY)
	$(BIN)/ruff format --check .

check-lint: $(READY)
	$(BIN)/ruff check .

check-types: $(READY)
	$(BIN)/mypy $(CODE)

check-imports: $(READY)
	$(BIN)/lint-imports --no-logo

# Finds or installs a broker before pytest does, outside the timeout of a test.
kafka: $(READY)
	@$(BIN)/python -m tests.kafka --prepare

$(READY): requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Debian and Ubuntu split venv off from python3, and say so only when it fails.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or later is needed: make PYTHON=python3.12 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  apt="apt-get update -qq && apt-get install -y -qq $$package"; \
	  if ! command -v apt-get >/dev/null; then echo "Python's venv module is missing." >&2; exit 1; \
	  elif [ "$$(id -u)" = 0 ]; then sh -c "$$apt"; \
	  elif sudo -n true 2>/dev/null; then sudo sh -c "$$apt"; \
	  else echo "Python's venv module is missing. Install it: sudo sh -c '$$apt'" >&2; exit 1; fi; }
	@$(PYTHON) -m venv $(VENV)
