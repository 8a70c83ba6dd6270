"""Checks the HTTPRoute of a release with `--traffic gateway`."""

from collections.abc import Iterator

from canary.doctor.check import Check, failed, ok, warning
from canary.errors import InputError
from canary.objects import Object
from canary.observe.deployments import Workload
from canary.observe.routes import read_route
from canary.ports import World
from canary.release.traffic import check_traffic
from canary.variants.sizes import by_route


def check_route(world: World, workload: Workload) -> Iterator[Check]:
    """Check whether the requests to a workload can be divided, and whether one request may be counted several times."""
    name, options = workload.name, world.options
    if workload.stable is None:
        text = f"there is no stable {name} yet: its first release leaves HTTPRoute {options.route} as it is"
        yield ok("route", text, workload=name)
        return
    try:
        check_traffic(world, workload)
        route = read_route(world.cluster, options.route)
    except InputError as error:
        yield failed("route", str(error), "fix this first, or release with --traffic pods", workload=name)
        return
    yield ok("route", f"{by_route(name, options.route, options.steps[0])}", workload=name)
    yield from warn_of_retries(name, route)


def warn_of_retries(name: str, route: Object) -> Iterator[Check]:
    """Warn if one request of a client may be counted several times."""
    if any("retry" in rule for rule in route["spec"].get("rules") or []):
        yield warning(
            "route",
            f"HTTPRoute {route['metadata']['name']} repeats requests that fail (retry): each attempt is counted, so "
            "that a bad answer counts several times, and a client may see none of them",
            "remove retry from its rules during a release, or take it into account in the tolerance",
            workload=name,
        )
