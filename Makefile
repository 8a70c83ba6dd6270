# `make` lists what can be done. Written for GNU Make 3.81, which macOS has.
PYTHON_BIN := .venv/bin
PYTEST := $(PYTHON_BIN)/python -m pytest
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' pyproject.toml

.PHONY: help demo-venv venv demo test lint format lock clean
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo-venv:
	@scripts/bootstrap demo

venv: ## make .venv with everything in it (the other targets do this by themselves)
	@scripts/bootstrap dev

test: venv ## run all tests; the e2e suite among them runs on localcluster
	$(PYTEST) -n auto --cov --cov-report=term-missing:skip-covered --cov-fail-under=90

lint: venv ## check style, types, layers, manifests and Dockerfiles
	$(PYTHON_BIN)/ruff check
	$(PYTHON_BIN)/ruff format --check
	$(PYTHON_BIN)/mypy
	$(PYTHON_BIN)/lint-imports

format: venv ## format the code and mend what ruff can mend
	$(PYTHON_BIN)/ruff format
	$(PYTHON_BIN)/ruff check --fix

lock: ## pin all dependencies anew (needs uv; UPGRADE=--upgrade takes newer versions)
	$(COMPILE) $(UPGRADE) --group test --group lint --group load --group build -o requirements-dev.lock
	$(COMPILE) --group load --group build -c requirements-dev.lock -o requirements-demo.lock
	$(COMPILE) -c requirements-dev.lock -o requirements.lock

clean: ## remove .venv and everything that can be made again
	rm -rf .venv .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
