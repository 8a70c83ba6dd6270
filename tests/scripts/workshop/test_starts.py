"""`make solve` looks first whether the cluster is at the start of the lesson."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from scripts.workshop.cluster import VARIANT, Cluster, Objects
from scripts.workshop.lessons import LESSONS
from scripts.workshop.starts import obstacle


def deployment(variant: str, tag: str, ready: int) -> dict[str, Any]:
    """Return a Deployment of the app."""
    name = f"sampleapp-{variant}" if variant else "sampleapp"
    return {
        "metadata": {"name": name, "labels": {VARIANT: variant} if variant else {}},
        "spec": {
            "replicas": 1 if variant else 4,
            "template": {"spec": {"containers": [{"image": f"sampleapp:{tag}"}]}},
        },
        "status": {"readyReplicas": ready, "updatedReplicas": ready},
    }


STABLE_10, STABLE_20 = deployment("", "10", 4), deployment("", "20", 4)
PAIR = (deployment("canary", "20", 1), deployment("baseline", "10", 1))


@dataclass(frozen=True)
class Made(Cluster):
    """A cluster with these objects.

    Attributes:
        deployments: of the namespace; None if there is no namespace.
        load: requests per second.
        told: what `canary status` says about the app.
    """

    deployments: tuple[dict[str, Any], ...] | None = ()
    load: float = 0
    told: dict[str, Any] = field(default_factory=dict)

    def exists(self) -> bool:
        return self.deployments is not None

    def listed(self, kind: str) -> Objects:
        return list(self.deployments or ())

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        found = self.deployments if kind == "deployment" else ()
        return next((one for one in found or () if one["metadata"]["name"] == name), None)

    def measure(self) -> dict[str, float]:
        return {"sampleapp-x": self.load}

    @property
    def status(self) -> dict[str, Any]:
        return self.told


def wrong(number: int, deployments: tuple[dict[str, Any], ...] | None, load: float, **told: Any) -> str:
    """Return what keeps a lesson from being solved; empty if nothing does."""
    found = obstacle(LESSONS[number - 1].start, Made("workshop", "workshop", {}, deployments, load, told))
    return found.text if found else ""


@pytest.mark.parametrize(
    ("number", "deployments", "load", "verdict"),
    [
        (2, (), 0, ""),
        (3, (STABLE_10,), 0, ""),
        (4, (STABLE_10,), 200, ""),
        (5, (STABLE_10, *PAIR), 200, ""),
        (6, (STABLE_10, *PAIR), 200, "PROMOTE"),
        (7, (STABLE_20,), 200, ""),
        (12, (STABLE_10,), 0, ""),
    ],
)
def test_a_lesson_can_be_solved_from_its_start(
    number: int, deployments: tuple[dict[str, Any], ...], load: float, verdict: str
) -> None:
    assert wrong(number, deployments, load, verdict=verdict) == ""


@pytest.mark.parametrize(
    ("number", "deployments", "load", "message"),
    [
        (2, None, 0, "The namespace workshop does not exist."),
        (2, (STABLE_10,), 0, "Deployment sampleapp already runs."),
        (3, (STABLE_10,), 200, "Requests already arrive. Press Ctrl-C in the terminal that sends them."),
        (4, (STABLE_20,), 200, "Stable runs sampleapp:20, not sampleapp:10."),
        (4, (STABLE_10, *PAIR), 200, "sampleapp-canary and sampleapp-baseline still run: the release has not ended."),
        (4, (STABLE_10,), 0, "No requests arrive. Start the load in the second terminal, as lesson 3 shows."),
        (
            5,
            (STABLE_10,),
            200,
            "There is no Deployment sampleapp-canary. Deploy a canary: canary deploy manifests/ --image sampleapp:20",
        ),
        (6, (STABLE_10, *PAIR), 200, "The canary has no verdict yet. Compare it: canary watch sampleapp"),
        (13, (STABLE_20,), 200, "It takes no settings from a ConfigMap yet."),
        (14, (STABLE_20,), 200, "It was not promoted, so there is nothing to go back to."),
    ],
)
def test_what_is_not_as_at_the_start_of_a_lesson_is_named(
    number: int, deployments: tuple[dict[str, Any], ...] | None, load: float, message: str
) -> None:
    assert wrong(number, deployments, load) == message


def test_pods_that_are_not_ready_are_told_with_the_reason_that_canary_status_knows() -> None:
    stuck = (STABLE_10, deployment("canary", "20", 0), PAIR[1])
    reason = "Pod sampleapp-canary-x: ErrImagePull: container sampleapp: Failed to pull image"

    told = wrong(5, stuck, 200, variants=[{"variant": "canary", "reason": reason}])

    assert told == f"The pod of the canary is not ready. {reason}"
    otherwise = "The pod of the canary is not ready. If that stays so, look why: canary status"
    assert wrong(5, stuck, 200, variants=[{"variant": "canary", "reason": ""}]) == otherwise
