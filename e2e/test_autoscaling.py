"""Releases of a workload whose replicas an autoscaler sets, not the manifest."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.cluster import Namespace, command
from e2e.polling import poll

SCALED = 3  # the manifests of the tests say 2
HALF = {"type": "Utilization", "averageUtilization": 50}
AUTOSCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "sampleapp"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "sampleapp"},
        "minReplicas": SCALED,
        "maxReplicas": 6,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
    },
}


@dataclass(frozen=True)
class Size:
    """The number of stable's pods at one moment.

    Attributes:
        wanted: by its spec.
        made: by its controller.
        ready: of them.
    """

    wanted: int
    made: int
    ready: int


@contextmanager
def watched(namespace: Namespace) -> Iterator[list[Size]]:
    """Record stable's size while the block lasts. The list is filled at the end."""
    seen: list[Size] = []
    columns = r'jsonpath={.spec.replicas} {.status.replicas} {.status.readyReplicas}{"\n"}'
    with subprocess.Popen(
        [command("kubectl"), "--namespace", namespace.name, "get", "deployment", "sampleapp", "--watch", "-o", columns],
        stdout=subprocess.PIPE,
        text=True,
        env=namespace.environment(),
    ) as watch:
        assert watch.stdout is not None
        seen.append(size(watch.stdout.readline()))
        yield seen
        watch.terminate()
        seen.extend(size(line) for line in watch.stdout)


def size(line: str) -> Size:
    wanted, made, ready = (int(word) for word in line.split())
    return Size(wanted, made, ready)


@pytest.fixture
def autoscaled(stable: Namespace) -> Namespace:
    """Give a stable with the replicas that its autoscaler wants: one more than in the manifests."""
    stable.apply(AUTOSCALER)
    # A real cluster's autoscaler sees to its minimum even without metrics; localcluster stores autoscalers, no more.
    stable.kubectl("scale", "deployment/sampleapp", f"--replicas={SCALED}")
    stable.kubectl("rollout", "status", "deployment/sampleapp", "--timeout=60s")
    return stable


def test_an_autoscaled_stable_never_has_fewer_pods_than_its_autoscaler_wants(
    autoscaled: Namespace, manifests: Path
) -> None:
    release = (str(manifests), "--image", "sampleapp:20")
    autoscaled.canary("deploy", *release, "--percentage", "100")
    for variant in ("canary", "baseline"):
        made = autoscaled.get("deployment", f"sampleapp-{variant}") or {}
        assert made["spec"]["replicas"] == SCALED

    with watched(autoscaled) as seen:
        autoscaled.canary("promote", *release)
    assert len(seen) > 1, "the watch saw nothing of the promote"
    assert {one.wanted for one in seen} == {SCALED}
    assert min(one.made for one in seen) >= SCALED
    assert min(one.ready for one in seen) >= SCALED  # as the manifests let no pod go before another has come
    assert autoscaled.images("sampleapp") == ["sampleapp:20"]
    poll("stable has its pods", lambda: len(autoscaled.pods_of("sampleapp")) >= SCALED)


def test_the_undo_keeps_the_replicas_that_the_autoscaler_set_meanwhile(autoscaled: Namespace, manifests: Path) -> None:
    promote = ("promote", str(manifests), "--image", "sampleapp:missing", "--unproven", "--timeout", "12s")
    with watched(autoscaled) as seen:
        driver = autoscaled.start(*promote)
        try:
            poll("stable is written", lambda: autoscaled.images("sampleapp") == ["sampleapp:missing"])
            autoscaled.kubectl("scale", "deployment/sampleapp", f"--replicas={SCALED + 1}")
            _, told = driver.communicate(timeout=150)
        finally:
            driver.kill()
            driver.communicate(timeout=60)
        assert driver.returncode == 5, told
    assert "promote failed and was undone" in told
    wanted = [one.wanted for one in seen]
    assert sorted(wanted) == wanted, "stable was made smaller"
    assert (wanted[0], wanted[-1]) == (SCALED, SCALED + 1)
    assert min(one.made for one in seen) >= SCALED
    assert min(one.ready for one in seen) >= SCALED
    assert autoscaled.images("sampleapp") == ["sampleapp:10"]
    poll("only the old pods are left", lambda: len(autoscaled.pods_of("sampleapp")) == SCALED + 1)
