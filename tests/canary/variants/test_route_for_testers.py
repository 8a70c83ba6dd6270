"""Rules by which testers reach the canary."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from canary.errors import InputError
from canary.variants.route import Division, Header, divided, gathered

DIVISION = Division("app", "app", Fraction(1, 20), Header.parse("header:X-Canary=a=b"))


def spec(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"parentRefs": [{"name": "entry"}], "rules": list(rules)}


def to_app(**rule: Any) -> dict[str, Any]:
    return {**rule, "backendRefs": [{"name": "app", "port": 80, "weight": 1}]}


def test_each_match_asks_for_the_header_in_a_rule_of_its_own() -> None:
    path, exact = {"path": {"type": "PathPrefix", "value": "/a"}}, {"headers": [{"name": "X-Team", "value": "b"}]}
    rule = to_app(matches=[path, exact], name="shop", timeouts={"request": "3s"})
    elsewhere = {"backendRefs": [{"name": "other", "port": 80}]}

    shared, testers, other = divided(spec(rule, elsewhere), "shop", DIVISION)["rules"]
    asked = {"type": "Exact", "name": "X-Canary", "value": "a=b"}
    assert testers == {
        "matches": [path | {"headers": [asked]}, {"headers": [{"name": "X-Team", "value": "b"}, asked]}],
        "timeouts": {"request": "3s"},
        "backendRefs": [{"name": "app-canary", "port": 80, "weight": 1}],
    }
    assert (shared["matches"], shared["name"]) == ([path, exact], "shop")
    assert other == elsewhere
    assert gathered(spec(shared, testers, other), "shop", "app", "app", DIVISION.header) == spec(rule, elsewhere)


def test_a_rule_that_somebody_sent_to_the_canary_alone_is_gathered_and_not_left_out() -> None:
    edited, testers = divided(spec(to_app(matches=[{"path": {"type": "Exact", "value": "/a"}}])), "shop", DIVISION)[
        "rules"
    ]
    edited["backendRefs"] = edited["backendRefs"][-1:]
    (rule,) = gathered(spec(edited, testers), "shop", "app", "app", DIVISION.header)["rules"]
    assert rule == to_app(matches=[{"path": {"type": "Exact", "value": "/a"}}])


def test_a_rule_without_matches_is_one_for_all_paths() -> None:
    _, testers = divided(spec(to_app()), "shop", DIVISION)["rules"]
    assert testers["matches"][0]["path"] == {"type": "PathPrefix", "value": "/"}


def test_a_header_that_the_route_asks_for_already_is_refused() -> None:
    rule = to_app(matches=[{"headers": [{"name": "x-canary", "value": "c"}]}])
    with pytest.raises(InputError, match="asks for the header X-Canary already"):
        divided(spec(rule), "shop", DIVISION)


def test_a_route_with_too_many_rules_is_refused() -> None:
    rules = [to_app(matches=[{"path": {"type": "Exact", "value": f"/{n}"}}]) for n in range(9)]
    with pytest.raises(InputError, match=r"would have 18 rules, and the Gateway API allows 16: split"):
        divided(spec(*rules), "shop", DIVISION)


def test_a_route_that_has_more_rules_already_is_divided_without_a_header() -> None:
    rules = [to_app(matches=[{"path": {"type": "Exact", "value": f"/{n}"}}]) for n in range(17)]
    without = Division("app", "app", Fraction(1, 20))
    assert len(divided(spec(*rules), "shop", without)["rules"]) == 17


def test_a_rule_that_somebody_opened_to_requests_without_the_header_is_gathered() -> None:
    shared, testers = divided(spec(to_app()), "shop", DIVISION)["rules"]
    testers["matches"].append({"path": {"type": "Exact", "value": "/new"}})
    kept = gathered(spec(shared, testers), "shop", "app", "app", DIVISION.header)["rules"]
    assert [one.get("matches") for one in kept] == [None, testers["matches"]]
    assert [one["backendRefs"][0]["name"] for one in kept] == ["app", "app"]
