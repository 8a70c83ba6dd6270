"""How a release is made, as one frozen value."""

from dataclasses import dataclass

from canary.marks import VERSION_LABEL
from canary.settings.release_arguments import ReleaseArguments
from canary.verdict.measures import Measures


@dataclass(frozen=True)
class Options:
    """How a release is made.

    Attributes:
        measures: what canary and baseline are compared by.
        steps: sizes of canary and baseline, in percent of stable's replicas, 0–100 and rising. At least one.
        route: name of the HTTPRoute by which requests are divided: then steps are shares of them, up to 50, and each of
            canary and baseline gets the share. Empty if the numbers of pods divide them.
        match: requests with this header go to the canary: `header:X-Canary=always`; empty for none.
        replicas: pods of canary and baseline, each; None for the percentage of the step.
        label: key of the label that marks variants.
        timeout: seconds that a rollout may take without progress: without a further pod updated or available.
        others: when to change objects other than the Deployments that exist: `hold` until promote, or `now`.
        unproven: promote without a canary, or against its verdict.
        overwrite_stable: promote although stable was changed since deploy.
        supersede: reject another release that is in progress, and deploy this one.
        expire_after: seconds without anybody working on a canary after which it may be reaped.
        alpha: error level of the verdict, between 0 and 1.
        sample_ratio: whether PROMOTE is withheld while a variant answers far fewer requests than its pods should.
        metrics_port: name or number of the container port that exposes metrics; empty if counts are from Prometheus.
        interval: seconds between two checks of the variants.
        warm_up: seconds after a pod became ready in which its requests do not count.
        min_duration: minimum seconds of watching before PROMOTE, at each step.
        max_duration: seconds of watching a step after which an undecided release ends with TimedOutError.
        min_requests: minimum requests to each variant before PROMOTE, at each step.
        no_traffic_after: seconds without a request after which a warning is shown.
        evidence: folder for the evidence of rejected canaries, one folder each; empty to save none.
        arguments: the arguments of the release, for the commands that continue it; None if they are not known.
        connection_flags: the flags that name the cluster and the namespace.
    """

    measures: Measures
    steps: tuple[float, ...] = (25,)
    route: str = ""
    match: str = ""
    replicas: int | None = None
    label: str = VERSION_LABEL
    timeout: float = 300.0
    others: str = "hold"
    unproven: bool = False
    overwrite_stable: bool = False
    supersede: bool = False
    expire_after: float = 1800.0
    alpha: float = 0.05
    sample_ratio: bool = True
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
