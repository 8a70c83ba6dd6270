"""How an HTTPRoute divides a workload's requests between its variants: by weights of Services, one per variant.

A rule that sends requests to the workload's Service gets three backends in its place: stable, baseline and canary.
Everything else of the route stays as it is: matches, filters, timeouts and other backends. Where a rule has other
backends, all weights are multiplied, so that their shares stay. Weights are written in their lowest terms.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from typing import NamedTuple

from canary.errors import InputError
from canary.marks import COMPARED, Variant, service_name
from canary.objects import Object

HEAVIEST = 1_000_000
"""The Gateway API's limit of a weight."""

MOST_BACKENDS = 16
"""The Gateway API's limit of backends in a rule."""

MOST_RULES = 16
"""The Gateway API's limit of rules in a route."""


class Header(NamedTuple):
    """A request header by which testers reach the canary.

    Attributes:
        name: of the header; upper and lower case are the same.
        value: that it must have.
    """

    name: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Header:
        """Return the header of a text such as `header:X-Canary=always`."""
        name, _, value = text.removeprefix("header:").partition("=")
        return cls(name, value)

    def __str__(self) -> str:
        return f"header:{self.name}={self.value}"


@dataclass(frozen=True)
class Division:
    """How the requests to a workload's Service are divided.

    Attributes:
        workload: name of the stable Deployment.
        service: name of the Service that the route had as a backend.
        share: of canary and baseline each, 0 to 1/2; stable gets the rest. At 0 the route's weights leave them out.
        header: requests with it go to the canary, beyond its share. None if there is no such header, or no canary yet.
    """

    workload: str
    service: str
    share: Fraction
    header: Header | None = None

    @property
    def services(self) -> dict[str, Fraction]:
        """Return the share of each variant's Service."""
        shares = {service_name(self.workload, Variant.STABLE): 1 - 2 * self.share}
        return shares | {service_name(self.workload, one): self.share for one in COMPARED if self.share}


def share_of(percentage: float) -> Fraction:
    """Return a percentage as an exact share."""
    return Fraction(str(percentage)) / 100


def leads_to(spec: Object, namespace: str, service: str) -> bool:
    """Return whether a route sends requests to a Service of its own namespace."""
    return any(
        _is_backend(one, namespace, service) and weight_of(one) for rule in _rules(spec) for one in _backends(rule)
    )


def divided(spec: Object, namespace: str, division: Division) -> Object:
    """Return the spec of a route with the requests to a Service divided.

    Args:
        spec: of the HTTPRoute, as it was before the release.
        namespace: of the route.
        division: of the requests.

    Raises:
        InputError: a rule would have too many backends, or a weight would be too large.
    """
    made, rules = deepcopy(spec), list[Object]()
    for number, rule in enumerate(_rules(made)):
        backends, before = _backends(rule), deepcopy(rule)
        rules.append(rule)
        if not any(_is_backend(one, namespace, division.service) and weight_of(one) for one in backends):
            continue
        scale = lcm(*(share.denominator for share in division.services.values()))
        rule["backendRefs"] = _in_lowest_terms(
            [
                part
                for one in backends
                for part in (
                    _parts(one, division, scale)
                    if _is_backend(one, namespace, division.service) and weight_of(one)
                    else [{**one, "weight": weight_of(one) * scale}]
                )
            ]
        )
        _check_limits(rule["backendRefs"], number, division)
        if division.header is not None:
            rules.append(_for_testers(before, namespace, division, division.header))
    if len(rules) > max(MOST_RULES, len(_rules(spec))):
        raise InputError(
            f"with a rule for --match beside each rule that leads to {division.service}, the route would have "
            f"{len(rules)} rules, and the Gateway API allows {MOST_RULES}: split the route into several"
        )
    return {**made, "rules": rules}


def gathered(spec: Object, namespace: str, workload: str, service: str, header: Header | None = None) -> Object:
    """Return the spec of a route with one backend in place of a workload's variants, however somebody edited the rest.

    The Service's backend has the weight of all three together. Weights are in their lowest terms. Rules for testers,
    who have the header, are left out.
    """
    made, canary = deepcopy(spec), service_name(workload, Variant.CANARY)
    names = {service_name(workload, variant): variant for variant in Variant}
    if header is not None:
        made["rules"] = [rule for rule in _rules(made) if not _is_for_testers(rule, namespace, canary, header)]
    for rule in _rules(made):
        backends = _backends(rule)
        own = [one for one in backends if is_local(one, namespace) and one["name"] in names]
        if not own:
            continue
        kept = {**own[0], "name": service, "weight": sum(map(weight_of, own))}
        rule["backendRefs"] = _in_lowest_terms(
            [kept if one is own[0] else one for one in backends if not any(one is other for other in own[1:])]
        )
    return made


def is_same_but_for_weights_of(spec: Object, before: Object, namespace: str, division: Division) -> bool:
    """Return whether a route differs from what it was by nothing but how the requests to the Service are divided."""
    now = gathered(spec, namespace, division.workload, division.service, division.header)
    return bool(_canonical(now) == _canonical(before))


def names_variants(spec: Object, namespace: str, workload: str) -> bool:
    """Return whether a route names a Service of a workload's variants."""
    names = {service_name(workload, variant) for variant in Variant}
    return any(is_local(one, namespace) and one["name"] in names for rule in _rules(spec) for one in _backends(rule))


def names_twice(spec: Object, namespace: str, service: str) -> bool:
    """Return whether a rule of a route names a Service several times, such as two of its ports."""
    named = ([one["name"] for one in _backends(rule) if is_local(one, namespace)] for rule in _rules(spec))
    return any(names.count(service) > 1 for names in named)


def is_local(backend: Object, namespace: str) -> bool:
    """Return whether a backend is a Service of the route's namespace."""
    kind = (backend.get("group") or "", backend.get("kind") or "Service")
    return kind == ("", "Service") and (backend.get("namespace") or namespace) == namespace


def weight_of(backend: Object) -> int:
    """Return the weight of a backend."""
    weight = backend.get("weight")
    return 1 if weight is None else int(weight)


def _rules(spec: Object) -> list[Object]:
    rules: list[Object] = spec.get("rules") or []
    return rules


def _backends(rule: Object) -> list[Object]:
    backends: list[Object] = rule.get("backendRefs") or []
    return backends


def _is_backend(backend: Object, namespace: str, service: str) -> bool:
    return is_local(backend, namespace) and backend["name"] == service


def _parts(backend: Object, division: Division, scale: int) -> list[Object]:
    return [
        {**deepcopy(backend), "name": name, "weight": int(weight_of(backend) * scale * share)}
        for name, share in division.services.items()
    ]


def _for_testers(rule: Object, namespace: str, division: Division, header: Header) -> Object:
    """Return a rule that sends the same requests to the canary alone, if they have the header.

    It wins over the rule that it is made of, because it matches one header more.
    """
    (backend,) = [one for one in _backends(rule) if _is_backend(one, namespace, division.service)][:1]
    matches = rule.get("matches") or [{"path": {"type": "PathPrefix", "value": "/"}}]
    asked = {"type": "Exact", "name": header.name, "value": header.value}
    for one in matches:
        if any(other["name"].lower() == header.name.lower() for other in one.get("headers") or []):
            raise InputError(
                f"a rule of the route asks for the header {header.name} already: choose another for --match"
            )
    return {
        **{key: value for key, value in rule.items() if key != "name"},  # names of rules are unique
        "matches": [{**one, "headers": [*(one.get("headers") or []), asked]} for one in matches],
        "backendRefs": [{**backend, "name": service_name(division.workload, Variant.CANARY), "weight": 1}],
    }


def _is_for_testers(rule: Object, namespace: str, canary: str, header: Header) -> bool:
    """Return whether a rule leads to the canary alone, and only requests with the header take it."""
    leads_there = [is_local(one, namespace) and one["name"] == canary for one in _backends(rule)]
    asks = (header.name.lower(), header.value)
    asked = [
        any((one["name"].lower(), one["value"]) == asks for one in match.get("headers") or [])
        for match in rule.get("matches") or []
    ]
    return bool(leads_there) and all(leads_there) and bool(asked) and all(asked)


def _check_limits(backends: list[Object], number: int, division: Division) -> None:
    where = f"rule {number + 1} of the route, with the requests to {division.service} divided, would have"
    if len(backends) > MOST_BACKENDS:
        raise InputError(
            f"{where} {len(backends)} backends, and the Gateway API allows {MOST_BACKENDS}: split the rule into several"
        )
    if (most := max(map(weight_of, backends))) > HEAVIEST:
        raise InputError(
            f"{where} a weight of {most:,}, and the Gateway API allows {HEAVIEST:,}: give the rule's backends smaller "
            "weights, or take a share with fewer digits"
        )


def _in_lowest_terms(backends: list[Object]) -> list[Object]:
    common = reduce(gcd, map(weight_of, backends)) or 1
    return [{**one, "weight": weight_of(one) // common} for one in backends]


def _canonical(spec: Object) -> Object:
    rules = [
        rule | ({"backendRefs": _in_lowest_terms(_backends(rule))} if _backends(rule) else {}) for rule in _rules(spec)
    ]
    return {**spec, "rules": rules}
