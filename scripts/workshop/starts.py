"""Whether cluster and namespace are at the start of a lesson, which `make solve` needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scripts.workshop.cluster import APP, Cluster
from scripts.workshop.goals import (
    Finding,
    Goal,
    load_flows,
    missing,
    no_load,
    no_variants,
    right,
    runs,
    variants_run,
    verdict_is,
)
from scripts.workshop.prepare import OLD

if TYPE_CHECKING:
    from scripts.workshop.lessons import Start


def obstacle(start: Start, cluster: Cluster) -> Finding | None:
    """Return the first thing that is not as a lesson needs it; None if the lesson can begin."""
    if not cluster.exists():
        return missing(f"The namespace {cluster.namespace} does not exist.")
    return next((found for found in (look(cluster) for look in _needed(start)) if not found.is_right), None)


def _needed(start: Start) -> Iterator[Goal]:
    """Return what must be true at the start."""
    if start.stable is None:
        yield _nothing_runs
        return
    yield runs(start.stable, "")
    if start.canary:
        yield variants_run(start.canary, OLD)
    else:
        yield no_variants
    if start.verdict:
        yield verdict_is("PROMOTE")
    if start.configured:
        yield _has(APP, "It takes no settings from a ConfigMap yet.")
    if start.promoted:
        yield _has(f"{APP}-before", "It was not promoted, so there is nothing to go back to.")
    yield load_flows if start.load else no_load


def _nothing_runs(cluster: Cluster) -> Finding:
    return missing(f"Deployment {APP} already runs.") if cluster.get("deployment", APP) else right("Nothing runs yet.")


def _has(configmap: str, otherwise: str) -> Goal:
    def look(cluster: Cluster) -> Finding:
        return right("It is there.") if cluster.get("configmap", configmap) else missing(otherwise)

    return look
