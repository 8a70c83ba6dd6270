"""HTTPRoutes of the Gateway API: whether a controller serves one, and has seen its last change."""

from collections.abc import Iterator

from canary.errors import ForbiddenError, InputError, TimedOutError
from canary.events import Note
from canary.objects import GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, Object
from canary.observe.rollout import POLL
from canary.ports import Cluster, World

SESSIONS = "SessionPersistence"
"""Part of the name of the features by which a class says that it keeps sessions."""

_OPTIONAL = ("Programmed",)  # Application Gateway for Containers: its load balancer has the route, too


def read_route(cluster: Cluster, name: str) -> Object:
    """Return an HTTPRoute.

    Raises:
        InputError: there is none, or the cluster has no Gateway API.
    """
    if not cluster.serves(HTTP_ROUTE):
        raise InputError(
            f"the cluster has no HTTPRoute of {HTTP_ROUTE.api_version}: --traffic gateway needs the Gateway API and a "
            "controller for it. Without them, use --traffic pods"
        )
    route = cluster.get(HTTP_ROUTE, name)
    if route is not None:
        return route
    missing = f"there is no HTTPRoute {name} in namespace {cluster.namespace}"
    try:
        others = sorted(one["metadata"]["name"] for one in cluster.find(HTTP_ROUTE))
    except ForbiddenError:
        raise InputError(missing) from None
    there = f"the HTTPRoutes there are {', '.join(others)}" if others else "there are no HTTPRoutes"
    raise InputError(f"{missing} ({there})")


def find_route(cluster: Cluster, name: str) -> Object | None:
    """Return an HTTPRoute, None if there is none, or if the cluster has no Gateway API any more."""
    return cluster.get(HTTP_ROUTE, name) if cluster.serves(HTTP_ROUTE) else None


def check_route(cluster: Cluster, route: Object) -> None:
    """Refuse a route whose requests could not be divided.

    Raises:
        InputError: no controller has accepted the route as it is, a backend of it cannot be reached, or it keeps
            sessions and its class does not say that it can.
    """
    name = route["metadata"]["name"]
    problem, is_said = _problem(route)
    if problem:
        hint = "" if is_said else _class_without_controller(cluster, route)
        raise InputError(f"HTTPRoute {name} is not served: {problem}{hint}")
    if any("sessionPersistence" in rule for rule in route["spec"].get("rules") or []):
        unsure = [one for one in _class_names(cluster, route) if not _keeps_sessions(cluster, one)]
        if unsure:
            raise InputError(
                f"HTTPRoute {name} keeps sessions (sessionPersistence), and GatewayClass {', '.join(unsure)} does not "
                "say that it supports that: a client might see one variant for ever. Remove it from the rule, or "
                "release with --traffic pods"
            )


def why_not_served(route: Object) -> str:
    """Return why requests do not take a route as it is written, empty if a controller says that they do."""
    return _problem(route)[0]


def _problem(route: Object) -> tuple[str, bool]:
    """Return why requests do not take a route, and whether a controller says so of the route as it is written."""
    parents = (route.get("status") or {}).get("parents") or []
    if not parents:
        return "no controller has taken it up", False
    generation = route["metadata"].get("generation", 0)
    for parent in parents:
        conditions = {one["type"]: one for one in parent.get("conditions") or []}
        gateway = parent.get("parentRef", {}).get("name", "?")
        for kind in ("Accepted", "ResolvedRefs", *(one for one in _OPTIONAL if one in conditions)):
            condition = conditions.get(kind)
            if condition is None or (condition.get("observedGeneration") or 0) < generation:
                return f"the controller of Gateway {gateway} has not seen its last change", False
            if condition["status"] != "True":
                message = condition.get("message") or "no message"
                return f"Gateway {gateway} says {condition.get('reason')}: {message}", True
    return "", True


def wait_until_served(world: World, name: str) -> None:
    """Wait until each controller of a route has seen its last change, and accepts it, or the route is gone.

    Raises:
        TimedOutError: one has not for as long as the options' timeout.
    """
    began, told = world.patient_now(), False
    while True:
        route = find_route(world.cluster, name)
        problem = "" if route is None else why_not_served(route)
        if not problem:
            return
        if world.patient_now() - began >= world.options.timeout:
            raise TimedOutError(f"HTTPRoute {name} is not served after {world.options.timeout:g} s: {problem}")
        if not told and world.patient_now() - began >= 2 * POLL:
            told = True
            world.listen(Note(f"waiting for HTTPRoute {name}: {problem}"))
        world.clock.sleep(POLL)


def wait_until_seen(world: World, name: str, patience: float) -> None:
    """Wait, for some seconds at most, until each controller of a route has said something of its last change."""
    began = world.patient_now()
    while (route := find_route(world.cluster, name)) is not None and not _problem(route)[1]:
        if world.patient_now() - began >= patience:
            return
        world.clock.sleep(POLL)


def _class_names(cluster: Cluster, route: Object) -> Iterator[str]:
    """Yield the names of the classes of a route's Gateways, as far as they may be read."""
    for parent in route["spec"].get("parentRefs") or []:
        if parent.get("namespace") in (None, cluster.namespace) and parent.get("kind") in (None, "Gateway"):
            try:
                gateway = cluster.get(GATEWAY, parent["name"])
            except ForbiddenError:
                continue
            if gateway is not None:
                yield gateway["spec"]["gatewayClassName"]


def _class_without_controller(cluster: Cluster, route: Object) -> str:
    """Return which class no controller has accepted, to add to a problem; empty if all are, or it may not be read.

    That is no problem by itself: Contour serves a Gateway that its configuration names, and accepts no class.
    """
    for name in _class_names(cluster, route):
        try:
            found = cluster.get(GATEWAY_CLASS, name)
        except ForbiddenError:
            continue
        if found is None:
            return f". There is no GatewayClass {name}"
        conditions = (found.get("status") or {}).get("conditions") or []
        if not any(one["type"] == "Accepted" and one["status"] == "True" for one in conditions):
            return f". No controller has accepted GatewayClass {name}: is {found['spec']['controllerName']} running?"
    return ""


def _keeps_sessions(cluster: Cluster, name: str) -> bool:
    try:
        found = cluster.get(GATEWAY_CLASS, name)
    except ForbiddenError:
        return False
    features = ((found or {}).get("status") or {}).get("supportedFeatures") or []
    names = [one if isinstance(one, str) else one.get("name", "") for one in features]
    return any(SESSIONS in one for one in names)
