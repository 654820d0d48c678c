# Every target installs what it needs into .venv: on a fresh machine with make and Python 3.11+ they work as they stand.
#
#   make corpus                         the sample corpus, offline
#   make corpus CONFIG=... OUT=... RUNNER=... ARGS='--set harvest.min_karma=5'
#   make test                           what runs on a bare machine

.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv

CONFIG ?= configs/corpus/sample.yaml
OUT    ?=
RUNNER ?=
ARGS   ?=

OVERRIDES = $(if $(OUT),--set output=$(OUT)) $(if $(RUNNER),--set runner.name=$(RUNNER)) $(ARGS)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.development ## everything for corpus and tests into .venv

$(BIN)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "webtext needs Python 3.11 or newer; name one with make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/uv.txt
	@touch $@

$(VENV)/.corpus: $(BIN)/uv requirements/corpus.txt pyproject.toml
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps -r requirements/corpus.txt -e .
	@touch $@

$(VENV)/.development: $(VENV)/.corpus requirements/development.txt
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps -r requirements/development.txt
	@touch $@

.PHONY: corpus
corpus: $(VENV)/.corpus ## links to release; CONFIG= OUT= RUNNER= ARGS= pass through
	@$(BIN)/webtext corpus --config $(CONFIG) $(OVERRIDES)

.PHONY: report
report: $(VENV)/.corpus ## write a run's report.html anew
	@$(BIN)/webtext report --config $(CONFIG) $(OVERRIDES)

.PHONY: inspect
inspect: $(VENV)/.corpus ## look at what was kept and refused: ARGS='--reason low_quality'
	@$(BIN)/webtext inspect --config $(CONFIG) $(OVERRIDES)

.PHONY: test
test: $(VENV)/.development ## all tests that run on a bare machine
	$(BIN)/python -m pytest

.PHONY: check
check: $(VENV)/.development ## ruff, mypy, freshness of the locks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory lock && git diff --exit-code --stat -- requirements || \
		{ echo "the locks do not fit pyproject.toml: run make lock and commit requirements/" >&2; exit 1; }

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate pyproject.toml

.PHONY: lock
lock: $(BIN)/uv ## write requirements/ from pyproject.toml, without host names
	@$(COMPILE) --extra corpus --extra model --extra test --extra check --output-file requirements/development.txt
	@$(COMPILE) --extra corpus --constraints requirements/development.txt --output-file requirements/corpus.txt
	@$(COMPILE) --extra model --constraints requirements/development.txt --output-file requirements/model.txt

.PHONY: bench
bench: $(VENV)/.development ## speed and memory as ratios against peers, in one run
	$(BIN)/python -m benchmarks

.PHONY: clean
clean: ## remove what make made, but no corpus
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
