# make demo    install into .venv and run the main job        make test    install and run the test suite
# make bench   measure speed and memory                       make lint    ruff and mypy
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check
PYTEST_ARGS ?=
ROWS ?=

.PHONY: help demo test bench lint

help:
	@grep '^# make' Makefile | sed 's/^# //'

demo: $(VENV)/.installed
	@$(BIN)/ttscale demo

# Two workers with one thread each: the tests are many and small, so threads inside one would only wait for each other.
test: $(VENV)/.installed-dev
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope $(PYTEST_ARGS)

bench: $(VENV)/.installed-dev
	@$(BIN)/python tests/bench/run.py $(ROWS)

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/mypy

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "ttscale needs Python 3.11 or newer, and $(PYTHON) is not; name one: make PYTHON=python3.12" >&2; exit 2; }
	@echo "Installing ttscale into $(VENV) (the first time takes some minutes and 6 GB, most of it torch) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[lm]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing the tools for development ..."
	@$(PIP) --editable '.[dev]'
	@touch $@
