"""How a release is made, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from canary.marks import VERSION_LABEL
from canary.settings.release_arguments import ReleaseArguments
from canary.verdict.measures import Measures


@dataclass(frozen=True)
class Options:
    """How a release is made.

    Attributes:
        measures: what canary and baseline are compared by.
        steps: sizes of baseline and canary, in percent of stable's replicas, 1–100, rising; one or more.
        label: key of the label that marks variants.
        timeout: seconds that a rollout may go without progress: without a further pod updated or available.
        others: what becomes of objects beside the Deployments that exist and would change: `hold` leaves them to
            promote, `now` writes them at deploy.
        unproven: promote what no canary has shown.
        overwrite_stable: promote over a stable that was changed since deploy.
        supersede: reject another release that is in progress, and deploy this one.
        expire_after: seconds after the last sign of life from which on a canary may be reaped.
        alpha: error level of the verdict, in 0–1, exclusive.
        metrics_port: name or number of the container port that exposes metrics; empty where Prometheus is asked.
        interval: seconds between two looks at the variants.
        warm_up: seconds after a pod got ready from which on its answers count.
        min_duration: seconds of watching that stand before PROMOTE, at each step.
        max_duration: seconds of watching a step after which an undecided release ends with TimedOutError.
        min_requests: requests of each variant that stand before PROMOTE, at each step.
        no_traffic_after: seconds without a request after which it is asked whether anything sends load.
        evidence: folder in which is kept what a rejected canary did, one folder each; empty keeps nothing.
        arguments: the arguments of the release, for the commands that continue it; None if they are not known.
        connection_flags: the flags that name the cluster and the namespace.
    """

    measures: Measures
    steps: tuple[int, ...] = (25,)
    label: str = VERSION_LABEL
    timeout: float = 300.0
    others: str = "hold"
    unproven: bool = False
    overwrite_stable: bool = False
    supersede: bool = False
    expire_after: float = 1800.0
    alpha: float = 0.05
    metrics_port: str = "metrics"
    interval: float = 2.0
    warm_up: float = 10.0
    min_duration: float = 300.0
    max_duration: float = 3600.0
    min_requests: int = 50
    no_traffic_after: float = 30.0
    evidence: str = ""
    arguments: ReleaseArguments | None = None
    connection_flags: tuple[str, ...] = ()
