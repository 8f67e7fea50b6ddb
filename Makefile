# Everything sets itself up from Python 3.11 and make. `make run` starts the application with demo templates.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto
ARGS ?=

.PHONY: help setup run test lint types imports migrations-check bench format clean lock screenshots

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

setup: $(VENV)/.dev ## Create .venv with everything for development (quick when nothing changed)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Coder Admin needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@echo "Creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.lock | $(BIN)/python
	@echo "Installing what the application needs (about a minute on the first run)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.lock
	@touch $@

$(VENV)/.dev: requirements/dev.lock requirements/runtime.lock | $(BIN)/python
	@echo "Installing what tests and checks need (a minute or two on the first run)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $(VENV)/.runtime $@

run: $(VENV)/.runtime ## Start the application with its demo templates (ARGS="--port 9000")
	@exec $(BIN)/python manage.py up --demo $(ARGS)

test: $(VENV)/.dev ## Run the tests (ARGS="tests/prebuilds -k claim", WORKERS=4)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

lint: $(VENV)/.dev ## Check style, imports between rooms, templates and direct sends
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@git ls-files '*.html' | xargs -r $(BIN)/djade --target-version 5.2 --check

types: $(VENV)/.dev ## Check types (mypy, strict)
	@$(BIN)/mypy

migrations-check: $(VENV)/.dev ## Fail when a model change has no migration
	@$(BIN)/python manage.py makemigrations --check --dry-run

bench: $(VENV)/.dev ## Measure the figures that README.md names
	@$(BIN)/python -m bench $(ARGS)

format: $(VENV)/.dev ## Rewrite the sources in house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@git ls-files '*.html' | xargs -r $(BIN)/djade --target-version 5.2

screenshots: $(VENV)/.dev ## Take the pictures of README.md with Chromium
	@$(BIN)/python docs/screenshots.py $(ARGS)

lock: $(VENV)/.dev ## Resolve requirements/*.in anew into the lock files
	@for set in runtime dev; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-strip-extras --no-header -o requirements/$$set.lock requirements/$$set.in || exit 1; done

clean: ## Remove everything that can be made again, except the data folder
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
