# Every target sets up what it needs: an own virtual environment in .venv with the versions pinned in constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint typecheck imports unit clean help chaos chaos-times bench

help:
	@echo "make demo   watch 653 rows (706 field changes) go from a file to a stand-in for Feishu Project and back"
	@echo "make test   linters, types and every test"
	@echo "make bench  every benchmark, into bench/results; QUICK=1 for a short run, ONLY=pacing for one"
	@echo "make chaos  random work under random faults; SEED=7 MINUTES=10 say which and for how long"

$(STAMP): pyproject.toml client/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "feishu-batch needs Python 3.11 or later; $$($(PYTHON) --version) was found. Name another with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ./client -e '.[dev]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/feishu-batch demo

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

typecheck: $(STAMP)
	@$(BIN)/mypy

imports: $(STAMP)
	@$(BIN)/lint-imports

# Side by side, a file at a time: most tests wait for something. A test that fails is run once more, as another program on
# the same cores can starve real processes past a limit; the summary names each one as RERUN, and failing twice is failing.
TEST_PROCESSES ?= 3
unit: $(STAMP)
	@$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile --reruns 1 -raR

test: lint typecheck imports unit

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
ONLY ?= pacing throughput batches latency enqueue bulk packing polling claim ending memory commands idle lanes import_memory plots
BENCH_PYTHON = $(if $(filter plots idle,$*),bench/.venv-$*/bin/python,$(BIN)/python)
bench: $(ONLY:%=bench-%)

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
	rm -rf $(VENV) bench/.venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
