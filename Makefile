# `make lab` and `make test` need Python >= 3.11 and make, nothing else: each makes .venv and installs into it.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: lab test bench mutants clean

lab: .venv/run.stamp
	$(BIN)/panel-gateway lab $(ARGS)

test: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest $(ARGS)

bench: .venv/test.stamp
	$(BIN)/python -m tests.benchmarks $(ARGS)

mutants: .venv/test.stamp
	$(BIN)/python -m tests.mutants $(ARGS)

clean:
	rm -rf .venv .mutants build *.egg-info

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run.stamp: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

.venv/test.stamp: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[test]'
	touch $@ .venv/run.stamp
