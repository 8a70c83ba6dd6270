"""The Lease of a workload's lock: who holds it, and what it says once it is taken, renewed or given back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from canary.marks import PROCESS, Variant, variant_name
from canary.objects import DEPLOYMENT, LEASE, Object
from canary.ports import Cluster

DURATION = 60.0
"""Seconds for which a lock holds without being renewed."""


@dataclass(frozen=True)
class Holder:
    """Who works on a release.

    Attributes:
        name: such as `ada@laptop, process 4711`.
        since: Unix seconds when it began, by its own clock.
        renewed: Unix seconds when it last said that it still does, by its own clock.
    """

    name: str
    since: float
    renewed: float


def read_holder(cluster: Cluster, name: str) -> Holder | None:
    """Return who holds the lock on a workload's release, None if nobody does. Who holds it may be gone all the same."""
    lease = cluster.get(LEASE, lease_name(name))
    return holder_of(lease) if lease is not None else None


def lease_name(name: str) -> str:
    """Return the name of a workload's Lease."""
    return variant_name(name, Variant.CANARY)


def holder_of(lease: Object) -> Holder | None:
    """Return whom a Lease names, fresh or not."""
    spec = lease.get("spec") or {}
    name = spec.get("holderIdentity")
    if not name:
        return None
    return Holder(name, _seconds(spec.get("acquireTime")), _seconds(spec.get("renewTime")))


def duration(lease: Object) -> float:
    """Return the seconds for which a Lease holds without being renewed."""
    return float((lease.get("spec") or {}).get("leaseDurationSeconds") or DURATION)


def taken(lease: Object, name: str, process: str, at: float) -> Object:
    """Return a Lease that a process has just taken.

    Args:
        lease: as it was, or with its name alone.
        name: of the process, for a person.
        process: its mark.
        at: Unix seconds.
    """
    spec = lease.get("spec") or {}
    annotations = (lease["metadata"].get("annotations") or {}) | {PROCESS: process}
    metadata = {key: value for key, value in lease["metadata"].items() if key != "ownerReferences"}
    return {
        **lease,
        "metadata": {**metadata, "annotations": annotations},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": int(DURATION),
            "acquireTime": _stamp(at),
            "renewTime": _stamp(at),
            "leaseTransitions": (spec.get("leaseTransitions") or 0) + (1 if spec else 0),
        },
    }


def renewed(lease: Object, at: float) -> Object:
    """Return a Lease that its holder has just renewed, at Unix seconds."""
    return {**lease, "spec": lease["spec"] | {"renewTime": _stamp(at)}}


def process_mark(lease: Object) -> str:
    """Return the mark of the process that holds a Lease, empty where it says none."""
    annotations = lease["metadata"].get("annotations") or {}
    return str(annotations.get(PROCESS, ""))


def without_holder(lease: Object, variants: Sequence[Object]) -> Object:
    """Return a Lease that nobody holds, and that goes with the variants when another tool deletes them."""
    kept = ("leaseDurationSeconds", "leaseTransitions")
    annotations = {key: value for key, value in (lease["metadata"]["annotations"] or {}).items() if key != PROCESS}
    owners = [
        {
            "apiVersion": DEPLOYMENT.api_version,
            "kind": DEPLOYMENT.kind,
            "name": one["metadata"]["name"],
            "uid": one["metadata"]["uid"],
        }
        for one in variants
    ]
    return {
        **lease,
        "metadata": {**lease["metadata"], "annotations": annotations, "ownerReferences": owners},
        "spec": {key: lease["spec"][key] for key in kept if key in lease["spec"]},
    }


def how_lost(name: str, lease: Object | None) -> str:
    """Return what became of a workload's lock that we held, None being what is left of it."""
    if lease is None:
        return f"the lock on {name}, Lease {lease_name(name)}, was deleted"
    there = holder_of(lease)
    if there is None:
        return f"the lock on {name} was taken, and given back, by another driver"
    return f"the lock on {name} was taken by {there.name} at {time(there.since)}"


def _stamp(seconds: float) -> str:
    """Return a time as Leases have it (MicroTime)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(stamp: str | None) -> float:
    return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0


def time(seconds: float) -> str:
    """Return Unix seconds for a person."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
