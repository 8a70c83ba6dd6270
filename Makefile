# `make` lists the targets. Works with GNU Make 3.81, which macOS has.
PYTHON_BIN := .venv/bin
PYTEST := $(PYTHON_BIN)/python -m pytest
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras --custom-compile-command 'make lock'
# HOST is not set with ?=, because some shells export the machine's name as HOST.
HOST = http://localhost:8080
RATE ?= 100
# Tests mostly wait, so four at once keep two cores busy. Each worker takes up to a gigabyte.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 4); echo $$((n < 4 ? 4 : n > 8 ? 8 : n)))
DURATION ?= 60s
SCREENSHOTS ?= .cache/screenshots
# For make fork: the name of your app, and its image without a tag.
NAME ?=
IMAGE ?=
CHART := 88.5.3
ACTIONLINT := v1.7.12

.PHONY: help demo demo-venv lesson check solve venv test coverage test-long bundle e2e screenshots load bench bench-load bench-verdict bench-watch bench-console prometheus monitoring lint actionlint format lock fork clean
.DEFAULT_GOAL := help

help: ## list the available targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: demo-venv ## release a good and a bad version: one is promoted, the other rejected (GATE=console, TRAFFIC=gateway, CLUSTER=kind, CONTEXT=NAME, KEEP=1)
	@$(PYTHON_BIN)/python -m scripts.demo

demo-venv:
	@scripts/bootstrap $(if $(filter gateway,$(TRAFFIC)),gateway,demo)

lesson: venv ## prepare lesson N=3 of docs/tutorial.md, whatever state cluster and app are in (NAMESPACE=NAME)
	@$(PYTHON_BIN)/python -m scripts.workshop lesson

check: venv ## say what is right and what is missing in lesson N=3, by looking at the cluster (NAMESPACE=NAME)
	@$(PYTHON_BIN)/python -m scripts.workshop check

solve: venv ## do lesson N=3 by running the commands of its page (NAMESPACE=NAME)
	@$(PYTHON_BIN)/python -m scripts.workshop solve

venv: ## create .venv with all packages (other targets do this when needed)
	@scripts/bootstrap dev

test: venv ## run the tests, including the e2e suite on localcluster, without those of test-long (in a browser only with Chromium)
	$(PYTEST) -n $(WORKERS)

coverage: venv ## measure how much of the driver its own tests cover (apart from make test, because it doubles their time)
	$(PYTEST) tests/canary -n $(WORKERS) --cov --cov-report=term-missing:skip-covered --cov-fail-under=90

test-long: venv ## run the slow tests: installs with old and new tools, drivers that are killed after each write, most chapters of the workshop
	$(PYTEST) -m long -n 3 --timeout 900

bundle: demo-venv ## make one archive of sources and packages for machines without a network (PLATFORMS=, PYTHONS=; see docs/offline.md)
	@PLATFORMS="$(PLATFORMS)" PYTHONS="$(PYTHONS)" $(PYTHON_BIN)/python -m scripts.bundle

e2e: venv ## run the e2e suite on a new kind cluster (OFFLINE=1 without a registry, CONTEXT=NAME, KEEP=1, LONG=1 adds e2e/long)
	$(PYTHON_BIN)/python scripts/run_e2e.py

screenshots: venv ## take the picture of README from a demo, and pictures of the console's states into SCREENSHOTS=.cache/screenshots (needs Chromium)
	$(PYTHON_BIN)/python -m scripts.make_readme_picture
	$(PYTHON_BIN)/python -m scripts.make_screenshots $(SCREENSHOTS)

load: venv ## send RATE=100 requests/s to HOST=http://localhost:8080 for DURATION=60s (KEEP_ALIVE=1, RAMP=30s; see docs/load.md)
	$(PYTHON_BIN)/locust --locustfile loadtest/locustfile.py --headless --only-summary --host $(HOST) --run-time $(DURATION) \
	  --users $$((($(RATE) + 9) / 10)) --spawn-rate 100 --rate 10

bench: venv ## measure localcluster and check its limits
	$(PYTHON_BIN)/python -m bench.localcluster

bench-verdict: ## simulate the verdict and other rules; writes the tables of docs/verdict.md (ARGS=--full, ARGS=--candidates, ARGS="--seed 7 --print")
	@scripts/bootstrap bench
	$(PYTHON_BIN)/python -m bench.verdict $(ARGS)

bench-load: venv ## measure the requests/s per core of Locust, Fortio and the app (FORTIO=path of fortio)
	$(PYTHON_BIN)/python -m bench.load

bench-watch: venv ## measure the CPU and memory of canary watch with 10, 100 and 1,000 pods (SECONDS=40, PODS="10 100 1000")
	$(PYTHON_BIN)/python -m bench.watch

bench-console: venv ## measure an update of the console with 10 metrics and 1,000 scrapes, and check its limits (script only with Chromium)
	$(PYTHON_BIN)/python -m bench.console

prometheus: venv ## install a plain Prometheus in the cluster of the current context
	kubectl apply --server-side -k monitoring/prometheus
	kubectl -n monitoring rollout status deployment/prometheus --timeout=180s

monitoring: ## install the Prometheus operator and Grafana there instead, with Helm (see docs/prometheus.md)
	helm upgrade --install sampleapp kube-prometheus-stack --repo https://prometheus-community.github.io/helm-charts \
	  --version $(CHART) --values monitoring/kube-prometheus-stack.values.yaml --wait --timeout 10m
	kubectl apply -f misc/service-monitor.yml
	kubectl apply -k monitoring/grafana

lint: venv ## check code style, types, imports, manifests, Dockerfiles and links between pages
	$(PYTHON_BIN)/ruff check
	$(PYTHON_BIN)/ruff format --check
	$(PYTHON_BIN)/mypy
	$(PYTHON_BIN)/lint-imports
	$(PYTHON_BIN)/kubernetes-validate --strict --quiet $(filter-out %/prometheus.yml,$(wildcard manifests/*.yml misc/*.yml monitoring/*/*.yml loadtest/*.yml pipeline/*.yml))
	$(PYTHON_BIN)/python -m scripts.check_links
	$(PYTHON_BIN)/hadolint $(wildcard */Dockerfile)
	$(PYTHON_BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(wildcard .github/workflows/*.yml)
	$(PYTHON_BIN)/check-jsonschema --builtin-schema vendor.github-actions $(wildcard pipeline/github/*.yml pipeline/github/*/*.yml)
	$(PYTHON_BIN)/check-jsonschema --builtin-schema vendor.azure-pipelines --data-transform azure-pipelines \
	  --regex-variant nonunicode azure-pipelines.yml pipeline/azure/canary-steps.yml
	$(PYTHON_BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(PYTHON_BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(PYTHON_BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml

actionlint: ## check expressions, inputs and scripts of .github/workflows (needs Go; uses shellcheck if it is installed)
	@if command -v go >/dev/null; then go run github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT); \
	  else echo "actionlint is skipped: the command go is missing"; fi

format: venv ## format the code and fix what ruff can fix
	$(PYTHON_BIN)/ruff format
	$(PYTHON_BIN)/ruff check --fix

lock: ## update the lock files in requirements/ (needs uv; UPGRADE=--upgrade takes newer versions)
	$(COMPILE) pyproject.toml --extra localcluster $(UPGRADE) --group test --group lint --group gateway --group load --group build -o requirements/dev.lock
	$(COMPILE) pyproject.toml --extra localcluster --group load --group build -c requirements/dev.lock -o requirements/demo.lock
	$(COMPILE) pyproject.toml --extra localcluster --group load --group build --group workshop -c requirements/dev.lock -o requirements/workshop.lock
	$(COMPILE) pyproject.toml --extra localcluster --group load --group build --group gateway -c requirements/dev.lock -o requirements/gateway.lock
	$(COMPILE) pyproject.toml --extra localcluster $(UPGRADE) --group bench --group build -c requirements/dev.lock -o requirements/bench.lock
	$(COMPILE) pyproject.toml -c requirements/dev.lock -o requirements/canary.lock
	$(COMPILE) --group build -c requirements/dev.lock -o requirements/build.lock
	$(COMPILE) app/requirements.in -c requirements/dev.lock -o app/requirements.txt

# The environment passes NAME and IMAGE on as they are, whatever characters they have.
fork: export NAME := $(value NAME)
fork: export IMAGE := $(value IMAGE)
fork: venv ## rename the app for your fork (NAME=shop IMAGE=registry.example/shop; see docs/your-own-app.md)
	@$(PYTHON_BIN)/python scripts/fork.py "--name=$$NAME" "--image=$$IMAGE"

clean: ## remove .venv, dist and all caches
	rm -rf .venv dist .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
