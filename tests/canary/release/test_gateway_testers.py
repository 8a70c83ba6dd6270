"""Testers, who reach the canary of a release by a route with a header."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import InputError
from canary.events import Written
from canary.objects import DEPLOYMENT
from tests.canary.release.routed import (
    by_route,
    edit,
    left_nothing,
    route,
    set_timeout,
    state,
    weights,
)
from tests.canary.story import Faulty, Story

Object = dict[str, Any]
HEADER = "header:X-Canary=always"


def rules_for_testers(story: Story) -> list[Object]:
    """Return the rules of the route that ask for the header."""
    asked = [{"type": "Exact", "name": "X-Canary", "value": "always"}]
    return [
        rule for rule in route(story)["spec"]["rules"] if any(one.get("headers") == asked for one in rule["matches"])
    ]


def test_testers_see_a_canary_first_and_then_others_do(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed, steps=(0,), match=HEADER).deploy()
    assert weights(routed) == {"app-stable": 1}
    (rule,) = rules_for_testers(routed)
    assert [one["name"] for one in rule["backendRefs"]] == ["app-canary"]
    (shown,) = routed.release(names=("app",)).status().workloads
    assert shown.problems == ()

    with pytest.raises(InputError, match="in progress has header:X-Canary=always, and not header:X-Canary=never"):
        by_route(routed, match="header:X-Canary=never").deploy()
    by_route(routed, steps=(5,)).deploy()
    assert weights(routed) == {"app-stable": 18, "app-baseline": 1, "app-canary": 1}
    assert len(rules_for_testers(routed)) == 1
    told = [one.detail for one in routed.heard(Written) if one.kind == "HTTPRoute"]
    assert told[-1] == "5 % of requests each to canary and baseline, those with X-Canary: always to the canary"

    routed.release(names=("app",)).reject()
    left_nothing(routed, before)


def test_no_tester_is_sent_to_variants_that_are_about_to_be_deleted(routed: Story) -> None:
    seen: list[tuple[dict[str, int], list[Object]]] = []

    def note(kind: Any, *_: Any, **__: Any) -> None:
        if kind == DEPLOYMENT:
            seen.append((weights(routed), rules_for_testers(routed)))

    by_route(routed, match=HEADER).deploy()
    routed.release(names=("app",), cluster=Faulty(routed.cluster, {"delete": note})).reject()
    assert seen == [({"app-stable": 1}, [])] * 2


def test_an_edit_survives_the_end_and_the_rule_for_testers_does_not(routed: Story) -> None:
    by_route(routed, match=HEADER).deploy()
    edit(routed, set_timeout)
    routed.release(names=("app",)).reject()
    (rule,) = route(routed)["spec"]["rules"]
    assert rule["timeouts"] == {"request": "3s"}
    assert [one["name"] for one in rule["backendRefs"]] == ["app"]
