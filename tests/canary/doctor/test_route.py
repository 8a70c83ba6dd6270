"""What only routes of the experimental channel have, which neither localcluster nor kind serves here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from canary.doctor.route import check_route as route_checks
from canary.doctor.route import warn_of_retries
from canary.errors import InputError
from canary.objects import GATEWAY, HTTP_ROUTE, Kind
from canary.observe.deployments import read_workload
from canary.observe.routes import check_route, why_not_served
from canary.ports import World
from tests.canary.story import Story, deployment, http_route, service


class Gateways:
    """A cluster with one Gateway, and a class with these features."""

    namespace = "shop"

    def __init__(self, *features: Any) -> None:
        self.features = list(features)

    def get(self, kind: Kind, name: str) -> dict[str, Any]:
        if kind == GATEWAY:
            return {"spec": {"gatewayClassName": "envoy"}}
        return {"spec": {"controllerName": "e/c"}, "status": {"supportedFeatures": self.features}}


def with_gateway(*features: Any) -> Any:
    """Return a cluster for `check_route`, which needs no more of it."""
    return Gateways(*features)


def route(**rule: Any) -> dict[str, Any]:
    conditions = [{"type": one, "status": "True", "observedGeneration": 3} for one in ("Accepted", "ResolvedRefs")]
    return {
        "metadata": {"name": "web", "generation": 3},
        "spec": {"parentRefs": [{"name": "entry"}], "rules": [{"backendRefs": [{"name": "app"}], **rule}]},
        "status": {"parents": [{"parentRef": {"name": "entry"}, "conditions": conditions}]},
    }


def test_sessions_are_refused_unless_the_class_says_that_it_keeps_them() -> None:
    kept = route(sessionPersistence={"sessionName": "s"})
    with pytest.raises(InputError, match=r"HTTPRoute web keeps sessions .* GatewayClass envoy does not say"):
        check_route(with_gateway("HTTPRouteRequestTimeout"), kept)
    check_route(with_gateway({"name": "HTTPRouteSessionPersistence"}), kept)
    check_route(with_gateway(), route())


def test_a_route_must_be_served_by_each_of_its_gateways() -> None:
    served = route()
    refused = {"type": "Accepted", "status": "False", "observedGeneration": 3, "reason": "NotAllowedByListeners"}
    served["status"]["parents"].append({"parentRef": {"name": "inner"}, "conditions": [refused]})
    with pytest.raises(InputError, match="Gateway inner says NotAllowedByListeners"):
        check_route(with_gateway(), served)


@pytest.mark.parametrize(
    ("programmed", "problem"),
    [
        ({"status": "True", "observedGeneration": 2}, "has not seen its last change"),
        ({"status": "False", "observedGeneration": 3, "reason": "Pending"}, "Gateway entry says Pending"),
        ({"status": "True", "observedGeneration": 3}, ""),
    ],
)
def test_a_load_balancer_that_tells_whether_it_has_the_route_is_waited_for(
    programmed: dict[str, Any], problem: str
) -> None:
    served = route()
    served["status"]["parents"][0]["conditions"].append({"type": "Programmed", **programmed})
    told = why_not_served(served)
    assert problem in told
    assert bool(problem) == bool(told)


def test_a_route_that_no_controller_has_taken_up_is_refused() -> None:
    with pytest.raises(InputError, match="HTTPRoute web is not served: no controller has taken it up"):
        check_route(with_gateway(), {**route(), "status": {}})


def test_repeated_requests_are_counted_several_times() -> None:
    assert [*warn_of_retries("app", route())] == []
    (check,) = warn_of_retries("app", route(retry={"attempts": 2}))
    assert check.text.startswith("HTTPRoute web repeats requests that fail (retry): each attempt is counted")


def checked(story: Story, cluster: Any = None) -> list[tuple[str, str]]:
    """Return outcome and text of what doctor says of HTTPRoute app."""
    options = replace(story.options, route="app", steps=(5, 50))
    world = World(cluster or story.cluster, story.clock, story.events.append, options)
    return [(str(one.outcome), one.text) for one in route_checks(world, read_workload(story.cluster, "app"))]


def test_a_route_before_the_first_release_is_left(story: Story) -> None:
    text = "there is no stable app yet: its first release leaves HTTPRoute app as it is"
    assert checked(story) == [("ok", text)]


def test_a_route_that_cannot_be_divided_fails_and_the_share_of_the_first_step_is_told(story: Story) -> None:
    story.stable(service(), deployment())
    ((outcome, text),) = checked(story)
    assert (outcome, "there is no HTTPRoute app" in text) == ("failed", True)
    story.cluster.create(http_route("app", backendRefs=[{"name": "other", "port": 80}]))
    story.cluster.create(service("other"))
    story.simulator.settle()
    ((outcome, text),) = checked(story)
    assert (outcome, "HTTPRoute app sends no requests to app" in text) == ("failed", True)


def test_a_route_that_can_be_divided_is_fine_and_its_retries_are_warned_of(story: Story) -> None:
    story.stable(service(), deployment())
    story.cluster.create(http_route())
    story.simulator.settle()
    fine = ("ok", "app: HTTPRoute app gives 5 % of requests to the canary, and as many to the baseline")
    assert checked(story) == [fine]

    (told, (outcome, text)) = checked(story, Retrying(story.cluster))
    assert (told, outcome) == (fine, "warning")
    assert "repeats requests that fail (retry)" in text


class Retrying:
    """A cluster whose routes repeat requests that fail; as a dry run, it takes what the standard channel lacks."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def get(self, kind: Kind, name: str) -> Any:
        found = self._cluster.get(kind, name)
        if kind == HTTP_ROUTE:
            found["spec"]["rules"][0]["retry"] = {"attempts": 2}
        return found

    def replace(self, obj: Any, *, dry_run: bool) -> None:
        assert dry_run
