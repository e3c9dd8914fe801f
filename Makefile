# Every target sets up what it needs: a virtual environment in .venv with the versions pinned in constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test lint format typecheck imports unit coverage chaos chaos-times bench clean

help:
	@echo "make setup       creates the virtual environment in .venv; every other target does so too"
	@echo "make demo        imports 653 rows (706 field changes) into a simulator of Feishu Project"
	@echo "make test        linters, types and every test; ONLY=tests/cli or ONLY='tests/cli -k import' for some tests alone"
	@echo "make lint        ruff; make typecheck: mypy; make imports: the import contracts; make unit: the tests alone"
	@echo "make format      ruff's formatter, and what its linter can fix by itself"
	@echo "make coverage    the tests with coverage, of the processes they start as well; report in .coverage-html"
	@echo "make bench       every benchmark, into bench/results; QUICK=1 for a short run, ONLY=pacing for one"
	@echo "make chaos       random work under random faults, then a kill at every step; SEED=7 MINUTES=10"
	@echo "make chaos-times how long each fault stops the work"
	@echo "make clean       removes the environments and every cache"

$(STAMP): pyproject.toml client/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "feishu-batch needs Python 3.11 or later; $$($(PYTHON) --version) was found. Name another with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ./client -e '.[dev]'
	@touch $@

setup: $(STAMP)

demo: $(STAMP)
	@$(BIN)/feishu-batch demo

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(STAMP)
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format .

typecheck: $(STAMP)
	@$(BIN)/mypy

imports: $(STAMP)
	@$(BIN)/lint-imports

# Side by side, a file at a time: most tests wait for something, so there are more of them than cores. A test of real
# processes that fails is run again; the summary names each one as RERUN, and failing twice is failing.
TEST_PROCESSES ?= 6
ONLY ?=
unit: $(STAMP)
	@$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile $(ONLY)

test: $(if $(ONLY),,lint typecheck imports) unit

coverage: $(STAMP)
	@rm -rf .coverage .coverage.* .coverage-html
	@$(BIN)/coverage run -m pytest -n $(TEST_PROCESSES) --dist loadfile -q $(ONLY)
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage html --quiet && $(BIN)/coverage report --skip-covered --sort=cover

# One seed after the other, then a kill at every step. The files of a failing seed are in .feishu-batch/chaos.
SEED ?=
MINUTES ?= 1
chaos: $(STAMP)
	@$(BIN)/python -m tests.chaos.driver $(if $(SEED),--seed $(SEED)) --minutes $(MINUTES)
	@CHAOS_ALL_POINTS=1 $(BIN)/pytest tests/chaos/test_crash_matrix.py

# How long each fault stops the work, with default settings; takes about 20 minutes.
chaos-times: $(STAMP)
	@$(BIN)/python -m tests.chaos.times

# The figures of docs/performance.md, measured here: about 20 minutes. Another program on the same cores changes them.
QUICK ?=
BENCHES = pacing tables singles throughput batches latency enqueue bulk packing polling claim longest ending memory commands health history idle lanes import_memory plots
BENCH_PYTHON = $(if $(filter plots idle,$*),bench/.venv-$*/bin/python,$(BIN)/python)
bench: $(patsubst %,bench-%,$(or $(ONLY),$(BENCHES)))

bench-%: $(STAMP)
	@echo "== $*"
	@$(BENCH_PYTHON) -m bench.$* $(if $(QUICK),--quick)

# Further packages of a benchmark are installed into a separate environment.
bench-batches: bench/.venv-batches/.installed
bench-plots: bench/.venv-plots/.installed
bench-idle: bench/.venv-idle/.installed
bench/.venv-%/.installed: bench/requirements-%.txt
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean:
	rm -rf $(VENV) bench/.venv-* .coverage .coverage.* .coverage-html .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
