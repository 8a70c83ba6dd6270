"""An HTTPRoute's rules with their requests divided between the variants of a workload, and gathered again."""

from __future__ import annotations

from copy import deepcopy
from fractions import Fraction
from functools import reduce
from math import gcd
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import InputError
from canary.variants.route import (
    HEAVIEST,
    Division,
    divided,
    gathered,
    is_same_but_for_weights_of,
    leads_to,
    names_variants,
    share_of,
)

Object = dict[str, Any]
HEADER = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "X-Team", "value": "blue"}]}}


def backend(name: str = "app", weight: int | None = 1, **more: Any) -> Object:
    return {"name": name, "port": 8080, **({} if weight is None else {"weight": weight}), **more}


def rule(*backends: Object, **more: Any) -> Object:
    return {"backendRefs": list(backends), **more}


def spec(*rules: Object) -> Object:
    return {"parentRefs": [{"name": "entry"}], "rules": list(rules)}


def at(percentage: float, route: Object) -> Object:
    return divided(route, "shop", Division("app", "app", share_of(percentage)))


def again(route: Object) -> Object:
    return gathered(route, "shop", "app", "app")


def weights(route: Object, number: int = 0) -> list[tuple[str, int]]:
    return [(one["name"], one["weight"]) for one in route["rules"][number]["backendRefs"]]


def test_canary_and_baseline_get_the_share_each_and_stable_the_rest() -> None:
    assert weights(at(5, spec(rule(backend())))) == [("app-stable", 18), ("app-baseline", 1), ("app-canary", 1)]


@pytest.mark.parametrize(
    ("percentage", "expected"),
    [(0.5, [198, 1, 1]), (1, [98, 1, 1]), (2.5, [38, 1, 1]), (33.3, [334, 333, 333]), (50, [0, 1, 1])],
)
def test_weights_are_in_their_lowest_terms(percentage: float, expected: list[int]) -> None:
    for weight in (None, 1, 7, 1000):
        assert [one for _, one in weights(at(percentage, spec(rule(backend(weight=weight)))))] == expected


def test_without_a_share_the_route_names_stable_alone() -> None:
    assert weights(at(0, spec(rule(backend())))) == [("app-stable", 1)]


def test_shares_of_other_backends_stay() -> None:
    made = at(5, spec(rule(backend("other", 1), backend(weight=3), backend("idle", 0))))
    assert weights(made) == [("other", 20), ("app-stable", 54), ("app-baseline", 3), ("app-canary", 3), ("idle", 0)]


def test_everything_else_of_a_rule_stays_and_filters_of_the_backend_come_to_each_variant() -> None:
    more = {"matches": [{"path": {"type": "PathPrefix", "value": "/shop"}}], "timeouts": {"request": "3s"}}
    before = spec(rule(backend(filters=[HEADER]), **more), rule(backend("other"), filters=[HEADER]))
    made = at(25, before)
    own, other = made["rules"]
    assert {key: value for key, value in own.items() if key != "backendRefs"} == more
    assert [one["filters"] for one in own["backendRefs"]] == [[HEADER]] * 3
    assert other == before["rules"][1]
    assert again(made) == before


def test_each_rule_that_leads_to_the_workload_is_divided() -> None:
    made = at(25, spec(rule(backend()), rule(backend("other")), rule(backend(weight=2), backend("other", 2))))
    assert weights(made) == [("app-stable", 2), ("app-baseline", 1), ("app-canary", 1)]
    assert weights(made, 1) == [("other", 1)]
    assert weights(made, 2) == [("app-stable", 2), ("app-baseline", 1), ("app-canary", 1), ("other", 4)]


@pytest.mark.parametrize(
    "foreign",
    [
        backend(namespace="other"),
        backend(kind="ServiceImport", group="multicluster.x-k8s.io"),
        backend(weight=0),
        backend("app-2"),
    ],
)
def test_a_backend_that_is_not_the_service_or_gets_nothing_is_left(foreign: Object) -> None:
    route = spec(rule(foreign), rule())
    assert not leads_to(route, "shop", "app")
    assert at(5, route) == route


def test_the_namespace_and_the_kind_may_be_written_or_not() -> None:
    route = spec(rule(backend(namespace="shop", kind="Service", group="")))
    assert leads_to(route, "shop", "app")
    assert again(at(5, route)) == route


def test_more_backends_than_a_rule_may_have_are_refused() -> None:
    others = [backend(f"other-{number}") for number in range(13)]
    assert len(at(5, spec(rule(backend(), *others)))["rules"][0]["backendRefs"]) == 16
    with pytest.raises(InputError) as error:
        at(5, spec(rule(backend("other")), rule(backend(), *others, backend("last"))))
    assert str(error.value) == (
        "rule 2 of the route, with the requests to app divided, would have 17 backends, and the Gateway API allows 16: "
        "split the rule into several"
    )


def test_a_weight_above_the_limit_is_refused() -> None:
    route = spec(rule(backend(weight=3), backend("other", 100_001)))
    assert max(one for _, one in weights(at(50, spec(rule(backend(), backend("other", 500_000)))))) == HEAVIEST
    with pytest.raises(InputError) as error:
        at(5, route)
    assert str(error.value) == (
        "rule 1 of the route, with the requests to app divided, would have a weight of 2,000,020, and the Gateway API "
        "allows 1,000,000: give the rule's backends smaller weights, or take a share with fewer digits"
    )


def test_a_service_twice_in_one_rule_cannot_be_gathered_as_it_was() -> None:
    route = spec(rule(backend(), backend(port=9090)))
    assert not is_same_but_for_weights_of(at(5, route), route, "shop", Division("app", "app", Fraction(0)))


def test_a_service_of_a_variant_s_name_elsewhere_is_none_of_the_variants() -> None:
    assert names_variants(spec(rule(backend("app-canary"))), "shop", "app")
    assert not names_variants(spec(rule(backend("app-canary", namespace="other"))), "shop", "app")


def test_what_was_edited_meanwhile_stays_when_the_variants_are_gathered() -> None:
    edited = at(5, spec(rule(backend(weight=1), backend("other", 1)), rule(backend("more"))))
    edited["rules"][0]["timeouts"] = {"request": "3s"}
    edited["rules"][0]["backendRefs"].append(backend("new", 20))
    edited["rules"][1]["backendRefs"][0]["name"] = "less"
    wanted = rule(backend(), backend("other"), backend("new"), timeouts={"request": "3s"})
    assert again(edited) == spec(wanted, rule(backend("less")))


def test_a_workload_whose_backends_all_got_weight_0_keeps_it() -> None:
    edited = at(5, spec(rule(backend(), backend("other"))))
    for one in edited["rules"][0]["backendRefs"][:3]:
        one["weight"] = 0
    assert weights(again(edited)) == [("app", 0), ("other", 1)]


def test_a_variant_that_was_removed_is_not_missed() -> None:
    edited = at(5, spec(rule(backend())))
    del edited["rules"][0]["backendRefs"][0]
    assert names_variants(edited, "shop", "app")
    assert again(edited) == spec(rule(backend()))


def test_weights_of_the_variants_are_no_other_change_and_those_of_others_are() -> None:
    before = spec(rule(backend(), backend("other")))
    now, division = at(5, before), Division("app", "app", Fraction(0))
    assert is_same_but_for_weights_of(now, before, "shop", division)
    now["rules"][0]["backendRefs"][-1]["weight"] += 1
    assert not is_same_but_for_weights_of(now, before, "shop", division)


@st.composite
def _routes(draw: st.DrawFn) -> Object:
    def one_rule() -> Object:
        names = draw(st.lists(st.sampled_from(["other", "app-2", "x", "app"]), max_size=4, unique=True))
        refs = [backend(name, draw(st.none() | st.integers(0, 90))) for name in names]
        for one in refs:
            if draw(st.booleans()):
                one["filters"] = [HEADER]
        more: Object = draw(st.sampled_from([{}, {"timeouts": {"request": "1s"}}, {"filters": [HEADER]}]))
        return rule(*refs, **more)

    return spec(*(one_rule() for _ in range(draw(st.integers(0, 4)))))


def lowest(route: Object) -> Object:
    made = deepcopy(route)
    for one in made["rules"]:
        common = reduce(gcd, (ref.get("weight", 1) for ref in one["backendRefs"]), 0) or 1
        one["backendRefs"] = [{**ref, "weight": ref.get("weight", 1) // common} for ref in one["backendRefs"]]
    return made


@given(_routes(), st.integers(0, 5000))
def test_what_is_divided_and_gathered_is_what_it_was_but_for_common_factors(route: Object, share: int) -> None:
    before = deepcopy(route)
    made = at(share / 100, route)
    assert route == before
    assert lowest(again(made)) == lowest(route)
    assert names_variants(made, "shop", "app") == leads_to(route, "shop", "app")
    assert not names_variants(again(made), "shop", "app")


@given(_routes(), st.integers(0, 5000))
def test_every_backend_keeps_its_share_and_the_variants_have_theirs(route: Object, share: int) -> None:
    for old, new in zip(route["rules"], at(share / 100, route)["rules"], strict=True):
        was = {one["name"]: Fraction(one.get("weight", 1)) for one in old["backendRefs"]}
        now = {one["name"]: Fraction(one.get("weight", 1)) for one in new["backendRefs"]}
        if not (sum(was.values()) and was.get("app")):
            assert new == old
            continue
        parts = {name: weight / sum(now.values()) for name, weight in now.items()}
        whole = was["app"] / sum(was.values())
        assert parts.get("app-canary", 0) == parts.get("app-baseline", 0) == whole * Fraction(share, 10_000)
        assert parts["app-stable"] == whole * (1 - 2 * Fraction(share, 10_000))
        for name in was.keys() - {"app"}:
            assert parts[name] == was[name] / sum(was.values())
