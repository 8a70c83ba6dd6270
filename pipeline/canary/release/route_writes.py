"""What a release writes while a route divides its requests: the route itself, and which pods `NAME-stable` selects."""

from collections.abc import Mapping
from fractions import Fraction

from canary.errors import InputError, TimedOutError
from canary.events import Note, Written
from canary.marks import ROUTE_SHARE, Variant, service_name
from canary.objects import SERVICE, Object, annotations_of, labels_of
from canary.observe.deployments import Workload, newest_replica_set, progress
from canary.observe.routes import find_route, read_route, wait_until_served
from canary.plurals import in_exact_percent
from canary.ports import World
from canary.release.commands import Commands
from canary.retry import retry_on_conflict
from canary.settings.options import Options
from canary.state.route_record import RouteRecord
from canary.variants.route import (
    Division,
    divided,
    gathered,
    is_same_but_for_weights_of,
    names_variants,
    share_of,
)

HASH = "pod-template-hash"
"""Label by which the ReplicaSets of a Deployment tell their pods apart."""

STABLE_ALONE = "none"
"""The share that is written on a route which does not lead to canary and baseline."""

NOTHING = Fraction(0)


def division(record: RouteRecord, share: Fraction) -> Division:
    """Return how a release divides the requests while there are variants, with a share of each of them."""
    return Division(record.workload, record.service, share, record.header)


def to_stable(record: RouteRecord) -> Division:
    """Return how a release divides the requests while there are no variants."""
    return Division(record.workload, record.service, Fraction(0))


def write_division(
    world: World, record: RouteRecord, asked: Division, *, is_begun: bool = True, is_ending: bool = False
) -> None:
    """Divide the requests, and wait until the controller has seen it.

    Args:
        world: what to work with.
        record: of the route.
        asked: how to divide them.
        is_begun: whether the route must be divided already, else it may also be as before the release.
        is_ending: whether other weights of the variants may be overwritten, and nothing is to stop for the controller.

    Raises:
        InputError: somebody has edited the route.
        TimedOutError: the controller has not seen the change.
    """
    spec = divided(record.before, world.cluster.namespace, asked)
    percent = STABLE_ALONE if asked == to_stable(record) else f"{float(asked.share * 100):.12g}"

    def attempt() -> Object | None:
        route = read_route(world.cluster, record.route)
        is_ours = written_division(world.cluster.namespace, route, record) or (
            not is_begun and route["spec"] == record.before
        )
        if not is_ours and not (is_ending and is_unedited(world, route, record)):
            raise edited(world.options, record)
        if route["spec"] == spec and annotations_of(route).get(ROUTE_SHARE) == percent:
            return route
        return world.cluster.update({**_marked(route, {ROUTE_SHARE: percent}), "spec": spec})

    retry_on_conflict(attempt, f"divide the requests of HTTPRoute {record.route}")
    part = "all requests to stable"
    if asked.share:
        part = f"{in_exact_percent(asked.share)} of requests each to canary and baseline"
    if asked.header:
        part += f", those with {asked.header.name}: {asked.header.value} to the canary"
    world.listen(Written("HTTPRoute", record.route, "configured", part))
    if is_ending:
        wait_patiently(world, record)
    else:
        wait_until_served(world, record.route)


def write_back(world: World, record: RouteRecord) -> bool:
    """Make a route what it was, and return whether that changed where it leads."""
    changed = False

    def attempt() -> Object | None:
        nonlocal changed
        route = find_route(world.cluster, record.route)
        if route is None:
            return {}
        is_there, is_same = names_them(world, route, record), is_unedited(world, route, record)
        if not is_there and ROUTE_SHARE not in annotations_of(route):
            return route
        spec = route["spec"]
        if is_there:
            own = (world.cluster.namespace, record.workload, record.service, record.header)
            spec = record.before if is_same else gathered(spec, *own)
        written = world.cluster.update({**_marked(route, {ROUTE_SHARE: None}), "spec": spec})
        if written is not None:
            changed = is_there
            if not is_same:
                text = f"HTTPRoute {record.route} was edited during the release: what was edited stays"
                world.listen(Note(text, warning=True))
        return written

    retry_on_conflict(attempt, f"put HTTPRoute {record.route} back")
    if changed:
        world.listen(Written("HTTPRoute", record.route, "configured", f"all requests to {record.service}, as before"))
    return changed


def _marked(route: Object, marks: Mapping[str, str | None]) -> Object:
    """Return a route with these annotations. None removes one."""
    annotations = {key: value for key, value in (annotations_of(route) | dict(marks)).items() if value is not None}
    return {**route, "metadata": {**route["metadata"], "annotations": annotations}}


def written_division(namespace: str, route: Object, record: RouteRecord) -> Division | None:
    """Return how a route divides the requests, None if that is not as the release wrote it."""
    percent = annotations_of(route).get(ROUTE_SHARE, "")
    try:
        asked = to_stable(record) if percent == STABLE_ALONE else division(record, share_of(float(percent)))
        spec = divided(record.before, namespace, asked)
    except (ValueError, InputError):
        return None
    return asked if route["spec"] == spec else None


def edited(options: Options, record: RouteRecord) -> InputError:
    """Return the error about a route that is neither as it was nor as the release wrote it."""
    return InputError(
        f"HTTPRoute {record.route} was edited since the release of {record.workload} began, and does not divide the "
        f"requests as the release wrote. What was edited stays. {end_of(options, record.workload)}"
    )


def end_of(options: Options, name: str) -> str:
    """Return how to end a release, in a sentence without its full stop."""
    return f"To end the release: {Commands(options, name).reject}"


def is_unedited(world: World, route: Object, record: RouteRecord) -> bool:
    """Return whether nothing of a route was edited but the weights of the variants."""
    return is_same_but_for_weights_of(route["spec"], record.before, world.cluster.namespace, division(record, NOTHING))


def names_them(world: World, route: Object, record: RouteRecord) -> bool:
    """Return whether a route leads to the Services of the variants."""
    return names_variants(route["spec"], world.cluster.namespace, record.workload)


def hash_of(world: World, workload: Workload) -> str:
    """Return the hash of stable's present pod template, empty if it has no ReplicaSet yet."""
    newest = None if workload.stable is None else newest_replica_set(world.cluster, workload.stable)
    return labels_of(newest).get(HASH, "") if newest else ""


def select_present_pods(world: World, workload: Workload, record: RouteRecord) -> str:
    """Let `NAME-stable` select the pods that stable has now; return what is waited for, empty if nothing is."""
    present = hash_of(world, workload)
    if present and record.selector.get(HASH) == present:
        return ""
    if not present or workload.stable is None or not progress(workload.stable).complete:
        select_all_pods(world, workload, record)
        return (
            f"stable {workload.name} is being rolled out: until it is ready, canary and baseline may get more requests "
            "than asked for"
        )
    _select(world, workload, {**record.selector, HASH: present}, "selects the pods of stable that there are now")
    return ""


def select_all_pods(world: World, workload: Workload, record: RouteRecord) -> None:
    """Let `NAME-stable` select all pods that the workload's own Service selects."""
    if HASH in record.selector:
        every = {key: value for key, value in record.selector.items() if key != HASH}
        _select(world, workload, every, f"selects the same pods as {record.service}")


def _select(world: World, workload: Workload, selector: Mapping[str, str], detail: str) -> None:
    name = service_name(workload.name, Variant.STABLE)

    def attempt() -> Object | None:
        service = world.cluster.get(SERVICE, name)
        if service is None:
            return {}
        return world.cluster.update({**service, "spec": {**service["spec"], "selector": dict(selector)}})

    retry_on_conflict(attempt, f"let Service {name} select other pods")
    world.listen(Written("Service", name, "configured", detail))


def wait_patiently(world: World, record: RouteRecord) -> None:
    """Wait until the controller has seen the route; go on if it does not, so that a release can end without one."""
    try:
        wait_until_served(world, record.route)
    except TimedOutError as error:
        world.listen(Note(f"{error}; the release ends nevertheless", warning=True))
