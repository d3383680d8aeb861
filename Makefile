# Everything runs from .venv, which is set up on first use and again only when pyproject.toml has changed.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help demo test e2e lint format bench bench-peers soak fuzz coverage collector docs pictures lock audit sbom compat clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  Options go in ARGS: make demo ARGS="--duration 30", make test ARGS="-k sse -x".'

demo: $(VENV)/.ready-demo ## a provider, a gateway and callers on this machine; Ctrl-C ends it
	@$(BIN)/otel-stream demo $(ARGS)

test: $(VENV)/.ready-test ## the fast tests: Python only, no network
	@$(BIN)/pytest $(ARGS)

e2e: $(VENV)/.ready-test $(VENV)/.ready-e2e ## the slow tests, against real gateways, collectors and browsers
	@$(BIN)/pytest -m e2e --timeout 900 $(ARGS)

lint: $(VENV)/.ready-test $(VENV)/.ready-lint ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo

format: $(VENV)/.ready-lint ## format the code and mend what ruff can mend
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.ready-test ## measure what we add, each number with its baseline and target
	@$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(VENV)/.ready-test ## measure us and other instrumentations on the same streams, write docs/benchmarks.md
	@$(BIN)/python -m benchmarks.peers $(ARGS)

soak: $(VENV)/.ready-test ## hundreds of streams through a gateway for minutes, then the books; ARGS="--seconds 60 --streams 100"
	@PYTHONPATH=tests:. $(BIN)/python -m benchmarks.soak $(ARGS)

fuzz: $(VENV)/.ready-test ## look for bytes that break a framing, a format or the tap; 2 minutes, ARGS="--seconds 600"
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --group fuzz || true
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(ARGS)

coverage: $(VENV)/.ready-test ## the fast tests with branch coverage
	@$(BIN)/pytest -q --cov --cov-report=term-missing:skip-covered $(ARGS)

collector: ## build an OpenTelemetry Collector with Go, check and run our configuration of it
	@dashboards/collector/run

docs: $(VENV)/.ready-test ## write the parts of docs/ that are made from the code
	@$(BIN)/python tests/generated.py

pictures: $(VENV)/.ready-test $(VENV)/.ready-e2e ## take the pictures of screen and page anew, of the running demo
	@PYTHONPATH=tests $(BIN)/python -m e2e.pictures $(ARGS)

lock: $(VENV)/.ready-test ## write requirements/*.txt: the versions that are tested, with hashes
	@for what in "run" "dev --all-extras --group test --group lint"; do set -- $$what; name=$$1; shift; \
	  $(BIN)/uv pip compile -q --universal --python-version 3.10 --generate-hashes --no-header $$@ pyproject.toml -o requirements/$$name.txt || exit 1; done

audit: $(VENV)/.ready-audit ## hold the locked versions against known vulnerabilities and releases nobody may use
	@$(BIN)/python requirements/audit.py

sbom: $(VENV)/.ready-audit ## write a bill of materials of what users install to dist/sbom.json
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements requirements/run.txt --pyproject pyproject.toml --output-reproducible -o dist/sbom.json
	@echo dist/sbom.json

compat: $(VENV)/.ready-test ## the tests with lowest and newest versions on each Python here; ARGS="--python 3.10"
	@$(BIN)/python requirements/compat.py $(ARGS)

clean: ## remove .venv, caches and reports
	rm -rf $(VENV) .coverage* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

# What each set of targets needs installed. pip reads dependency groups since 25.1.
WANTS_demo := -e '.[demo]'
WANTS_test := -e '.[compression,live,tui,demo]' --group test
WANTS_lint := --group lint
WANTS_audit := --group audit
WANTS_e2e  := --group e2e

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.10 or newer, or run make with PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1): 3.10 or newer is needed; run make with PYTHON=/path/to/python"; exit 1; }
	@echo "setting up $(VENV) with $$($(PYTHON) -V 2>&1) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "venv failed: on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'

$(VENV)/.ready-%: pyproject.toml | $(VENV)/bin/python
	@echo "installing what 'make $*' needs into $(VENV) (a minute or less, only when pyproject.toml has changed) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(WANTS_$*)
	@touch $@
