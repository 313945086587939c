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

.PHONY: help demo test quick lint types format metafiles docs install
help:
	@echo 'make demo       MiniDrive: source-only, STPL, DACS, report in work_dirs/demo'
	@echo '                to real video: make demo CAMVID=FOLDER'
	@echo 'make test       run the tests          make test ARGS="tests/ops -x"'
	@echo 'make quick      a part of them, under a minute on two cores'
	@echo 'make lint       check the code style and the types'
	@echo 'make types      check the types alone'
	@echo 'make format     put the code into that style'
	@echo 'make metafiles  write metafile.yml and model-index.yml after a change of configs'
	@echo 'make docs       build the documentation site in work_dirs/docs'
	@echo 'make install    only set up .venv      make install PYTHON=python3.11'

demo: $(STAMP)
	$(BIN)/python tools/demo.py $(if $(CAMVID),--camvid "$(CAMVID)") $(ARGS)

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile $(ARGS)

# All tests of tools are slow: they are not even collected.
quick: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal --ignore tests/tools \
		-m 'not slow and not gpu' $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

metafiles: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore .dev_scripts/make_metafiles.py

docs: $(VENV)/.docs
	$(BIN)/python -W ignore -m sphinx -q -W --keep-going -b html -c docs -d work_dirs/docs/doctrees \
		. work_dirs/docs/html
	@echo work_dirs/docs/html/index.html

$(VENV)/.docs: $(STAMP) requirements/docs.txt
	$(PIN) $(BIN)/python -m pip install -r requirements/docs.txt -c constraints.txt
	@touch $@

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
