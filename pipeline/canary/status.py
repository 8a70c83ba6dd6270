"""What there is of a release in the cluster, as frozen values for a person or a program to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canary.events import Variant


@dataclass(frozen=True)
class VariantStatus:
    """One Deployment.

    Attributes:
        variant: which of the three.
        name: of the Deployment.
        images: its containers' images.
        ready: pods ready.
        desired: pods wanted.
        updated: pods of the newest template.
        created: when it was made, as the API server writes times.
        requests: counted by the release so far, None where none were.
        reason: what holds up a pod, empty when nothing does.
    """

    variant: Variant
    name: str
    images: tuple[str, ...]
    ready: int
    desired: int
    updated: int
    created: str
    requests: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class WorkloadStatus:
    """One workload.

    Attributes:
        name: of the stable Deployment.
        variants: those that exist: stable, baseline, canary.
        verdict: the last verdict's decision, empty before the first.
        sentence: the last verdict for a person.
        next: what can be done now, a sentence each.
    """

    name: str
    variants: tuple[VariantStatus, ...]
    verdict: str
    sentence: str
    next: tuple[str, ...]


@dataclass(frozen=True)
class Status:
    """All workloads asked about.

    Attributes:
        namespace: where they live.
        workloads: sorted by name.
    """

    namespace: str
    workloads: tuple[WorkloadStatus, ...]
