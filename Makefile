# The commands of this project, for a machine with Python (3.11 or newer, with venv), make, git and a package index. Nothing is
# installed outside this folder: a pinned uv goes into .tools, the project and its packages into .venv.

# The system's Python first: it is built with optimisations, and what pyenv compiles is not (docs/scaling.md has figures).
PYTHON ?= $(shell for each in /usr/bin/python3 python3; do \
  $$each -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && exit; \
  done; echo python3)
UV_VERSION := 0.13.9

UV := .tools/bin/uv
TOOLS := .tools/uv-$(UV_VERSION)
RUN := .venv/bin/python -m
# Bytecode is compiled once, at installation: the demo starts seven processes.
SYNC = $(UV) sync --quiet --locked --inexact --compile-bytecode

export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON := .tools/bin/python
export UV_PYTHON_DOWNLOADS := never
# Without bytecode each of the many processes that the tests start compiles the product again.
unexport VIRTUAL_ENV PYTHONHOME PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo serve test e2e screenshots faults mutants lint types contracts check bench audit sbom lock clean again

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "  PYTHON=… chooses the Python to start from (now: $(PYTHON)); after a change: make clean"

demo: .venv/ready ## run the whole system on this machine and import a simulated practice (ARGS: options of portal-sync demo)
	@.venv/bin/portal-sync demo $(ARGS)

serve: .venv/ready ## run the portal with its pages on this machine, until Ctrl-C (PORT=…; ARGS: options of portal-sync serve)
	@.venv/bin/portal-sync serve $(if $(PORT),--port $(PORT)) $(ARGS)

test: .venv/ready-bench ## run the tests (TESTARGS: options of pytest, such as TESTARGS="-k limiter")
	@$(RUN) pytest -n auto --dist loadgroup $(TESTARGS)

e2e: .venv/ready-browser ## test the portal in a browser, Chromium (TESTARGS: options of pytest; CHROMIUM=/path/to/it)
	@$(RUN) pytest tests/e2e -n 2 --dist loadgroup $(TESTARGS)

screenshots: .venv/ready-browser ## take the pictures of docs/images from the running pages (CHROMIUM=/path/to/it)
	@$(RUN) tests.e2e.screenshots

lint: .venv/ready-lint ## check for mistakes and unformatted code (ruff)
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

types: .venv/ready-browser .venv/ready-bench .venv/ready-lint ## check the types (mypy)
	@$(RUN) mypy

contracts: .venv/ready-lint ## check which folder imports which (import-linter)
	@.venv/bin/lint-imports

SEED ?= 1
faults: .venv/ready-test ## run the long fault matrix and write docs/fault-matrix.md (SEED: the number that repeats it)
	@$(RUN) tests.faults --seed $(SEED) --write docs/fault-matrix.md

check: lint types contracts test ## run lint, types, contracts and test

bench: .venv/ready-bench ## run all benchmarks and write docs/benchmarks.md (ARGS: run one; its name and options)
	@$(RUN) bench $(or $(ARGS),all)

mutants: .venv/ready-test ## remove each guard in turn and check that its tests fail (ARGS: options, see docs/guards.md)
	@$(RUN) tests.mutants $(ARGS)

audit: $(TOOLS) ## look the locked packages up in the OSV database of known vulnerabilities (ARGS: options of uv audit)
	@$(UV) audit --quiet --locked --no-default-groups $(ARGS) || { \
	  echo "make audit: a package has a known vulnerability, or the database could not be asked; the lines above say which." >&2; \
	  exit 1; }

sbom: $(TOOLS) ## write dist/portal-sync.cdx.json: every package that a deployment installs (CycloneDX)
	@mkdir -p dist
	@$(UV) export --quiet --locked --no-default-groups --format cyclonedx1.5 --preview-features sbom-export --output-file dist/portal-sync.cdx.json >/dev/null
	@echo "Wrote dist/portal-sync.cdx.json"

lock: $(TOOLS) ## regenerate uv.lock from pyproject.toml
	@$(UV) lock

clean: ## remove everything that the other targets created
	@rm -rf .tools .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- set-up: each stamp is newer than its sources, so a second run starts at once ----
# --inexact keeps the packages of the other groups, so that `make demo` after `make test` removes nothing.

.venv/ready: pyproject.toml uv.lock $(TOOLS) $(if $(wildcard .venv/bin/portal-sync),,again)
	@echo "Installing portal-sync into .venv"
	@$(SYNC)
	@touch $@

.venv/ready-test: pyproject.toml uv.lock $(TOOLS) $(if $(wildcard .venv/bin/pytest),,again)
	@echo "Installing portal-sync and its test packages into .venv"
	@$(SYNC) --group test
	@touch $@

.venv/ready-browser: pyproject.toml uv.lock $(TOOLS)
	@echo "Installing portal-sync and its browser test packages into .venv"
	@$(SYNC) --group browser
	@touch $@

.venv/ready-lint: pyproject.toml uv.lock $(TOOLS) $(if $(wildcard .venv/bin/ruff),,again)
	@echo "Installing portal-sync and its code checkers into .venv"
	@$(SYNC) --group lint
	@touch $@

.venv/ready-bench: pyproject.toml uv.lock $(TOOLS) $(if $(wildcard .venv/bin/celery),,again)
	@echo "Installing portal-sync and its benchmark packages into .venv"
	@$(SYNC) --group bench
	@touch $@

# Created in a temporary folder and then moved, so that an interrupted set-up is never mistaken for a complete one.
$(TOOLS):
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) was not found. Install Python 3.11 or newer, or choose one: make PYTHON=/path/to/python3.11" >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "portal-sync needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1 | head -1)." >&2; \
	  echo "Install one and choose it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) lacks venv (Debian and Ubuntu: apt-get install python3-venv)." >&2; exit 1; }
	@echo "Installing uv $(UV_VERSION) into .tools, for $(PYTHON)"
	@rm -rf .tools.new.$$$$; \
	 $(PYTHON) -m venv .tools.new.$$$$ && \
	 .tools.new.$$$$/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) && \
	 touch .tools.new.$$$$/uv-$(UV_VERSION) && \
	 rm -rf .tools && mv .tools.new.$$$$ .tools || { rm -rf .tools.new.$$$$; exit 1; }
