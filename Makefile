# Every target sets up what it needs: an own virtual environment in .venv with the versions pinned in constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test lint format typecheck imports unit coverage chaos chaos-times bench clean

help:
	@echo "make setup       the virtual environment in .venv; every other target makes it, too"
	@echo "make demo        watch 653 rows (706 field changes) go from a file to a simulator of Feishu Project and back"
	@echo "make test        linters, types and every test; ONLY=tests/cli or ONLY='tests/cli -k import' for some tests alone"
	@echo "make lint        ruff; make typecheck: mypy; make imports: the import contracts; make unit: the tests alone"
	@echo "make format      ruff's formatter, and what its linter can mend by itself"
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

# Side by side, a file at a time: most tests wait for something. A test that fails is run once more, as another program on
# the same cores can starve real processes past a limit; the summary names each one as RERUN, and failing twice is failing.
TEST_PROCESSES ?= 3
ONLY ?=
unit: $(STAMP)
	@$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile --reruns 1 -raR $(ONLY)

test: $(if $(ONLY),,lint typecheck imports) unit

coverage: $(STAMP)
	@rm -rf .coverage .coverage.* .coverage-html
	@$(BIN)/coverage run -m pytest -n $(TEST_PROCESSES) --dist loadfile --reruns 1 -q $(ONLY)
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage html --quiet && $(BIN)/coverage report --skip-covered --sort=cover

# One seed after the other, then a kill at every step. What a failing seed leaves is in .feishu-batch/chaos.
SEED ?=
MINUTES ?= 1
chaos: $(STAMP)
	@PYTHONPATH=tests/e2e $(BIN)/python tests/chaos/driver.py $(if $(SEED),--seed $(SEED)) --minutes $(MINUTES)
	@CHAOS_ALL_POINTS=1 $(BIN)/pytest tests/chaos/test_crash_matrix.py

# How long each fault holds up the work, with default settings; takes about 20 minutes.
chaos-times: $(STAMP)
	@PYTHONPATH=tests/e2e $(BIN)/python tests/chaos/times.py

# What docs/performance.md says, measured here: about 20 minutes. Another program on the same cores shows in the figures.
QUICK ?=
BENCHES = pacing throughput batches latency enqueue bulk packing polling claim ending memory commands health idle lanes import_memory plots
BENCH_PYTHON = $(if $(filter plots idle,$*),bench/.venv-$*/bin/python,$(BIN)/python)
bench: $(patsubst %,bench-%,$(or $(ONLY),$(BENCHES)))

bench-%: $(STAMP)
	@echo "== $*"
	@$(BENCH_PYTHON) -m bench.$* $(if $(QUICK),--quick)

# What a benchmark needs beyond our own environment goes into one of its own.
bench-batches: bench/.venv-batches/.installed
bench-plots: bench/.venv-plots/.installed
bench-idle: bench/.venv-idle/.installed
bench/.venv-%/.installed: bench/requirements-%.txt
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean:
	rm -rf $(VENV) bench/.venv-* .coverage .coverage.* .coverage-html .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
