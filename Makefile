# Everything is set up by the target that needs it: `make demo` and `make test` work on a machine with Python 3.11+, git, make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= linkwell-demo

.DEFAULT_GOAL := help
.PHONY: help demo test check format reference docs clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(BIN)/linkwell: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Linkwell needs Python 3.11 or newer; say PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/dev: $(BIN)/linkwell
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(BIN)/linkwell  ## tell the whole story on a small web, into ./linkwell-demo
	$(BIN)/linkwell demo $(DEMO)

test: $(VENV)/dev  ## run every test
	$(BIN)/python -m pytest -n auto --dist worksteal

check: $(VENV)/dev  ## lint, types, docs: what must be clean at every commit
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python scripts/reference.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir .cache/site

format: $(VENV)/dev  ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

reference: $(VENV)/dev  ## write the pages of the docs that are read off the code
	$(BIN)/python scripts/reference.py

docs: $(VENV)/dev  ## serve the documentation on loopback
	$(BIN)/mkdocs serve

clean:  ## remove what the targets made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache linkwell-demo
