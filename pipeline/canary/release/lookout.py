"""Looks after the requests that a route divides, while something else is waited for: stable may be rolled out again."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from canary.errors import CanaryError, LockLostError
from canary.events import Note
from canary.marks import ROUTE, Variant, variant_name
from canary.objects import DEPLOYMENT, annotations_of
from canary.observe.deployments import Workload, read_workload
from canary.observe.routes import find_route
from canary.plurals import in_exact_percent
from canary.ports import Cluster, World
from canary.release.route_writes import (
    division,
    edited,
    end_of,
    is_as_before,
    put_back_by_others,
    select_present_pods,
    without_record,
    written_division,
)
from canary.settings.options import Options
from canary.state.route_record import RouteRecord, read_route_record
from canary.variants.route import names_variants, share_of
from canary.variants.steps import step_of

_BETWEEN = 1.0  # seconds between two looks


def follow(world: World, names: Sequence[str]) -> str:
    """Let `NAME-stable` follow a stable that is rolled out again; return what is waited for, empty if nothing is."""
    for name in names:
        workload = read_workload(world.cluster, name)
        record = read_route_record(world.cluster, workload) if workload.canary is not None else None
        if record is None:
            continue
        if waits := select_present_pods(world, workload, record):
            return waits
    return ""


def why_not_divided(world: World, names: Sequence[str]) -> str:
    """Return why requests are not divided as the release asked for, empty if they are; see `follow`."""
    if waits := follow(world, names):
        return waits
    workloads = (read_workload(world.cluster, name) for name in names)
    in_release = (one for one in workloads if one.canary is not None)
    found = (
        route_problem(world.cluster, world.options, one, read_route_record(world.cluster, one)) for one in in_release
    )
    return next(filter(None, found), "")


def route_problem(cluster: Cluster, options: Options, workload: Workload, record: RouteRecord | None) -> str:
    """Return why a route does not divide a workload's requests as its release asked for, empty if it does.

    Args:
        cluster: the Kubernetes API.
        options: how the release is made.
        workload: as it is now.
        record: of its route, None if its release divides none.

    Raises:
        ForbiddenError: the route may not be read.
    """
    name = workload.name
    if record is None:
        route_name = annotations_of(workload.canary).get(ROUTE, "")
        route = find_route(cluster, route_name) if route_name else None
        if route is None or not names_variants(route["spec"], cluster.namespace, name):
            return ""
        return without_record(options, cluster.namespace, name, route_name)
    if workload.canary is None:
        return f"the release of {name} by HTTPRoute {record.route} was not ended completely. {end_of(options, name)}"
    route, step = find_route(cluster, record.route), step_of(workload.canary)
    if route is None:
        return f"HTTPRoute {record.route} was deleted. {end_of(options, name)}"
    if is_as_before(cluster.namespace, route, record):
        return put_back_by_others(options, record)
    if (written := written_division(cluster.namespace, route, record)) is None:
        return str(edited(options, record))
    if step is not None and written != division(record, share_of(step.percentage)):
        again = f"To divide them again, run the same canary deploy again. {end_of(options, name)}"
        if written.share == share_of(step.percentage):
            return f"HTTPRoute {record.route} does not yet send testers ({record.header}) to the canary. {again}"
        is_now = f"HTTPRoute {record.route} gives {in_exact_percent(written.share)} of requests to the canary"
        return f"{is_now}, not {in_exact_percent(step.percentage / 100)}. {again}"
    return ""


def sleep(world: World, names: Sequence[str], seconds: float) -> None:
    """Wait, and see to it every second that the requests to workloads find stable's pods: see `follow`.

    Args:
        world: what to work with.
        names: of the workloads whose requests a route divides.
        seconds: how long.
    """
    until = world.clock.monotonic() + seconds
    while (left := until - world.clock.monotonic()) > 0:
        world.clock.sleep(min(left, _BETWEEN) if names else left)
        follow(world, names)


@dataclass
class Lookout:
    """Looks after the requests while a gate waits.

    Attributes:
        world: what to work with.
        names: of the workloads.
    """

    world: World
    names: Sequence[str]
    _told: str = field(default="", init=False)
    _looked: float = field(default=float("-inf"), init=False)

    def look(self) -> None:
        """Look, at most once every second, and tell what has changed. What cannot be read or written is passed over."""
        now = self.world.clock.monotonic()
        if now - self._looked < _BETWEEN:
            return
        self._looked = now
        try:
            why = why_not_divided(self.world, self.names) if _is_divided(self.world, self.names) else ""
        except LockLostError:
            raise
        except CanaryError:
            return
        if why != self._told:
            text = why or f"the requests to {' and '.join(self.names)} are divided again"
            self.world.listen(Note(text, warning=bool(why)))
        self._told = why


def _is_divided(world: World, names: Sequence[str]) -> bool:
    canaries = (world.cluster.get(DEPLOYMENT, variant_name(name, Variant.CANARY)) for name in names)
    return any(canary is not None and ROUTE in annotations_of(canary) for canary in canaries)
