"""Who gets the traffic, and that nobody loses any."""

from __future__ import annotations

import http.client
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import Namespace, poll
from e2e.outside import Client, ask

CHI_SQUARED_2_DOF = 13.82  # exceeded by chance once in a thousand runs


@pytest.fixture
def address(stable: Namespace) -> Iterator[tuple[str, int]]:
    """Give a node's address and the NodePort of a Service that selects what Service sampleapp selects.

    E2E_NODE_PORT is the port that the cluster passes on from outside (kind: extraPortMappings).
    """
    service = stable.get("service", "sampleapp") or {}
    port = {"name": "http", "port": 8080, "targetPort": "http"}
    if given := os.environ.get("E2E_NODE_PORT"):
        port["nodePort"] = int(given)
    stable.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "outside"},
            "spec": {"type": "NodePort", "selector": service["spec"]["selector"], "ports": [port]},
        }
    )
    node_port = (stable.get("service", "outside") or {})["spec"]["ports"][0]["nodePort"]

    def answers() -> bool:
        try:
            return ask("127.0.0.1", node_port)[0] in (200, 500)
        except (OSError, http.client.HTTPException):
            return False

    poll("the NodePort answers", answers)
    yield "127.0.0.1", node_port
    stable.kubectl("delete", "service", "outside")


def variant_of(pod: str) -> str:
    """Return the variant that a pod belongs to, by its name."""
    return next((v for v in ("canary", "baseline") if pod.startswith(f"sampleapp-{v}-")), "stable")


@pytest.mark.xdist_group("node port")
def test_traffic_reaches_variants_in_proportion_to_their_pods_unless_connections_are_kept(
    stable: Namespace, manifests: Path, address: tuple[str, int]
) -> None:
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")
    poll("all variants answer", lambda: len({variant_of(ask(*address)[1]) for _ in range(40)}) == 3)

    seen = Counter(variant_of(ask(*address)[1]) for _ in range(1000))
    expected = {"stable": 500, "baseline": 250, "canary": 250}
    chi_squared = sum((seen[v] - n) ** 2 / n for v, n in expected.items())
    assert chi_squared < CHI_SQUARED_2_DOF, seen

    kept = http.client.HTTPConnection(*address, timeout=5)
    one = Counter(ask(*address, kept)[1] for _ in range(100))
    kept.close()
    assert len(one) == 1, "a kept connection stays with the pod that it was opened to, whatever else is deployed"


@pytest.mark.timeout(900)  # ten rounds on kind are twenty releases
@pytest.mark.xdist_group("node port")
def test_no_connection_is_lost_while_releases_come_and_go(
    stable: Namespace, manifests: Path, address: tuple[str, int]
) -> None:
    rounds = int(os.environ.get("E2E_ROUNDS", "2"))
    with Client(*address) as client:
        for _ in range(rounds):
            for version in (20, 10):
                release = (str(manifests), "--image", f"sampleapp:{version}")
                stable.canary("deploy", *release, "--percentage", "50")
                stable.canary("reject", str(manifests))
                stable.canary("deploy", *release, "--percentage", "50")
                stable.canary("promote", *release)
    assert not client.errors, client.errors
    assert set(client.answers) == {200, 500}
    assert client.answers.total() > 100


def test_pods_are_restricted_where_the_cluster_enforces_it(stable: Namespace) -> None:
    for pod in stable.list("pods", "app=sampleapp"):
        container = pod["spec"]["containers"][0]["securityContext"]
        assert container["readOnlyRootFilesystem"] is True
        assert container["allowPrivilegeEscalation"] is False
        assert container["capabilities"]["drop"] == ["ALL"]
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
