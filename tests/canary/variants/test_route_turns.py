"""The turns in which a route comes from one division to another: no Service comes or goes with requests."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.variants.route import Division, Header, divided, share_of
from canary.variants.route_turns import next_turn, without_idle

Object = dict[str, Any]
ABOUT = ("shop", "app", "app")
TESTERS = Header("X-Canary", "always")
WEIGHTS = st.sampled_from([None, 1, 2, 30])


def backend(name: str = "app", weight: int | None = 1) -> Object:
    return {"name": name, "port": 8080, **({} if weight is None else {"weight": weight})}


def spec(*rules: list[Object]) -> Object:
    return {"parentRefs": [{"name": "entry"}], "rules": [{"backendRefs": list(backends)} for backends in rules]}


@st.composite
def routes(draw: st.DrawFn) -> Object:
    """Return a route of some rules; the first one leads to the workload."""
    others = st.lists(st.sampled_from(["other", "more", "last"]), unique=True, max_size=3)
    rules = []
    for number in range(draw(st.integers(1, 3))):
        backends = [backend(name, draw(WEIGHTS)) for name in draw(others)]
        if number == 0 or draw(st.booleans()):
            backends.insert(draw(st.integers(0, len(backends))), backend("app", draw(WEIGHTS)))
        rules.append(backends)
    return spec(*rules)


def division(draw: st.DrawFn, before: Object) -> Object:
    """Return a route as it is before a release, or at a moment of it."""
    if draw(st.booleans()):
        return before
    header = draw(st.sampled_from([None, TESTERS]))
    share = share_of(draw(st.sampled_from([0, 0.5, 5, 33.3, 50])))
    return divided(before, "shop", Division("app", "app", share, header))


def turns(now: Object, then: Object) -> list[Object]:
    seen = [now]
    while seen[-1] != then:
        seen.append(next_turn(seen[-1], then, *ABOUT))
        assert len(seen) <= 4, "at most three turns"
    return seen


def named(route: Object) -> set[str]:
    return {one["name"] for rule in route["rules"] for one in rule["backendRefs"]}


def used(route: Object) -> set[str]:
    return {one["name"] for rule in route["rules"] for one in rule["backendRefs"] if one.get("weight", 1)}


def weights(route: Object) -> dict[str, int]:
    return {one["name"]: one["weight"] for one in route["rules"][0]["backendRefs"]}


def divisions(share: float) -> Object:
    return divided(spec([backend()]), "shop", Division("app", "app", share_of(share)))


@given(st.data())
def test_no_service_gets_requests_before_the_turn_after_it_was_named_or_is_left_out_with_requests(data: Any) -> None:
    before = data.draw(routes())
    now, then = division(data.draw, before), division(data.draw, before)
    seen = turns(now, then)
    for one, other in pairwise(seen):
        assert used(other) <= named(one)
        assert used(one) <= named(other)
    for turn in seen:
        assert without_idle(turn, *ABOUT) in (without_idle(now, *ABOUT), without_idle(then, *ABOUT))


def test_a_release_begins_in_three_turns() -> None:
    _, *written = turns(spec([backend()]), divisions(0))
    assert [weights(one) for one in written] == [
        {"app": 1, "app-stable": 0},
        {"app-stable": 1, "app": 0},
        {"app-stable": 1},
    ]


def test_canary_and_baseline_are_named_one_turn_before_they_get_their_share() -> None:
    _, *written = turns(divisions(0), divisions(5))
    assert [weights(one) for one in written] == [
        {"app-stable": 1, "app-baseline": 0, "app-canary": 0},
        {"app-stable": 18, "app-baseline": 1, "app-canary": 1},
    ]


def test_another_share_takes_one_turn() -> None:
    assert len(turns(divisions(5), divisions(50))) == 2
    assert len(turns(divisions(50), divisions(5))) == 2


def test_a_reject_takes_the_requests_away_in_its_first_turn() -> None:
    _, first, last = turns(divisions(50), divisions(0))
    assert weights(first) == {"app-stable": 1, "app-baseline": 0, "app-canary": 0}
    assert weights(last) == {"app-stable": 1}


def test_a_backend_of_the_weight_0_that_a_person_wrote_is_not_the_releases() -> None:
    route = spec([backend(weight=0)], [backend(), backend("other", 0)])
    assert without_idle(route, *ABOUT) == route


@pytest.mark.parametrize(("others", "expected"), [(12, 4), (13, 2)])
def test_a_rule_never_has_more_backends_than_the_gateway_api_allows(others: int, expected: int) -> None:
    before = spec([backend(), *(backend(f"other-{number}") for number in range(others))])
    seen = turns(divided(before, "shop", Division("app", "app", share_of(5))), before)
    assert max(len(one["rules"][0]["backendRefs"]) for one in seen) == 16
    assert len(seen) == expected
