# `make lab` and `make test` need Python >= 3.11 and make, nothing else: each makes .venv and installs into it.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Two processes share the tests; a test that is still waiting moves to whichever is free.
WORKERS ?= 2
PARALLEL := --numprocesses $(WORKERS) --dist worksteal
# Else each process that a test starts compiles the whole gateway.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: lab test long lint unit one slowest coverage hostile fuzz polls boards bench bench-counts mutants soak soak-site deb deb-trial clean

lab: .venv/run.stamp
	$(BIN)/panel-gateway lab $(ARGS)

# Six minutes on two cores at most.
test: lint
	$(BIN)/pytest $(PARALLEL) -m "not long" $(ARGS)

# What `make test` has no time for: soaks, and processes that start and end many times.
long: .venv/test.stamp
	$(BIN)/pytest $(PARALLEL) -m long $(ARGS)

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.words

unit: .venv/test.stamp
	$(BIN)/pytest $(PARALLEL) -m "not cpu" tests/unit $(ARGS)

# make one T=tests/unit/test_framer.py, or any words of a test's name: make one T="framer and counted"
one: .venv/test.stamp
	@test -n "$(T)" || { echo 'usage: make one T=tests/unit/test_framer.py (a file, a test, or words of its name)'; exit 2; }
	@case "$(T)" in tests/*) set -- "$(T)" ;; *) set -- -k "$(T)" ;; esac; $(BIN)/pytest "$$@" $(ARGS)

slowest: .venv/test.stamp
	$(BIN)/pytest $(PARALLEL) -m "not long" --durations=20 --durations-min=0.1 $(ARGS)

coverage: .venv/test.stamp
	$(BIN)/pytest $(PARALLEL) -m "not cpu" --cov --cov-report=term:skip-covered tests/unit tests/contract $(ARGS)

# The long half of the attacks, some minutes; `make test` has the short one.
hostile: .venv/test.stamp
	HOSTILE=long $(BIN)/pytest tests/hostile $(ARGS)

# What follows from the OpenAPI document, for a minute, with packages of its own.
fuzz: .venv/fuzz.stamp
	.venv/fuzz/bin/python -m tests.fuzz $(ARGS)

# 200 calls a second for ten minutes; ARGS=--seconds=60 for a look.
polls: .venv/test.stamp
	$(BIN)/python -m tests.benchmarks.polls $(ARGS)

# UHPPOTE boards at length: 500 random profiles for every day of two years, 500 histories, 30,000 exchanges; some five minutes.
boards: .venv/test.stamp
	UHPPOTE_DAYS=all UHPPOTE_PROFILES=500 UHPPOTE_EXAMPLES=500 $(BIN)/pytest --timeout 1800 $(ARGS) \
		tests/unit/test_uhppote_years.py tests/unit/test_uhppote_people.py tests/contract/test_uhppote_soak.py

bench: .venv/test.stamp
	$(BIN)/python -m tests.benchmarks $(ARGS)

# A minute: frames, bytes and commits beside the committed ones, and it fails where one grew; ARGS=--write commits the new ones.
bench-counts: .venv/test.stamp
	$(BIN)/python -m tests.benchmarks.counts $(ARGS)

mutants: .venv/test.stamp
	$(BIN)/python -m tests.mutants $(ARGS)

# Hours: a thousand kills under load, a million exchanges for each kind of fault.
soak: .venv/test.stamp
	$(BIN)/python -m tests.benchmarks.kill9
	$(BIN)/python -m tests.benchmarks.soak_line

# A whole site: twenty days in virtual time, then an hour in real processes. SEEDS=1 HOURS=6 MINUTES=5 for a look.
SEEDS ?= 20
HOURS ?= 24
MINUTES ?= 60
soak-site: .venv/test.stamp
	$(BIN)/python -m tests.benchmarks.soak_site --seeds $(SEEDS) --hours $(HOURS)
	$(BIN)/python -m tests.benchmarks.soak_hour --minutes $(MINUTES)

# A Debian package in build/; needs python3-venv, dpkg-dev and binutils.
deb:
	sh config/debian/build.sh

# The package's life in a fresh Debian 12, and the way without it in another one, as root; needs mmdebstrap, too. Some five minutes.
deb-trial:
	sh config/debian/trial.sh
	sh config/debian/by_hand.sh

clean:
	rm -rf .venv .mutants build *.egg-info .coverage*

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run.stamp: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

.venv/fuzz.stamp: .venv/bin/python pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv/fuzz
	.venv/fuzz/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[fuzz]'
	touch $@

.venv/test.stamp: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[test]'
	$(PIP) --no-deps axe-playwright-python # only for the axe-core in it; the tests have no use for a browser driver of its kind
	touch $@ .venv/run.stamp
