"""What a release writes while a route divides its requests: the route itself, and which pods `NAME-stable` selects."""

from collections.abc import Callable, Mapping
from enum import Enum
from fractions import Fraction

from canary.errors import ConflictError, InputError, TimedOutError
from canary.events import Note, Written
from canary.marks import ROUTE_SHARE, Variant, service_name
from canary.objects import SERVICE, Object, annotations_of, labels_of
from canary.observe.deployments import Workload, newest_replica_set, progress
from canary.observe.rollout import POLL
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
from canary.variants.route_turns import next_turn, without_idle

HASH = "pod-template-hash"
"""Label by which the ReplicaSets of a Deployment tell their pods apart."""

STABLE_ALONE = "none"
"""The share that is written on a route which does not lead to canary and baseline."""

NOTHING = Fraction(0)

_MOST_TURNS = 10  # three are needed, unless others write the route, too


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
        InputError: somebody has edited the route, or it is gone.
        ConflictError: somebody else puts the route back each time.
        TimedOutError: the controller has not seen the change.
    """
    spec = divided(record.before, world.cluster.namespace, asked)
    percent = STABLE_ALONE if asked == to_stable(record) else f"{float(asked.share * 100):.12g}"

    def attempt() -> _Turn | None:
        route = read_route(world.cluster, record.route)
        is_ours = written_division(world.cluster.namespace, route, record) or (
            not is_begun and is_as_before(world.cluster.namespace, route, record)
        )
        is_known = is_ending and names_them(world, route, record) and is_unedited(world, route, record)
        if not is_ours and not is_known:
            raise edited(world.options, record)
        if route["spec"] == spec and annotations_of(route).get(ROUTE_SHARE) == percent:
            return _Turn.LAST
        return _take_turn(world, record, route, spec, percent)

    part = "all requests to stable"
    if asked.share:
        part = f"{in_exact_percent(asked.share)} of requests each to canary and baseline"
    if asked.header:
        part += f", those with {asked.header.name}: {asked.header.value} to the canary"
    _write(world, record, attempt, "divide the requests of", part, is_ending=is_ending)


def write_back(world: World, record: RouteRecord, *, is_ending: bool) -> None:
    """Make a route what it was, and wait until the controller has seen it. A route that is gone stays so.

    Args:
        world: what to work with.
        record: of the route.
        is_ending: whether nothing is to stop for the controller.

    Raises:
        ConflictError: somebody else writes the route each time.
        TimedOutError: the controller has not seen the change.
    """
    told = False

    def attempt() -> _Turn | None:
        nonlocal told
        route = find_route(world.cluster, record.route)
        if route is None:
            return _Turn.NONE
        if not names_them(world, route, record):
            if ROUTE_SHARE not in annotations_of(route):
                return _Turn.NONE
            return None if world.cluster.update(_marked(route, {ROUTE_SHARE: None})) is None else _Turn.NONE
        is_same, own = is_unedited(world, route, record), (record.workload, record.service, record.header)
        settled = _settled(world.cluster.namespace, route["spec"], record)
        spec = record.before if is_same else gathered(settled, world.cluster.namespace, *own)
        turn = _take_turn(world, record, route, spec, None)
        if turn is not None and not is_same and not told:
            told = True
            text = f"HTTPRoute {record.route} was edited during the release: what was edited stays"
            world.listen(Note(text, warning=True))
        return turn

    _write(world, record, attempt, "put back", f"all requests to {record.service}, as before", is_ending=is_ending)


class _Turn(Enum):
    """What a write of a route has changed: see `route_turns`."""

    NONE = "not where it leads"
    PREPARES = "nothing yet, but it names all Services to which it will lead"
    LEADS = "where it leads, and it still names the Services to which it led"
    LAST = "all that there was to change"


def _take_turn(world: World, record: RouteRecord, route: Object, spec: Object, percent: str | None) -> _Turn | None:
    """Write the next turn of a route on its way to a spec, and this share on it as soon as it leads there."""
    namespace = world.cluster.namespace
    turn = next_turn(route["spec"], spec, namespace, record.workload, record.service)
    leads = _settled(namespace, turn, record) == _settled(namespace, spec, record)
    marked = _marked(route, {ROUTE_SHARE: percent}) if leads else route
    if world.cluster.update({**marked, "spec": turn}) is None:
        return None
    if turn == spec:
        return _Turn.LAST
    return _Turn.LEADS if leads else _Turn.PREPARES


def _write(
    world: World, record: RouteRecord, attempt: Callable[[], _Turn | None], what: str, part: str, *, is_ending: bool
) -> None:
    """Write a route turn by turn, and wait after each one until the controller has seen it."""
    told, is_heard = False, True
    for _ in range(_MOST_TURNS):
        turn = retry_on_conflict(attempt, f"{what} HTTPRoute {record.route}")
        if turn not in (_Turn.NONE, _Turn.PREPARES) and not told:
            told = True
            world.listen(Written("HTTPRoute", record.route, "configured", part))
        if not is_ending:
            wait_until_served(world, record.route)
        elif is_heard:
            is_heard = wait_patiently(world, record)
        if turn in (_Turn.NONE, _Turn.LAST):
            return
        world.clock.sleep(POLL)  # the controller has seen the route, and tells those that answer
    raise ConflictError(
        f"{what} HTTPRoute {record.route}: somebody else writes it each time (`kubectl get httproute {record.route} -n "
        f"{world.cluster.namespace} --show-managed-fields -o yaml` says who). Let it alone, then run the command again"
    )


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
    return asked if _settled(namespace, route["spec"], record) == _settled(namespace, spec, record) else None


def is_as_before(namespace: str, route: Object, record: RouteRecord) -> bool:
    """Return whether a route leads where it did before the release."""
    return _settled(namespace, route["spec"], record) == record.before


def _settled(namespace: str, spec: Object, record: RouteRecord) -> Object:
    """Return the spec of a route as it is when no write is to follow."""
    return without_idle(spec, namespace, record.workload, record.service)


def edited(options: Options, record: RouteRecord) -> InputError:
    """Return the error about a route that is neither as it was nor as the release wrote it."""
    return InputError(
        f"HTTPRoute {record.route} was edited since the release of {record.workload} began, and does not divide the "
        f"requests as the release wrote. What was edited stays. {end_of(options, record.workload)}"
    )


def put_back_by_others(options: Options, record: RouteRecord) -> str:
    """Return what to do about a route that somebody has made as it was before the release."""
    return (
        f"HTTPRoute {record.route} is as it was before the release, and divides no requests. To divide them again, run "
        f"the same canary deploy again. {end_of(options, record.workload)}"
    )


def without_record(options: Options, namespace: str, name: str, route: str) -> str:
    """Return what to do about a route that leads to variants, if nobody knows any more what it was."""
    return (
        f"Service {service_name(name, Variant.STABLE)} was deleted, and with it what HTTPRoute {route} was before the "
        f"release of {name}. The route still leads to canary and baseline: let it lead to the Service of {name} again "
        f"(kubectl edit httproute {route} -n {namespace}). {end_of(options, name)}"
    )


def end_of(options: Options, name: str) -> str:
    """Return how to end a release, in a sentence without its full stop."""
    return f"To end the release: {Commands(options, name).reject}"


def is_unedited(world: World, route: Object, record: RouteRecord) -> bool:
    """Return whether nothing of a route was edited but the weights of the variants."""
    namespace = world.cluster.namespace
    settled = _settled(namespace, route["spec"], record)
    return is_same_but_for_weights_of(settled, record.before, namespace, division(record, NOTHING))


def names_them(world: World, route: Object, record: RouteRecord) -> bool:
    """Return whether a route names Services of the variants."""
    return names_variants(route["spec"], world.cluster.namespace, record.workload)


def leads_to_them(world: World, route: Object, record: RouteRecord) -> bool:
    """Return whether a route sends requests to Services of the variants."""
    namespace = world.cluster.namespace
    return names_variants(_settled(namespace, route["spec"], record), namespace, record.workload)


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


def wait_patiently(world: World, record: RouteRecord) -> bool:
    """Wait until the controller has seen the route; go on if it does not, so that a release can end without one.

    Returns:
        whether it has seen it.
    """
    try:
        wait_until_served(world, record.route)
    except TimedOutError as error:
        world.listen(Note(f"{error}; the release ends nevertheless", warning=True))
        return False
    return True
