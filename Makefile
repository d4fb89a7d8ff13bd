# `make` alone says what there is. Nothing has to be installed first but Python 3.11+, Node.js 18+ and make itself.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

BIN := .venv/bin
# Tests that run side by side: most of their time is spent waiting for a browser or a deadline, so more than cores.
JOBS ?= 4
USER_VENV := .venv/.installed
VENV := .venv/.developer
BOT := examples/whatsapp-bot/node_modules/.package-lock.json

# The tests start scanonce hundreds of times: a setting that makes each start compile it anew costs them minutes.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: system $(VENV) $(BOT) libraries ## install what the tests and the benchmarks need, as far as it is missing

.PHONY: demo
demo: system $(USER_VENV) ## see it work: link, edit three times, lose the profile (KEEP=1: keep its folder to play with)
	@$(BIN)/scanonce demo $(if $(filter-out 0,$(KEEP)),--keep)

.PHONY: test
test: setup tools lint types ## everything that must hold: lint, types and all tests, with a real browser
	$(BIN)/pytest -n $(JOBS) --dist worksteal

.PHONY: fast
fast: $(VENV) tools lint types ## the same without a browser
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m "not e2e"

.PHONY: lint
lint: $(VENV) ## rules and format (ruff), and who may import whom (import-linter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

.PHONY: types
types: $(VENV) ## mypy, strict
	$(BIN)/mypy

.PHONY: fuzz
fuzz: $(VENV) ## feed every reader of files with odd bytes (MINUTES=20 in all)
	FUZZ_SECONDS=$$(( $(or $(MINUTES),20) * 60 / 7 )) $(BIN)/python -m pytest -q -o timeout=0 tests/fuzz

.PHONY: bench
bench: setup ## measure restarts against nodemon (ARGS="..." for other benchmarks, see docs/benchmarks.md)
	$(BIN)/python -m benchmarks $(or $(ARGS),restart --vs nodemon)

.PHONY: orderly
orderly: $(VENV) ## a bot that opens, closes, removes and adds accounts and helper browsers at random (MINUTES=60)
	$(BIN)/python -m benchmarks orderly --minutes $(or $(MINUTES),60)

.PHONY: picture
picture: setup ## make the pictures of a session in the README, from a real run
	$(BIN)/python scripts/picture.py

.PHONY: timings
timings: setup ## make the samples in docs/timings.md, from a real run
	$(BIN)/python scripts/timings.py

.PHONY: clean
clean: ## remove what setup, tests and tools have made; no session, no snapshot
	rm -rf .venv examples/whatsapp-bot/node_modules tests/e2e/libraries/node_modules dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find supervisor tests examples benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +

.PHONY: system tools libraries
system tools libraries:
	@scripts/setup $@

$(USER_VENV): pyproject.toml scripts/setup
	@scripts/setup venv
	@touch $@

$(VENV): pyproject.toml scripts/setup
	@scripts/setup developer
	@touch $(USER_VENV) $@

$(BOT): examples/whatsapp-bot/package-lock.json | $(VENV)
	@scripts/setup bot
	@touch $@
