"""A release of a workload whose number of pods an autoscaler sets, not the manifest."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.cluster import Namespace, command, poll

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


@contextmanager
def watched_replicas(namespace: Namespace) -> Iterator[list[int]]:
    """Watch stable's `spec.replicas` while the block lasts; the list is filled when it is over."""
    seen: list[int] = []
    look = ("get", "deployment", "sampleapp", "--watch", "-o", r'jsonpath={.spec.replicas}{"\n"}')
    with subprocess.Popen(
        [command("kubectl"), "--namespace", namespace.name, *look],
        stdout=subprocess.PIPE,
        text=True,
        env=namespace.environment(),
    ) as watch:
        assert watch.stdout is not None
        seen.append(int(watch.stdout.readline()))
        yield seen
        watch.terminate()
        seen.extend(int(line) for line in watch.stdout)


def test_an_autoscaled_stable_keeps_its_number_of_pods(stable: Namespace, manifests: Path) -> None:
    stable.apply(AUTOSCALER)
    # A real cluster's autoscaler sees to its minimum even without metrics; localcluster stores autoscalers, no more.
    stable.kubectl("scale", "deployment/sampleapp", f"--replicas={SCALED}")
    stable.kubectl("rollout", "status", "deployment/sampleapp", "--timeout=60s")

    release = (str(manifests), "--image", "sampleapp:20")
    stable.canary("deploy", *release, "--percentage", "100")
    for variant in ("canary", "baseline"):
        made = stable.get("deployment", f"sampleapp-{variant}") or {}
        assert made["spec"]["replicas"] == SCALED

    with watched_replicas(stable) as seen:
        stable.canary("promote", *release)
    assert len(seen) > 1, "the watch saw nothing of the promote"
    assert set(seen) == {SCALED}
    assert stable.images("sampleapp") == ["sampleapp:20"]
    poll("stable has its pods", lambda: len(stable.pods_of("sampleapp")) >= SCALED)
