# Needs Python 3.11 or newer with venv, nothing else: the rest is installed into .venv and third_party/*/.venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help install demo test check bench lock clean

help:
	@echo "make demo    generate a small data set, train a tiny model on it, show its scores"
	@echo "make test    ruff, mypy and every test, those with the real toolkits too"
	@echo "make check   ruff, mypy and the quick tests"
	@echo "make bench   the speed table (tests/benchmarks/README.md)"
	@echo "make lock    make the locks again from pyproject.toml and third_party/*/requirements.in"

$(READY): .ci/requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .ci/requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--config-settings editable_mode=compat -e .
	@touch $@

install: $(READY)

demo: $(READY)
	$(BIN)/python -m orchestrator.demo demo/data
	$(BIN)/python -m orchestrator run recipes/demo.yaml --runs-dir demo/runs --results-dir demo/results

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q -m "not toolkit"

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q --durations=15

bench: $(READY)
	$(BIN)/python -m tests.benchmarks

lock: $(READY)
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 \
		--extra video --extra dev --extra hub pyproject.toml -o .ci/requirements.lock
	for folder in third_party/*/; do $(BIN)/uv pip compile --quiet --generate-hashes --no-header \
		--python-version 3.11 $$folder/requirements.in -o $$folder/requirements.lock; done

clean:
	rm -rf demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
