"""The accounts of pipeline/rbac.yml, used as in docs/rights.md, can do their work and nothing else."""

from __future__ import annotations

import os
from html import unescape
from pathlib import Path

import pytest
import yaml

from e2e.accounts import DEPLOY, PROMOTE, SECRET, WATCH, log_in, secret
from e2e.cluster import Namespace
from e2e.console import Page
from e2e.documented_commands import type_lines
from e2e.drivers import started, told
from e2e.gateway import accept_route, serves_routes
from e2e.prometheus import install
from e2e.traffic import Traffic

pytestmark = [
    pytest.mark.skipif("E2E_KUBECONFIG" not in os.environ, reason="localcluster has no RBAC"),
    pytest.mark.timeout(300),
]

GATEWAY = ("--traffic", "gateway", "--route", "sampleapp")


@pytest.fixture
def accounts(stable: Namespace) -> Namespace:
    """Give a namespace with stable and the accounts."""
    type_lines(stable, "rights.md", "kubectl apply -n $NAMESPACE -f pipeline/rbac.yml")
    return stable


def test_the_deploy_account_deploys_watches_and_rejects_and_cannot_change_stable(
    accounts: Namespace, manifests: Path
) -> None:
    type_lines(accounts, "rights.md", "sampleapp-read-pods")
    assert manifests == accounts.folder / "manifests"
    ready = type_lines(accounts, "rights.md", "canary doctor", folder=accounts.folder)
    assert "releases are possible here" in ready
    pipeline = log_in(accounts, DEPLOY)
    before = [accounts.get(kind, "sampleapp") for kind in ("deployment", "service")]
    release = (str(manifests), "--image", "sampleapp:20", "--percentage", "100")

    refused = pipeline.canary("release", *release, *WATCH, "--gate", "auto", code=3)
    assert "patch" in refused.err
    assert accounts.get("deployment", "sampleapp-canary") is None, "no pod starts for what could not be promoted"

    pipeline.canary("deploy", *release)
    with Traffic(accounts):
        pipeline.canary("watch", "sampleapp", *WATCH)
    promoted = pipeline.canary("promote", *release[:3], code=3)
    assert (
        "may not patch services sampleapp, update services sampleapp, patch deployments.apps sampleapp" in promoted.err
    )
    for verb in (("set", "image", "deployment/sampleapp", "sampleapp=sampleapp:5"), ("delete", "service/sampleapp")):
        with pytest.raises(AssertionError, match=r"(?i)forbidden"):
            pipeline.kubectl(*verb)
    pipeline.canary("reject", "sampleapp")

    assert accounts.images("sampleapp-canary") is None
    assert accounts.images("sampleapp-baseline") is None
    assert [accounts.get(kind, "sampleapp") for kind in ("deployment", "service")] == before


def test_the_promote_account_promotes(accounts: Namespace, manifests: Path) -> None:
    release = (str(manifests), "--image", "sampleapp:20")
    log_in(accounts, DEPLOY).canary("deploy", *release, "--percentage", "50")
    log_in(accounts, PROMOTE).canary("promote", *release)
    assert accounts.images("sampleapp") == ["sampleapp:20"]
    assert accounts.images("sampleapp-canary") is None


def test_a_prometheus_behind_the_api_server_needs_an_extra_permission(
    accounts: Namespace, manifests: Path, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monitoring = install(kubeconfig, tmp_path_factory.mktemp("monitoring")).namespace
    pipeline = log_in(accounts, DEPLOY)
    pipeline.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")
    watch = ("watch", "sampleapp", *WATCH, "--max-duration", "1s", "--prometheus", "svc:monitoring/prometheus:9090")
    assert 'cannot get resource "services/proxy"' in pipeline.canary(*watch, code=3).err

    try:
        type_lines(accounts, "rights.md", "-n monitoring")
        pipeline.canary(*watch, code=4)  # nobody asks the app anything
    finally:
        monitoring.kubectl("delete", "role,rolebinding", f"canary-{accounts.name}", "--ignore-not-found")


def test_a_route_needs_extra_permissions(accounts: Namespace, manifests: Path) -> None:
    if not serves_routes(accounts):
        type_lines(accounts, "rights.md", "sampleapp-route")  # a Role may name what is not there
        pytest.skip("this cluster has no Gateway API, which is an addition to Kubernetes")
    accept_route(accounts)
    deploy = ("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "5", *GATEWAY)
    pipeline = log_in(accounts, DEPLOY)
    assert "httproutes" in pipeline.canary(*deploy, code=3).err
    assert accounts.get("deployment", "sampleapp-canary") is None
    type_lines(accounts, "rights.md", "sampleapp-route")
    pipeline.canary(*deploy)
    pipeline.canary("reject", "sampleapp")
    assert accounts.get("service", "sampleapp-stable") is None


def test_a_secret_needs_extra_permissions(accounts: Namespace, manifests: Path) -> None:
    (manifests / "secret.yml").write_text(yaml.safe_dump(secret("red")))
    release = (str(manifests), "--image", "sampleapp:20")
    pipeline = log_in(accounts, DEPLOY)
    assert 'cannot get resource "secrets"' in pipeline.canary("deploy", *release, "--percentage", "50", code=3).err
    type_lines(accounts, "rights.md", "-secrets")
    pipeline.canary("deploy", *release, "--percentage", "50")
    log_in(accounts, PROMOTE).canary("promote", *release)
    assert accounts.get("secret", SECRET) is not None


def test_who_only_looks_cannot_answer_a_gate_and_who_decides_can(accounts: Namespace, manifests: Path) -> None:
    type_lines(accounts, "rights.md", "sampleapp-read-pods")
    type_lines(accounts, "rights.md", "apply -n $NAMESPACE -f pipeline/rbac-console.yml")
    release = ("release", str(manifests), "--image", "sampleapp:20", "--percentage", "50", *WATCH, "--gate", "manual")
    with Traffic(accounts), started(log_in(accounts, PROMOTE), *release) as driver:
        with started(log_in(accounts, "sampleapp-view"), "console", "sampleapp") as console:
            page = Page.in_output(told(console, "The console is at "))
            page.until("a driver waits for a decision")
            assert 'cannot patch resource "deployments"' in unescape(page.press("reject"))
        with started(log_in(accounts, "sampleapp-decide"), "console", "sampleapp") as console:
            page = Page.in_output(told(console, "The console is at "))
            page.until("a driver waits for a decision")
            assert "Recorded: reject sampleapp." in page.press("reject")
            _, err = driver.communicate(timeout=60)
    assert driver.returncode == 1, err
    assert accounts.images("sampleapp-canary") is None
    type_lines(accounts, "rights.md", "delete -n $NAMESPACE -f pipeline/rbac-console.yml")
    type_lines(accounts, "rights.md", "delete -n $NAMESPACE -f pipeline/rbac.yml")
    assert accounts.get("role", "sampleapp-promote") is None
