# Every target does its own set-up: a bare machine needs python3 (3.11 or newer, with venv), make and a network.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Processes that share the tests: more of them need as many cores, and ten connections each.
WORKERS ?= 2
# Dagster starts a process for each run: without bytecode every one of them compiles its imports anew, two seconds each.
unexport PYTHONDONTWRITEBYTECODE

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: .venv/installed ## a virtual environment with the locked versions

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 is older than 3.11: set PYTHON=python3.11 or newer"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3 has no venv: install the package python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/python -m compileall -q -j 0 $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') || true
	@touch $@

demo: install ## try it: a simulated dialer, its whole history synced and counted after; no server needed
	$(BIN)/vici-brain demo

dev: install ## the UI on http://127.0.0.1:3000 and the daemon, the simulated dialer taking calls
	$(BIN)/vici-brain dev

test: install ## all tests, on real MariaDB and PostgreSQL, in WORKERS=2 processes; one file: .venv/bin/pytest FILE
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

test-fast: install ## pure rules only, seconds
	$(BIN)/pytest tests/domain tests/test_errors.py tests/test_settings.py

test-db: install ## only what talks to MariaDB
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m mariadb

bench: install ## what the bulk path costs beside the plain pipe, on the machine's MariaDB and PostgreSQL; a quarter of an hour
	$(BIN)/python -m benchmarks.run $(BENCH)

bench-peers: install ## the same beside dlt, sling and ingestr, as far as they can be installed, in an environment of their own
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@grep -v '^#' benchmarks/peers.txt | while read -r peer; do \
		.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check "$$peer" || echo "left out: $$peer cannot be installed"; done
	$(BIN)/python -m benchmarks.run --peers .venv-peers $(BENCH)

ui-session: install ## a scripted browser through the UI on a scratch site, screenshots to docs/images; needs Node and Chromium
	cd tests/browser && npm install --silent --no-package-lock && node session.mjs

check: install ## style, types, floors, and that Dagster loads the definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dagster definitions validate -w workspace.yaml

format: install ## put the layout right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: install ## pin the newest versions that fit pyproject.toml
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
		--allow-unsafe --output-file requirements.lock --extra dev pyproject.toml

clean: ## remove the demo's data, not the virtual environment
	rm -rf .vici-brain

.PHONY: help install demo dev test test-fast test-db bench bench-peers ui-session check format lock clean
