# Everything a contributor or a CI machine runs. Needs git, make and any CPython 3.10 or newer.
# No path here is absolute, so that a checkout whose path has spaces works too.

SHELL := /bin/sh
VENV ?= .venv
# Empty: the first suitable one that install.sh finds. Override it: make test PYTHON=python3.12
PYTHON ?=
PYTEST_ARGS ?=
SOAK_ARGS ?=

PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
NEW_PIP := pip>=25.1# the first that knows --group; Python 3.10 to 3.13 bring older ones
STAMP := $(VENV)/.made-from

.DEFAULT_GOAL := help
.PHONY: help dev lint pytest test test-slow test-agents test-browser test-all soak bench bench-quick docs lock clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

# An environment whose interpreter is gone, that was made where the checkout no longer lies, or
# with another PYTHON than is asked for now, is made anew.
dev: ## .venv, with this checkout (editable) and the tools of the tests
	@{ $(PY) -c '' && [ "$$(sed -n 1p $(STAMP))" = "$$(pwd -P)" ] && \
	  { [ -z '$(PYTHON)' ] || [ "$$(sed -n 2p $(STAMP))" = '$(PYTHON)' ]; }; } 2>/dev/null || \
	  rm -f $(STAMP)
	@$(MAKE) --no-print-directory --silent $(STAMP)

$(STAMP): pyproject.toml
	@set -e; python='$(PYTHON)'; \
	[ -n "$$python" ] || python=$$(./install.sh --print-python); \
	echo "making $(VENV) with $$python"; \
	"$$python" -m venv --clear $(VENV); \
	$(PIP) --upgrade '$(NEW_PIP)'; \
	$(PIP) --editable . --group test; \
	{ pwd -P; echo "$$python"; } > $@

lint: dev ## ruff, its formatter, mypy, the layers, shellcheck and codespell
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/shellcheck install.sh .ci/run hooks/*.sh
	$(VENV)/bin/codespell

# Rewritten test modules are kept also where the environment forbids byte code.
pytest: dev ## the tests alone: make pytest PYTEST_ARGS='-k renew'
	PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n auto --dist loadgroup $(PYTEST_ARGS)

test: lint ## what CI runs: lint, then every test
	@$(MAKE) --no-print-directory pytest

test-slow: dev ## the tests that `make test` leaves out because they would take too long
	$(PY) -m pytest -n auto --dist loadgroup -m slow $(PYTEST_ARGS)

test-agents: dev ## the tests with every agent's program that runs offline, installed from npm
	AGENTLOCK_TEST_NO_SKIP=1 $(PY) -m pytest -n auto -m 'agents or not agents' tests/agents $(PYTEST_ARGS)

test-browser: dev ## the board in a real Chromium and terminal; keeps pictures in build/pictures
	AGENTLOCK_TEST_NO_SKIP=1 AGENTLOCK_TEST_PICTURES=build/pictures $(PY) -m pytest \
	  -m 'slow or not slow' tests/board/test_browser.py tests/board/test_terminal.py $(PYTEST_ARGS)

test-all: ## every test on every CPython this machine has, each in its own .venv-3.x
	@./install.sh --print-pythons | { \
	  found=0; failed=0; summary=''; \
	  while read -r version python; do \
	    found=$$((found + 1)); \
	    echo "== Python $$version ($$python)"; \
	    if $(MAKE) --no-print-directory pytest VENV=".venv-$$version" PYTHON="$$python" </dev/null; \
	    then verdict=passed; else verdict=FAILED; failed=$$((failed + 1)); fi; \
	    summary="$$summary  Python $$version  $$verdict\n"; \
	  done; \
	  [ "$$found" -gt 0 ] || { echo 'no CPython 3.10 or newer found' >&2; exit 1; }; \
	  printf "\n$$summary"; \
	  [ "$$failed" -eq 0 ]; }

soak: dev ## ten minutes of agents who work and die at one table
	$(PY) trials/soak.py $(SOAK_ARGS)

bench: dev ## benchmarks/RESULTS.md anew, with the README's chart (about twenty minutes)
	$(PIP) --group bench
	$(PY) benchmarks/run.py

bench-quick: dev ## the most important of it, in two minutes
	$(PY) benchmarks/run.py --quick

docs: dev ## the pages of docs/ that are written from the code, and what the tutorials print
	$(PY) docs/generate/reference.py > docs/reference/commands.md
	$(PY) docs/generate/house.py
	$(PY) docs/generate/tutorials.py

LOCK := $(PY) -m uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade
READ_BUILD := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])

lock: dev ## the lock files anew: what install.sh installs, with SHA-256
	$(PIP) uv
	$(LOCK) pyproject.toml --output-file requirements.lock
	$(LOCK) pyproject.toml --extra postgres --constraint requirements.lock \
	  --output-file requirements-postgres.lock
	$(LOCK) pyproject.toml --extra mcp --constraint requirements-postgres.lock \
	  --output-file requirements-mcp.lock
	$(LOCK) pyproject.toml --extra board --constraint requirements-mcp.lock \
	  --output-file requirements-board.lock
	$(PY) -c '$(READ_BUILD)' | $(LOCK) - --output-file build.lock

clean: ## removes everything made here
	rm -rf .venv .venv-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find . -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
