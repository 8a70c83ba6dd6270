"""When an abandoned canary expires. Without that it would stay, and receive requests, forever."""

from canary.errors import InputError
from canary.marks import EXPIRES, Variant, variant_name
from canary.objects import DEPLOYMENT, Object, annotations_of
from canary.ports import Cluster
from canary.times import parse_timestamp, timestamp


def expiry(canary: Object) -> float | None:
    """Return the Unix seconds at which a canary expires, None if it never does.

    Raises:
        InputError: the annotation is not a valid time.
    """
    stamp = annotations_of(canary).get(EXPIRES)
    if stamp is None:
        return None
    try:
        return parse_timestamp(stamp)
    except ValueError as error:
        name = canary["metadata"]["name"]
        raise InputError(
            f"annotation {EXPIRES} of Deployment {name} is not a valid time: {stamp!r}; "
            f"remove it: kubectl annotate deployment {name} -n {canary['metadata']['namespace']} {EXPIRES}-"
        ) from error


def expiry_annotation(at: float) -> dict[str, str]:
    """Return the annotation of a canary that expires at `at` (Unix seconds)."""
    return {EXPIRES: timestamp(at)}


def later_expiry(canary: Object, at: float) -> dict[str, str]:
    """Return the annotation that makes a canary expire no earlier than at `at` (Unix seconds).

    It is empty where the canary expires later already, or never.
    """
    current = expiry(canary)
    return {} if current is None or current >= at else expiry_annotation(at)


def postpone_expiry(cluster: Cluster, name: str, at: float) -> None:
    """Postpone the expiry of a workload's canary, if it has one, to `at` (Unix seconds)."""
    canary = cluster.get(DEPLOYMENT, variant_name(name, Variant.CANARY))
    later = later_expiry(canary, at) if canary else {}
    if canary and later:
        cluster.annotate(DEPLOYMENT, canary["metadata"]["name"], later)
