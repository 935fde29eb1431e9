# Thin names for commands; each one sets up .venv/ first, which takes a moment once it is done.
PYTHON ?= python3
VENV := .venv/bin/

.PHONY: demo test setup lint wheels record versions

demo:  ## ask the embedded model about the example pictures and clip
	@$(PYTHON) .ci/environment.py demo

test:  ## the whole test suite
	@$(PYTHON) .ci/environment.py test

setup:
	@$(PYTHON) .ci/environment.py

lint: setup  ## ruff and mypy, as in CI
	@$(VENV)ruff check .
	@$(VENV)ruff format --check .
	@$(VENV)mypy

wheels: setup  ## build the wheels and try them in empty environments
	@$(VENV)python .ci/check_wheels.py

record: setup  ## verify the plugins, record what came of it, write docs/verification.md
	@$(VENV)python .ci/record.py

versions: setup  ## resolve .ci/constraints.txt anew
	@$(VENV)python .ci/versions.py
