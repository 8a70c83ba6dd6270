"""In which turns a route comes from one division of the requests to another, so that no request is lost between them.

A controller may tell its data plane by one way which Services there are, and by another one their shares. Envoy behind
Contour answers 503 while it knows the shares and not yet the Services. So a backend is in the route with the weight 0
before its first request, and after its last one:

    all requests to the Service     app 1
    turn 1                          app 1, app-stable 0
    turn 2                          app-stable 1, app 0
    turn 3: all to stable           app-stable 1
"""

from collections.abc import Set as AbstractSet
from copy import deepcopy

from canary.marks import Variant, service_name
from canary.objects import Object
from canary.variants.route import MOST_BACKENDS, is_local, weight_of


def next_turn(now: Object, then: Object, namespace: str, workload: str, service: str) -> Object:
    """Return what to write next into a route, `then` itself in the last turn.

    Args:
        now: spec of the HTTPRoute.
        then: the spec that it is to have in the end.
        namespace: of the route.
        workload: name of the stable Deployment.
        service: name of the Service that the route had as a backend before the release.
    """
    about = namespace, workload, service
    if _named(then, *about, with_requests=True) - _named(now, *about):
        added = _with_idle(now, _named(then, *about), *about)
        if added != now:
            return added
    if left := _named(now, *about, with_requests=True) - _named(then, *about):
        return _with_idle(then, left, *about)
    return then


def without_idle(spec: Object, namespace: str, workload: str, service: str) -> Object:
    """Return the spec of a route without the release's backends that get no request."""
    made = deepcopy(spec)
    for rule in made.get("rules") or []:
        own = _own(rule, namespace, workload, service)
        if _is_divided(own, workload, service):
            idle = [one for one in own if not weight_of(one)]
            rule["backendRefs"] = [one for one in rule["backendRefs"] if not any(one is other for other in idle)]
    return made


def _with_idle(spec: Object, names: AbstractSet[str], namespace: str, workload: str, service: str) -> Object:
    """Return the spec with these Services as backends of the weight 0, unless a rule would have too many backends."""
    made = deepcopy(spec)
    for rule in made.get("rules") or []:
        own = _own(rule, namespace, workload, service)
        if not _is_divided(own, workload, service):
            continue
        missing = sorted(names - {one["name"] for one in own})
        if len(rule["backendRefs"]) + len(missing) <= MOST_BACKENDS:
            rule["backendRefs"] += [{**deepcopy(own[0]), "name": name, "weight": 0} for name in missing]
    return made


def _named(spec: Object, namespace: str, workload: str, service: str, *, with_requests: bool = False) -> frozenset[str]:
    """Return which Services of the release a route names, or only those that get requests."""
    return frozenset(
        one["name"]
        for rule in spec.get("rules") or []
        for one in _own(rule, namespace, workload, service)
        if weight_of(one) or not with_requests
    )


def _own(rule: Object, namespace: str, workload: str, service: str) -> list[Object]:
    names = {service, *(service_name(workload, variant) for variant in Variant)}
    return [one for one in rule.get("backendRefs") or [] if is_local(one, namespace) and one["name"] in names]


def _is_divided(own: list[Object], workload: str, service: str) -> bool:
    """Return whether a rule sends requests to the workload, and not to the canary for testers alone."""
    named = {one["name"] for one in own}
    return any(map(weight_of, own)) and not named.isdisjoint({service, service_name(workload, Variant.STABLE)})
