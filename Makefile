# Two commands for a fresh machine: `make demo` and `make test`. Python 3.11 to 3.14 and make are all they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# CC=true: no compiler is needed. What has no wheel for the newest Python (immutables, for Snakemake) runs as Python.
INSTALL := CC=true $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check environment lock benchmark faults clean

demo: environment
	$(BIN)/genopipe demo demo

test: $(VENV)/test-installed
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: $(VENV)/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflows

environment: $(VENV)/installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { echo "genopipe needs Python 3.11 to 3.14; set PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "Python's venv module is missing: install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml requirements.lock | $(BIN)/python
	$(INSTALL) --constraint requirements.lock --editable .
	@touch $@

$(VENV)/test-installed: $(VENV)/installed
	$(INSTALL) --constraint requirements.lock --editable '.[test]'
	@touch $@

# The exact versions of everything, from a fresh environment.
lock:
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[test]'
	$(BIN)/python -m pip freeze --exclude-editable | grep -v '^genopipe' > requirements.lock

benchmark: $(VENV)/test-installed
	for script in fastq ingest align call evidence interpret archive recipes catalogue reanalyze; do $(BIN)/python benchmarks/$$script.py --output benchmarks/results/$$script.json || exit 1; done

# An archive under every fault, a quarter of an hour; then a running case killed at random moments, half an hour.
faults: $(VENV)/test-installed
	$(BIN)/python benchmarks/faults.py --output benchmarks/results/faults.json
	$(BIN)/python benchmarks/case_faults.py --output benchmarks/results/case_faults.json

clean:
	rm -rf $(VENV) demo build dist *.egg-info
