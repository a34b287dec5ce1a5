# Needs Python 3.11 or newer with venv, nothing else: the rest is installed into .venv and third_party/*/.venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
# the rooms whose quick tests must run 85 % of their code
COVERED := plan run launch cli scores
# quick tests wait as much as they work; a real toolkit wants the machine for itself
PARALLEL := -n logical --maxprocesses 4 --dist worksteal
# jobs on a cluster wait more than they work; each process of pytest has a cluster of its own
CLUSTERS := -n 4 --dist worksteal
# what `make chaos` disturbs
TOOLKIT ?= echo

.PHONY: help install demo schema reference example lint check test test-slurm test-all cover bench gpu-check chaos lock clean

help:
	@echo "make install   .venv, which everything else here needs and makes by itself"
	@echo "make demo      generate a small data set, train a tiny model on it, show its scores"
	@echo "make example   docs/report.html again, from docs/example and the published numbers"
	@echo "make schema    recipes/recipe.schema.json again, by which editors know a recipe's keys"
	@echo "make reference docs/reference/ again: keys of recipes, commands, columns, known failures"
	@echo "make lint      ruff and mypy"
	@echo "make check     ruff, mypy and the quick tests"
	@echo "make test      these, one proof of each kind with the real toolkits, and test-slurm"
	@echo "make test-slurm  jobs on a real Slurm that the tests start on this machine (root, Slurm installed; else it skips)"
	@echo "make test-all  every test, the longer proofs too"
	@echo "make cover     the quick tests, and how much of the orchestrator they run"
	@echo "make bench     the speed table (tests/benchmarks/README.md)"
	@echo "make gpu-check what only a GPU can show, tried part by part; writes a page (ARGS='--only swift' and the like)"
	@echo "make chaos     disturb runs in hundreds of ways, print what was survived (TOOLKIT=llamafactory: the real one)"
	@echo "make clean     remove the demo and the caches of ruff, mypy and pytest"
	@echo "make lock      make the locks again from pyproject.toml and third_party/*/requirements.in"

$(READY): .ci/requirements.lock pyproject.toml
	$(PYTHON) -I orchestrator/machine/meter.py "making .venv" $(PYTHON) -m venv .venv
	$(BIN)/python -I orchestrator/machine/meter.py "installing $$(grep -c == .ci/requirements.lock) packages into .venv" \
		$(BIN)/pip install --quiet --disable-pip-version-check --no-input --require-hashes -r .ci/requirements.lock
	$(BIN)/python -I orchestrator/machine/meter.py "installing the orchestrator" \
		$(BIN)/pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation \
		--config-settings editable_mode=compat -e .
	@touch $@

install: $(READY)

demo: $(READY)
	$(BIN)/python -m orchestrator.data.demo demo/data
	$(BIN)/python -m orchestrator run recipes/demo.yaml --runs-dir demo/runs --results-dir demo/results

schema: $(READY)
	MMLA_DATA_ROOT=none $(BIN)/python -m orchestrator show --schema > recipes/recipe.schema.json

reference: $(READY)
	$(BIN)/python -m tests.reference

example: $(READY)
	$(BIN)/python -m orchestrator.data.demo demo/data
	$(BIN)/python -m orchestrator report docs/example --published --data-root demo/data \
		--title "MMLA: published results, and the demo" --out docs/report.html

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint
	$(BIN)/pytest -q $(PARALLEL) -m "not toolkit and not long and not browser and not slurm"

test: check
	$(BIN)/pytest -q -m "(toolkit or browser) and not long"
	$(MAKE) --no-print-directory test-slurm

test-slurm: $(READY)
	$(BIN)/pytest -q $(CLUSTERS) -m "slurm and not long"

test-all: lint
	$(BIN)/pytest -q $(PARALLEL) -m "not toolkit and not browser and not slurm"
	$(BIN)/pytest -q -m "(toolkit or browser) and not slurm"
	$(BIN)/pytest -q $(CLUSTERS) -m slurm

cover: $(READY)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -m "not toolkit and not long and not browser and not slurm"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --include="$$(printf 'orchestrator/%s/*,' $(COVERED))"
	@for room in $(COVERED); do \
		percent=$$($(BIN)/coverage report --format=total --include="orchestrator/$$room/*"); \
		echo "$$room: $$percent %"; \
		[ "$$percent" -ge 85 ] || low="$$low $$room"; \
	done; [ -z "$$low" ] || { echo "below 85 %:$$low" >&2; exit 1; }

bench: $(READY)
	$(BIN)/python -m tests.benchmarks

gpu-check: $(READY)
	$(BIN)/python -m tests.gpu_check $(ARGS)

chaos: $(READY)
	$(BIN)/python -m tests.chaos --toolkit $(TOOLKIT)
	$(BIN)/python -m tests.chaos --toolkit $(TOOLKIT) --twenty

lock: $(READY)
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 \
		--extra video --extra dev --extra hub --extra figures pyproject.toml -o .ci/requirements.lock
	for folder in third_party/*/; do $(BIN)/uv pip compile --quiet --generate-hashes --no-header \
		--python-version 3.11 $$folder/requirements.in -o $$folder/requirements.lock; done

clean:
	rm -rf demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
