"""A release by a route, in a script: what it is made of, and what others do to its route meanwhile."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from canary.objects import HTTP_ROUTE, SERVICE
from canary.release.release import Release
from tests.canary.story import WRITES, Story, deployment, service

Object = dict[str, Any]


def by_route(story: Story, image: str = "app:2", **options: Any) -> Release:
    chosen: dict[str, Any] = {"route": "app", "steps": (5, 50), "min_duration": 0, **options}
    return story.release(service(), deployment(image), **chosen)


def route(story: Story) -> Object:
    found = story.cluster.get(HTTP_ROUTE, "app")
    assert found is not None
    return found


def state(found: Object) -> Object:
    """Return what a release must leave as it was."""
    return {
        "spec": found["spec"],
        "marks": {key: found["metadata"].get(key) or {} for key in ("labels", "annotations")},
    }


def weights(story: Story) -> dict[str, int]:
    return {one["name"]: one["weight"] for one in route(story)["spec"]["rules"][0]["backendRefs"]}


def services(story: Story) -> set[str]:
    return {one["metadata"]["name"] for one in story.cluster.find(SERVICE)}


def edit(story: Story, change: Any) -> Object:
    """Edit the route as a person does, and return its spec."""
    story.simulator.settle()
    abrupt = list(story.simulator.abrupt_changes(story.namespace))
    found = route(story)
    change(found["spec"])
    assert story.cluster.update(found) is not None
    story.simulator.settle()
    story.simulator.abrupt_changes(story.namespace)[:] = abrupt  # a person's change may be
    return deepcopy(route(story)["spec"])


def set_timeout(spec: Object) -> None:
    spec["rules"][0]["timeouts"] = {"request": "3s"}


def add_backend(spec: Object) -> None:
    spec["rules"][0]["backendRefs"].append({"name": "other", "port": 80, "weight": 20})


def set_weights(spec: Object) -> None:
    for one, weight in zip(spec["rules"][0]["backendRefs"], (1, 0, 0), strict=True):
        one["weight"] = weight


def restart(story: Story, image: str = "app:1") -> None:
    """Roll stable out again; its new pods are ready after the next change of the script."""
    found = story.deployment()
    found["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": str(story.clock.now())}
    found["spec"]["template"]["spec"]["containers"][0]["image"] = image
    assert story.cluster.update(found) is not None
    story.simulator.settle()


def stable_selects(story: Story) -> Object:
    found = story.cluster.get(SERVICE, "app-stable")
    assert found is not None
    selector: Object = found["spec"]["selector"]
    return selector


def left_nothing(story: Story, before: Object) -> None:
    assert state(route(story)) == before
    assert services(story) == {"app"}
    assert story.names() == {"app"}
    assert story.simulator.lost_requests(story.namespace) == []
    assert story.simulator.abrupt_changes(story.namespace) == []


class Killed:
    """A cluster whose driver is killed before or after the nth write."""

    def __init__(self, cluster: Any, n: int, *, before: bool) -> None:
        self.left = n
        self._cluster = cluster
        self._before = before

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._cluster, name)
        if name not in WRITES:
            return real

        def write(*args: Any, **kwargs: Any) -> Any:
            if kwargs.get("dry_run"):
                return real(*args, **kwargs)
            self.left -= 1
            if self.left <= 0 and self._before:
                raise KeyboardInterrupt
            answer = real(*args, **kwargs)
            if self.left <= 0:
                raise KeyboardInterrupt
            return answer

        return write
