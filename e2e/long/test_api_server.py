"""The real API server of a kind cluster, killed while a driver works, and stopped for two minutes.

These tests disturb everything else on the cluster, so they run alone. Set E2E_KUBECONFIG to the kubeconfig of a kind
cluster with the images of the suite, then run

    .venv/bin/python -m pytest -m long e2e/long/test_api_server.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from e2e.cluster import Namespace
from e2e.drivers import started, told
from e2e.polling import poll
from e2e.traffic import Traffic

MANIFESTS = "/etc/kubernetes/manifests"
MANIFEST = f"{MANIFESTS}/kube-apiserver.yaml"
KEPT = "/root/kube-apiserver.yaml"
TWO_MINUTES = 120


def _node() -> str:
    """Return the container of the cluster's node, empty if the cluster is not a kind cluster."""
    kubeconfig = os.environ.get("E2E_KUBECONFIG")
    if not kubeconfig or not shutil.which("docker"):
        return ""
    name = yaml.safe_load(Path(kubeconfig).read_text())["clusters"][0]["name"]
    return f"{name.removeprefix('kind-')}-control-plane" if name.startswith("kind-") else ""


NODE = _node()
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not NODE, reason="E2E_KUBECONFIG names no kind cluster"),
    pytest.mark.timeout(600),
]


def on_node(*command: str) -> None:
    subprocess.run(["docker", "exec", NODE, *command], check=True, capture_output=True)


def kill(namespace: Namespace) -> None:
    """Kill the API server. The kubelet restarts it."""
    start_anew("kube-apiserver")
    on_node("pkill", "-9", "kube-apiserver")
    back(namespace)


def start_anew(component: str) -> None:
    """Let the kubelet restart a component immediately, by changing its manifest. Otherwise the back-off grows."""
    on_node("sed", "-i", f"s#^  labels:#&\\n    changed-{time.time():.0f}: here#", f"{MANIFESTS}/{component}.yaml")


@contextmanager
def away(namespace: Namespace) -> Iterator[None]:
    """Stop the API server while the block lasts."""
    on_node("mv", MANIFEST, KEPT)
    on_node("pkill", "-9", "kube-apiserver")
    try:
        yield
    finally:
        on_node("mv", KEPT, MANIFEST)
        back(namespace)


def back(namespace: Namespace) -> None:
    """Wait for the API server, and restart the components that ended without it."""
    poll("the API server is ready", lambda: namespace.kubectl("get", "--raw", "/readyz", check=False), 180)
    for component in ("kube-controller-manager", "kube-scheduler"):
        start_anew(component)


@pytest.fixture
def released(stable: Namespace, manifests: Path) -> Namespace:
    """Give a namespace with a release in progress."""
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")
    return stable


def test_a_watch_survives_three_kills(released: Namespace) -> None:
    watch = ("watch", "sampleapp", "--tolerance", "0.05", "--warm-up", "1s", "--min-duration", "90s")
    with Traffic(released), started(released, *watch) as driver:
        told(driver, "waiting:")
        for _ in range(3):
            kill(released)
        _, rest = driver.communicate(timeout=300)
    print(rest)
    assert driver.returncode == 0, rest
    assert "verdict PROMOTE" in rest


@pytest.mark.parametrize("moment", ["promote sampleapp in namespace", "configured Deployment sampleapp", "ready after"])
def test_a_promote_survives_a_kill(released: Namespace, manifests: Path, moment: str) -> None:
    with started(released, "promote", str(manifests), "--image", "sampleapp:20") as driver:
        told(driver, moment)
        kill(released)
        _, rest = driver.communicate(timeout=300)
    print(rest)
    assert driver.returncode == 0, rest
    assert released.images("sampleapp") == ["sampleapp:20"]
    assert released.images("sampleapp-canary") is None


def test_a_deploy_and_a_reject_survive_a_kill(stable: Namespace, manifests: Path) -> None:
    with started(stable, "deploy", str(manifests), "--image", "sampleapp:20") as driver:
        told(driver, "created Deployment")
        kill(stable)
        _, rest = driver.communicate(timeout=300)
    print(rest)
    assert driver.returncode == 0, rest
    assert stable.images("sampleapp-canary") == ["sampleapp:20"]
    with started(stable, "reject", "sampleapp") as driver:
        told(driver, "reject sampleapp in namespace")
        kill(stable)
        _, rest = driver.communicate(timeout=300)
    print(rest)
    assert driver.returncode == 0, rest
    assert stable.images("sampleapp-canary") is None


def test_a_promote_survives_two_minutes_without_an_api_server(released: Namespace, manifests: Path) -> None:
    with started(released, "promote", str(manifests), "--image", "sampleapp:20", "--timeout", "4m") as driver:
        told(driver, "configured Deployment sampleapp")
        with away(released):
            told(driver, "waiting up to 240 s for it")
            time.sleep(TWO_MINUTES)  # what is promised is a time
        told(driver, "answers again, after 1")
        _, rest = driver.communicate(timeout=300)
    print(rest)
    assert driver.returncode == 0, rest
    assert released.images("sampleapp") == ["sampleapp:20"]
    assert released.list("leases") == []
