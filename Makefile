# Everything a newcomer types. Needs Python 3.11 to 3.13 with venv, make and a package index; installs into .venv only.
PYTHON ?= python3
BIN := .venv/bin
HOME_DIR ?= .weft/demo
PORT ?= 3000

.DEFAULT_GOAL := help
.PHONY: help install demo real bench-accuracy bench-compositing bench-mosaic bench-registration ui test test-services lint lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# The stamp follows the lock: a changed lock re-installs, an unchanged one costs nothing.
.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Weft needs Python 3.11 to 3.13; say which: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: .venv/.installed ## create .venv from the lock

demo: install ## simulate an archive, materialise the whole lane, write .weft/demo/report.html
	$(BIN)/weft demo .weft/demo

real: install ## the same lane over the real scenes of ../shared/data, compared with a brute-force oracle
	$(BIN)/python -m benchmarks.real

.venv/.bench: .venv/.installed requirements-bench.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

bench-accuracy: .venv/.bench ## RMSE and bias of every compositing method against the simulator's truth, docs/accuracy.png
	$(BIN)/python -m benchmarks.bench_accuracy

bench-compositing: .venv/.bench ## the kernels beside their peers, a full tile beside the bare cost of its files
	$(BIN)/python -m benchmarks.bench_compositing

bench-mosaic: .venv/.bench ## a region of 40,000 x 40,000 pixels beside the bare cost of its files, and beside its peers
	$(BIN)/python -m benchmarks.bench_mosaic

bench-registration: .venv/.bench ## tie points a second beside scikit-image and AROSICS; a pair of 10980 x 10980 to one warped COG
	$(BIN)/python -m benchmarks.bench_registration

ui: install ## the Dagster UI on the demo region (HOME_DIR=.weft/demo PORT=3000)
	@test -f $(HOME_DIR)/region.yaml || $(MAKE) demo
	WEFT_HOME=$(abspath $(HOME_DIR)) DAGSTER_HOME=$(abspath $(HOME_DIR))/dagster $(BIN)/dagster dev -w workspace.yaml -p $(PORT)

test: install ## all tests that need no server of their own
	$(BIN)/python -m pytest -m "not services" -q -n auto --maxprocesses 4 --dist loadfile

test-services: install ## tests that start their own servers on loopback
	$(BIN)/python -m pytest -m services -q

lint: install ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: install ## resolve the locks anew (needs uv: $(BIN)/pip install uv)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --no-strip-extras --upgrade -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra postgres --extra k8s --extra celery --extra serve --extra netcdf \
		--extra geomedian --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--no-strip-extras --upgrade -c requirements.lock -o requirements-deploy.lock
	$(BIN)/uv pip compile pyproject.toml --extra bench --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --no-strip-extras --upgrade -c requirements.lock -o requirements-bench.lock

clean: ## remove state and caches, keep .venv
	rm -rf .weft .pytest_cache .mypy_cache .ruff_cache .hypothesis
