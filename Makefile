# Two targets to begin with: `make drill` and `make test`. Everything lives in .venv; nothing else is touched.

PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 6
# Tests start hundreds of Python processes: none of them is to compile the product again, whatever this shell is set to.
unexport PYTHONDONTWRITEBYTECODE
# requirements.lock says which versions; what is installed of them, pyproject.toml says.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable

.PHONY: help drill test sweep-test race-test check-test test-dynamodb-local endurance-test busy-test manual-test lint findings format reference payload docs links pictures bench lock upgrade hooks dist clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-20s %s\n", $$1, $$2}'

.venv/installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("srekv needs Python 3.11 or later, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(INSTALL) .
	@touch $@

.venv/developed: .venv/installed
	$(INSTALL) '.[test,lint]'
	@touch $@

drill: .venv/installed ## Up, test, failover-test and down on the local target
	@bash scripts/drill $(BIN)/srekv

.venv/documented: .venv/installed
	$(INSTALL) '.[docs]'
	@touch $@

.venv/evaluator: tests/contract/policy/package-lock.json .venv/developed
	@if ! command -v npm >/dev/null; then touch $@; \
	elif npm ci --loglevel error --no-audit --no-fund --prefix tests/contract/policy >/dev/null; then touch $@; \
	elif [ -n "$$CI" ]; then exit 1; \
	else echo "npm cannot fetch the IAM evaluator: the tests that need it say so and are skipped"; fi

test: .venv/developed .venv/evaluator ## The whole test suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

sweep-test: .venv/developed ## Stop up and down at every call, in four ways; writes docs/reference/convergence.md (SHARE=3: today's third)
	$(BIN)/python -m pytest -m sweep -n $(WORKERS) --dist worksteal tests/contract/sweep --share $(or $(SHARE),1)

race-test: .venv/developed ## Two commands at once and interrupts, with more seeds than `make test` takes
	$(BIN)/python -m pytest -m sweep -n $(WORKERS) --dist worksteal tests/contract/test_together.py

check-test: .venv/developed ## The checker against a plain search, on 50,000 histories: minutes
	$(BIN)/python -m pytest -m sweep -n $(WORKERS) tests/unit/check

# npm has AWS's DynamoDB Local; its simulator for Amplify is only the box that the jar comes in, so nothing is installed.
SIMULATOR := amplify-dynamodb-simulator@2.9.30
DYNALITE := dynalite@4.0.0

.venv/databases: .venv/developed
	@if command -v npm >/dev/null; then bash scripts/databases .venv $(SIMULATOR) $(DYNALITE) && touch $@; fi

test-dynamodb-local: .venv/databases ## The store over AWS's DynamoDB Local and dynalite (needs java and npm)
	$(BIN)/python -m pytest -m "dynamodb_local and not endurance" tests/local

endurance-test: .venv/databases ## 100,000 operations while the database has bad days: minutes
	$(BIN)/python -m pytest -m endurance -k "dynamodb-local" tests/local/table/faults

busy-test: .venv/developed ## Twenty drills beside busy loops on every processor: none holds without a steady state (ten minutes)
	$(BIN)/python benchmarks/busy.py

manual-test: .venv/developed ## Every command of README.md and docs, run as a reader would (uses aws, dig and jq)
	$(BIN)/python -m pytest -m manual -n 4 --dist loadgroup -p no:randomly tests/local/manual

lint: .venv/developed ## ruff, mypy, shellcheck
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy scripts benchmarks
	$(BIN)/shellcheck .ci/run scripts/drill scripts/databases findings/*.sh

findings: ## Run every script of findings/; fails when other software has changed (downloads packages)
	@failed=; for script in findings/*.sh; do echo "$$script"; bash "$$script" || failed="$$failed $$script"; done; \
	[ -z "$$failed" ] || { echo "behaviour changed:$$failed"; exit 1; }

format: .venv/developed ## Write the files as ruff wants them, as far as it can
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

SPHINX := $(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going --doctree-dir build/doctrees

reference: .venv/documented ## Write the pages of docs/reference that are made from the code
	PYTHONPATH=scripts $(BIN)/python -m reference

payload: .venv/developed ## Write what nodes get of srekv/app, made small
	$(BIN)/python scripts/payload.py

docs: reference ## The manual as HTML, in build/docs; a warning or a dead link is an error
	$(SPHINX) -b html docs build/docs

links: .venv/documented ## Are the manual's links to other sites alive? (needs the internet)
	$(SPHINX) -b linkcheck docs build/links

.venv/pictured: .venv/installed
	$(INSTALL) '.[pictures]'
	@touch $@

pictures: .venv/pictured ## README's pictures, from a real run on this machine (needs Chromium)
	$(BIN)/python scripts/pictures

bench: .venv/developed ## Measure what the manual states (PART=service: only that)
	$(BIN)/python benchmarks/run.py $(PART)

.venv/locking: .venv/installed
	$(INSTALL) '.[lock]'
	@touch $@

lock: .venv/locking ## Bring both locks up to pyproject.toml, keeping every pin that still fits
	$(BIN)/python scripts/lock.py

upgrade: .venv/locking ## Both locks with the newest versions that pyproject.toml allows
	$(BIN)/python scripts/lock.py --upgrade

hooks: .venv/developed ## Let git run the linters before each commit (.pre-commit-config.yaml)
	$(INSTALL) '.[hooks]'
	$(BIN)/pre-commit install

dist: .venv/developed ## The wheel and the source distribution, in dist
	rm -rf dist
	$(BIN)/python -m hatchling build

clean: ## Remove .venv and what tools left behind
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/contract/policy/node_modules
