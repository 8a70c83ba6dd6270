"""The Lease behind a workload's lock: who holds it, and what it is once taken, renewed or given back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from canary.marks import PROCESS, Variant, variant_name
from canary.objects import LEASE, Object, annotations_of, owner_reference
from canary.ports import Cluster
from canary.times import micro_timestamp, parse_timestamp, readable

DURATION = 60.0
"""Seconds for which a lock is valid without being renewed."""


@dataclass(frozen=True)
class Holder:
    """Who works on a release.

    Attributes:
        name: such as `ada@laptop, process 4711`.
        since: Unix seconds when it took the lock, by its own clock.
        renewed: Unix seconds when it last renewed the lock, by its own clock.
        has_ended: whether its process has certainly ended, which only its own machine can tell.
    """

    name: str
    since: float
    renewed: float
    has_ended: bool = False

    def is_at_work(self, at: float) -> bool:
        """Return whether it may still be running and renewed the lock lately, as seen at `at` (Unix seconds)."""
        return not self.has_ended and at - self.renewed < DURATION


def read_holder(cluster: Cluster, name: str, *, has_ended: Callable[[str], bool] = lambda _: False) -> Holder | None:
    """Return who holds the lock on a workload, None if nobody does. The holder may be gone nevertheless.

    Args:
        cluster: the Kubernetes API.
        name: of the workload.
        has_ended: returns whether the process with a mark has certainly ended.
    """
    lease = cluster.get(LEASE, lease_name(name))
    holder = holder_of(lease) if lease is not None else None
    if lease is None or holder is None:
        return None
    return replace(holder, has_ended=has_ended(process_mark(lease)))


def lease_name(name: str) -> str:
    """Return the name of a workload's Lease."""
    return variant_name(name, Variant.CANARY)


def holder_of(lease: Object) -> Holder | None:
    """Return the holder that a Lease names, expired or not."""
    spec = lease.get("spec") or {}
    name = spec.get("holderIdentity")
    if not name:
        return None
    return Holder(name, _seconds(spec.get("acquireTime")), _seconds(spec.get("renewTime")))


def duration(lease: Object) -> float:
    """Return the seconds for which a Lease is valid without being renewed."""
    return float((lease.get("spec") or {}).get("leaseDurationSeconds") or DURATION)


def taken(lease: Object, name: str, process: str, at: float) -> Object:
    """Return a Lease as a process takes it.

    Args:
        lease: as it was, or with nothing but its name.
        name: of the process, for a person.
        process: the mark of the process.
        at: Unix seconds.
    """
    spec = lease.get("spec") or {}
    annotations = annotations_of(lease) | {PROCESS: process}
    metadata = {key: value for key, value in lease["metadata"].items() if key != "ownerReferences"}
    return {
        **lease,
        "metadata": {**metadata, "annotations": annotations},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": int(DURATION),
            "acquireTime": micro_timestamp(at),
            "renewTime": micro_timestamp(at),
            "leaseTransitions": (spec.get("leaseTransitions") or 0) + (1 if spec else 0),
        },
    }


def renewed(lease: Object, at: float) -> Object:
    """Return a Lease as its holder renews it at `at`, Unix seconds."""
    return {**lease, "spec": lease["spec"] | {"renewTime": micro_timestamp(at)}}


def process_mark(lease: Object) -> str:
    """Return the mark of the process that holds a Lease, empty where it has none."""
    return annotations_of(lease).get(PROCESS, "")


def without_holder(lease: Object, variants: Sequence[Object]) -> Object:
    """Return a Lease that nobody holds. It belongs to the variants, and goes when another tool deletes them."""
    kept = ("leaseDurationSeconds", "leaseTransitions")
    annotations = {key: value for key, value in annotations_of(lease).items() if key != PROCESS}
    owners = [owner_reference(deployment) for deployment in variants]
    return {
        **lease,
        "metadata": {**lease["metadata"], "annotations": annotations, "ownerReferences": owners},
        "spec": {key: lease["spec"][key] for key in kept if key in lease["spec"]},
    }


def how_lost(name: str, lease: Object | None) -> str:
    """Return how this driver lost a lock, as a sentence; `lease` is None where it was deleted."""
    if lease is None:
        return f"Lease {lease_name(name)}, the lock on {name}, was deleted"
    holder = holder_of(lease)
    if holder is None:
        return f"another driver took the lock on {name} and gave it back"
    return f"{holder.name} took the lock on {name} at {readable(holder.since)}"


def _seconds(timestamp: str | None) -> float:
    return parse_timestamp(timestamp) if timestamp else 0.0
