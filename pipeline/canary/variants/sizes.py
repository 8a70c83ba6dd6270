"""How many pods a variant gets, and which share of the requests they get."""

from canary.objects import Object


def replicas(deployment: Object) -> int:
    """Return how many pods a Deployment asks for; 1 where it does not say."""
    count = deployment["spec"].get("replicas")
    return 1 if count is None else int(count)


def variant_replicas(stable: int, percentage: float) -> int:
    """Return how many pods canary and baseline get: a percentage of stable's, rounded half up, and at least 1.

    Args:
        stable: pods of stable.
        percentage: 0–100.
    """
    return max(1, int((2 * stable * percentage + 100) // 200))


def expected_share(name: str, canary: int, stable: int) -> str:
    """Return which share of a workload's requests its canary gets, for a person.

    Args:
        name: of the workload.
        canary: pods of the canary; the baseline has as many.
        stable: pods of stable.
    """
    total = stable + 2 * canary
    return f"{name}: the canary gets about {canary / total * 100:.0f} % of requests, {canary} of {total} pods"


def by_route(name: str, route: str, percentage: float) -> str:
    """Return which share of a workload's requests its canary gets from a route, for a person."""
    return f"{name}: HTTPRoute {route} gives {percentage:g} % of requests to the canary, and as many to the baseline"
