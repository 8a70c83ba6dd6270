"""The real API server of a kind cluster, killed while a driver works, and stopped for two minutes.

These tests disturb everything else on the cluster, so they run alone. Set E2E_KUBECONFIG to the kubeconfig of a kind
cluster with the images of the suite, then run

    .venv/bin/python -m pytest -m long e2e/long/test_api_server.py
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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


Make = Callable[[str], Namespace]


@pytest.fixture
def make_namespace(kubeconfig: Path, tmp_path: Path) -> Iterator[Make]:
    """Give a function that makes a namespace in which sampleapp:10 is stable, and delete them all afterwards."""
    made: list[Namespace] = []

    def make(name: str) -> Namespace:
        (folder := tmp_path / name).mkdir()
        made.append(Namespace(f"e2e-{name}-{uuid.uuid4().hex[:8]}", kubeconfig, folder))
        made[-1].kubectl("create", "namespace", made[-1].name)
        return made[-1]

    yield make
    for one in made:
        one.kubectl("delete", "namespace", one.name, "--wait=false")


@contextmanager
def stopped_at(namespace: Namespace, moment: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a driver and stop its process as soon as it says these words, until the test lets it go on."""
    with started(namespace, *arguments) as driver:
        told(driver, moment)
        driver.send_signal(signal.SIGSTOP)
        yield driver


def kill_with(namespace: Namespace, *drivers: subprocess.Popen[str]) -> None:
    """Kill the API server while these drivers, which were stopped, go on."""
    start_anew("kube-apiserver")
    for driver in drivers:
        driver.send_signal(signal.SIGCONT)
    on_node("pkill", "-9", "kube-apiserver")
    back(namespace)


def end_of(driver: subprocess.Popen[str]) -> str:
    """Return the rest of what a driver says, which must end with exit code 0."""
    _, rest = driver.communicate(timeout=300)
    print(rest)
    assert driver.returncode == 0, rest
    return rest


PROMOTES = {
    "started": "promote sampleapp in namespace",
    "written": "configured Deployment sampleapp",
    "ready": "ready after",
}
"""What a promote says at three moments, by the namespace of its release."""


def test_a_release_survives_a_kill_at_each_of_its_stages(make_namespace: Make, manifests: Path) -> None:
    """Drivers at different moments meet the same kills, because each one costs a cluster about a minute."""
    release = (str(manifests), "--image", "sampleapp:20")
    names = {name: make_namespace(name) for name in ("watched", "deployed", *PROMOTES)}
    for name, one in names.items():
        one.canary("apply", str(manifests), "--image", "sampleapp:10")
        if name != "deployed":
            one.canary("deploy", *release, "--percentage", "50")
    watched, deployed, written = names["watched"], names["deployed"], names["written"]
    watch = ("watch", "sampleapp", "--tolerance", "0.05", "--warm-up", "1s")
    for_long = ("--min-duration", "20m", "--max-duration", "30m")

    with Traffic(watched), started(watched, *watch, *for_long) as watching, ExitStack() as stack:
        told(watching, "waiting:")
        promotes = {
            name: stack.enter_context(stopped_at(names[name], moment, "promote", *release))
            for name, moment in PROMOTES.items()
        }
        deploy = stack.enter_context(stopped_at(deployed, "created Deployment", "deploy", *release))
        kill_with(watched, deploy, *promotes.values())
        for name, promote in promotes.items():
            end_of(promote)
            assert names[name].images("sampleapp") == ["sampleapp:20"], name
            assert names[name].images("sampleapp-canary") is None, name
        end_of(deploy)
        assert deployed.images("sampleapp-canary") == ["sampleapp:20"]

        undo = ("rollback", "sampleapp")
        reject = stack.enter_context(stopped_at(deployed, "reject sampleapp in namespace", "reject", "sampleapp"))
        rollback = stack.enter_context(stopped_at(written, "configured Deployment sampleapp", *undo))
        told(watching, "answers again")
        kill_with(watched, reject, rollback)
        end_of(reject)
        assert deployed.images("sampleapp-canary") is None
        end_of(rollback)
        assert written.images("sampleapp") == ["sampleapp:10"]

        told(watching, "answers again")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 130
        goes_on = watched.canary(*watch, "--min-duration", "1m")  # with the counts from before the kills
    assert "verdict PROMOTE" in goes_on.err


def test_a_promote_survives_two_minutes_without_an_api_server(stable: Namespace, manifests: Path) -> None:
    release = (str(manifests), "--image", "sampleapp:20")
    stable.canary("deploy", *release, "--percentage", "50")
    with started(stable, "promote", *release, "--timeout", "4m") as driver:
        told(driver, "configured Deployment sampleapp")
        with away(stable):
            told(driver, "waiting up to 240 s for it")
            time.sleep(TWO_MINUTES)  # what is promised is a time
        told(driver, "answers again, after 1")
        end_of(driver)
    assert stable.images("sampleapp") == ["sampleapp:20"]
    assert stable.list("leases") == []
