"""What only routes of the experimental channel have, which neither localcluster nor kind serves here."""

from __future__ import annotations

from typing import Any

import pytest

from canary.doctor.route import warn_of_retries
from canary.errors import InputError
from canary.objects import GATEWAY, Kind
from canary.observe.routes import check_route


class Gateways:
    """A cluster with one Gateway, and a class with these features."""

    namespace = "shop"

    def __init__(self, *features: Any) -> None:
        self.features = list(features)

    def get(self, kind: Kind, name: str) -> dict[str, Any]:
        if kind == GATEWAY:
            return {"spec": {"gatewayClassName": "envoy"}}
        return {"spec": {"controllerName": "e/c"}, "status": {"supportedFeatures": self.features}}


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
        check_route(Gateways("HTTPRouteRequestTimeout"), kept)  # type: ignore[arg-type]
    check_route(Gateways({"name": "HTTPRouteSessionPersistence"}), kept)  # type: ignore[arg-type]
    check_route(Gateways(), route())  # type: ignore[arg-type]


def test_repeated_requests_are_counted_several_times() -> None:
    assert [*warn_of_retries("app", route())] == []
    (check,) = warn_of_retries("app", route(retry={"attempts": 2}))
    assert check.text.startswith("HTTPRoute web repeats requests that fail (retry): each attempt is counted")
