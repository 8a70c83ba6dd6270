"""Scrapes: what one process of a pod had counted at one instant."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from canary.marks import Variant
from canary.verdict.measures import Parts


@dataclass(frozen=True)
class Pod:
    """A pod that counts requests.

    Attributes:
        name: of the pod.
        namespace: where it lives.
        uid: of the pod; another pod of the same name is another pod.
        workload: the stable Deployment's name.
        variant: the variant that it belongs to.
        port: number of the port that it exposes metrics on.
        ready_at: Unix seconds when it became ready, None while it is not.
    """

    name: str
    namespace: str
    uid: str
    workload: str
    variant: Variant
    port: int
    ready_at: float | None = None


@dataclass(frozen=True)
class Scrape:
    """What one process of a pod had counted at one instant, or why that is unknown.

    Attributes:
        pod: the pod.
        at: Unix seconds.
        counters: cumulative counts, see `Measures.count`; None when the scrape failed.
        problem: why it failed.
        process: distinguishes the processes of one pod that count.
        started: Unix seconds when the process started, None if unknown.
        parts: the counters of each series, see `Measures.parts`; empty if they are not known one by one.
    """

    pod: Pod
    at: float
    counters: Mapping[str, float] | None
    problem: str = ""
    process: str = ""
    started: float | None = None
    parts: Parts = field(default_factory=dict, compare=False)
