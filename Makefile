# make demo, make test: need Python 3.10 to 3.12, make and git; they set up .venv when it is missing.
PYTHON ?= python3
# Parallel test processes; each computes on one thread.
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The packages that pip builds are built with the pinned tools too (two names: old pip, new pip).
PIN := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
REQUIREMENTS := setup.py requirements.txt constraints.txt $(wildcard requirements/*.txt)

.PHONY: help demo test quick lint format install
help:
	@echo 'make demo     MiniDrive: source-only, STPL, report in work_dirs/demo'
	@echo 'make test     run the tests          make test ARGS="tests/ops -x"'
	@echo 'make quick    a part of them, under a minute'
	@echo 'make lint     check the code style'
	@echo 'make format   put the code into that style'
	@echo 'make install  only set up .venv      make install PYTHON=python3.11'

demo: $(STAMP)
	$(BIN)/python tools/demo.py $(ARGS)

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile $(ARGS)

quick: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal -m 'not slow and not gpu' $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(STAMP)

# The stamp comes last: an interrupted installation, and one that is older than the requirements,
# goes on at the next call. Nothing in an existing .venv is deleted.
$(STAMP): $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 10) <= v <= (3, 12) or sys.exit( \
		"$(PYTHON) is Python %d.%d, but 3.10 to 3.12 is needed: name one with make PYTHON=python3.11" % v)'
	test -f $@ || $(PYTHON) -m venv $(VENV)
	$(PIN) $(BIN)/python -m pip install -r requirements.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@
