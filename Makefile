# `make` lists what can be done. Written for GNU Make 3.81, which macOS has.
PYTHON_BIN := .venv/bin
PYTEST := $(PYTHON_BIN)/python -m pytest
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras --custom-compile-command 'make lock'
# HOST is not ?=, because some shells export the machine's name as HOST.
HOST = http://localhost:8080
RATE ?= 100
# Tests mostly wait: two cores are busy with four of them at once.
WORKERS ?= 4
DURATION ?= 60s
CHART := 88.5.3

.PHONY: help demo demo-venv venv test test-long e2e load bench bench-load bench-verdict bench-watch prometheus monitoring lint format lock clean
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: demo-venv ## watch a good release being promoted and a bad one rejected (CLUSTER=kind or CONTEXT=… elsewhere; KEEP=1)
	@$(PYTHON_BIN)/python -m scripts.demo

demo-venv:
	@scripts/bootstrap demo

venv: ## make .venv with everything in it (the other targets do this by themselves)
	@scripts/bootstrap dev

test: venv ## run all tests; the e2e suite among them runs on localcluster
	$(PYTEST) -n $(WORKERS) --cov --cov-report=term-missing:skip-covered --cov-fail-under=90

test-long: venv ## run the tests that take long: installs by old and new tools, drivers that are killed after any write
	$(PYTEST) -m long -n 2 --timeout 900

e2e: venv ## run the e2e suite on a kind cluster of its own (OFFLINE=1 without a registry; CONTEXT=… elsewhere; KEEP=1; LONG=1 adds e2e/long)
	$(PYTHON_BIN)/python scripts/run_e2e.py

load: venv ## send RATE=100 requests/s to HOST=http://localhost:8080 for DURATION=60s (KEEP_ALIVE=1, RAMP=30s: docs/load.md)
	$(PYTHON_BIN)/locust --locustfile loadtest/locustfile.py --headless --only-summary --host $(HOST) --run-time $(DURATION) \
	  --users $$((($(RATE) + 9) / 10)) --spawn-rate 100 --rate 10

bench: venv ## measure localcluster against its limits
	$(PYTHON_BIN)/python -m bench.localcluster

bench-verdict: ## simulate the verdict beside what others do; writes the tables of docs/verdict.md (ARGS=--full or --candidates for more)
	@scripts/bootstrap bench
	$(PYTHON_BIN)/python -m bench.verdict $(ARGS)

bench-load: venv ## measure requests/s per core of Locust, Fortio and the app (FORTIO=path of fortio)
	$(PYTHON_BIN)/python -m bench.load

bench-watch: venv ## measure the CPU and memory that canary watch takes for 10, 100 and 1,000 pods (SECONDS=40 PODS="10 100 1000")
	$(PYTHON_BIN)/python -m bench.watch

prometheus: venv ## install a plain Prometheus into the current context's cluster
	kubectl apply -k monitoring/prometheus
	kubectl -n monitoring rollout status deployment/prometheus --timeout=180s

monitoring: ## install the Prometheus operator and Grafana there instead, by Helm (docs/prometheus.md)
	helm upgrade --install sampleapp kube-prometheus-stack --repo https://prometheus-community.github.io/helm-charts \
	  --version $(CHART) --values monitoring/kube-prometheus-stack.values.yaml --wait --timeout 10m
	kubectl apply -f misc/service-monitor.yml
	kubectl apply -k monitoring/grafana

lint: venv ## check style, types, layers, manifests and Dockerfiles
	$(PYTHON_BIN)/ruff check
	$(PYTHON_BIN)/ruff format --check
	$(PYTHON_BIN)/mypy
	$(PYTHON_BIN)/lint-imports
	$(PYTHON_BIN)/kubernetes-validate --strict --quiet $(filter-out %/prometheus.yml,$(wildcard manifests/*.yml misc/*.yml monitoring/*/*.yml loadtest/*.yml pipeline/*.yml))
	$(PYTHON_BIN)/hadolint $(wildcard */Dockerfile)

format: venv ## format the code and mend what ruff can mend
	$(PYTHON_BIN)/ruff format
	$(PYTHON_BIN)/ruff check --fix

lock: ## pin all dependencies anew (needs uv; UPGRADE=--upgrade takes newer versions)
	$(COMPILE) pyproject.toml --extra localcluster $(UPGRADE) --group test --group lint --group load --group build -o requirements/dev.lock
	$(COMPILE) pyproject.toml --extra localcluster --group load --group build -c requirements/dev.lock -o requirements/demo.lock
	$(COMPILE) pyproject.toml --extra localcluster $(UPGRADE) --group bench --group build -c requirements/dev.lock -o requirements/bench.lock
	$(COMPILE) pyproject.toml -c requirements/dev.lock -o requirements/canary.lock
	$(COMPILE) app/requirements.in -c requirements/dev.lock -o app/requirements.txt

clean: ## remove .venv and everything that can be made again
	rm -rf .venv .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
