"""What `canary doctor` says, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canary.doctor.check import Check, CheckOutcome
from canary.doctor.connection import Route
from canary.doctor.doctor import Subject, check_connection, check_releases
from canary.manifests.bundle import Bundle
from canary.ports import World
from tests.canary.story import Story

Object = dict[str, Any]


class WithoutRights:
    """A cluster where some permissions are missing, by verb, resource and the end of the name."""

    def __init__(self, story: Story, *missing: tuple[str, str, str]) -> None:
        self._cluster, self._missing = story.cluster, missing
        self.asked: list[tuple[str, str, str, str | None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def may(self, verb: str, group: str, resource: str, name: str = "", *, namespace: str | None = None) -> bool:
        self.asked.append((verb, resource, name, namespace))
        return not any((verb, resource) == (v, r) and name.endswith(n) for v, r, n in self._missing)


def examined(
    story: Story,
    *names: str,
    cluster: Any = None,
    manifests: Sequence[Object] = (),
    samples: Any = None,
    **subject: Any,
) -> list[Check]:
    """Return what doctor says of these workloads."""
    bundle = Bundle(tuple(manifests), tuple("test.yml:1" for _ in manifests), story.namespace) if manifests else None
    world = World(cluster or story.cluster, story.clock, story.events.append, story.options)
    looked_at = Subject("here", (Route("the API server", "127.0.0.1", ""),), names, bundle, **subject)
    way = list(check_connection(world, looked_at))
    if any(one.outcome is CheckOutcome.FAILED for one in way):
        return way
    return way + list(check_releases(world, samples or story.counts, looked_at))


def about(checks: Sequence[Check], subject: str) -> list[tuple[str, str]]:
    return [(str(one.outcome), f"{one.text}: {one.advice}") for one in checks if one.subject == subject]


def outcomes(checks: Sequence[Check]) -> Mapping[str, list[str]]:
    return {one.subject: [str(o.outcome) for o in checks if o.subject == one.subject] for one in checks}
