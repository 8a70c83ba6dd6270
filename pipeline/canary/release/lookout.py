"""Looks after the requests that a route divides, while something else is waited for: stable may be rolled out again."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from canary.errors import CanaryError, LockLostError
from canary.events import Note
from canary.marks import ROUTE, Variant, variant_name
from canary.objects import DEPLOYMENT, annotations_of
from canary.observe.deployments import Workload, read_workload
from canary.observe.routes import find_route
from canary.plurals import in_percent
from canary.ports import Cluster, World
from canary.release.route_writes import division, edited, end_of, select_present_pods, written_division
from canary.settings.options import Options
from canary.state.route_record import read_route_record
from canary.variants.route import share_of
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
    found = (route_problem(world.cluster, world.options, read_workload(world.cluster, name)) for name in names)
    return next(filter(None, found), "")


def route_problem(cluster: Cluster, options: Options, workload: Workload) -> str:
    """Return why a route does not divide a workload's requests as its release asked for, empty if it does.

    Raises:
        ForbiddenError: the route, or Services, may not be read.
        InputError: what the route was before cannot be read.
    """
    name = workload.name
    record = read_route_record(cluster, workload) if workload.canary is not None else None
    if record is None or workload.canary is None:
        return ""
    route, step = find_route(cluster, record.route), step_of(workload.canary)
    again = f"To divide them again, run the same canary deploy again. {end_of(options, name)}"
    if route is None:
        return f"HTTPRoute {record.route} was deleted. {end_of(options, name)}"
    if route["spec"] == record.before:
        return f"HTTPRoute {record.route} is as it was before the release, and divides no requests. {again}"
    if (written := written_division(cluster.namespace, route, record)) is None:
        return str(edited(options, record))
    if step is not None and written != division(record, share_of(step.percentage)):
        is_now = f"HTTPRoute {record.route} gives {in_percent(float(written.share))} of requests to the canary"
        return f"{is_now}, not {step.percentage:g} %. {again}"
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
