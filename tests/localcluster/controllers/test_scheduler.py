"""The scheduler: pods that do not fit on the node."""

from __future__ import annotations

from tests.localcluster.cluster import Namespace
from tests.localcluster.objects import container, pod


def test_a_pod_that_does_not_fit_on_the_node_says_why(namespace: Namespace) -> None:
    namespace.apply(pod("nowhere", nodeSelector={"disk": "ssd"}))
    greedy = container(resources={"requests": {"cpu": "1000"}})
    namespace.apply(pod("greedy", greedy))
    for name, why in (("nowhere", "didn't match Pod's node affinity/selector"), ("greedy", "1 Insufficient cpu")):
        found = namespace.pod(name, lambda p: p["status"].get("conditions"))
        (condition,) = found["status"]["conditions"]
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "PodScheduled",
            "False",
            "Unschedulable",
        )
        assert why in condition["message"]
