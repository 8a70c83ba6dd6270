"""Who is there: the variants of a release and their pods, at one look."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from canary.errors import InputError
from canary.events import VariantState
from canary.marks import ROUTE, Variant
from canary.objects import Object, annotations_of
from canary.observe.deployments import Workload, images, pods_by_deployment, read_workload, ready_since
from canary.observe.image_ids import images_of_pods
from canary.ports import Cluster
from canary.variants.sizes import replicas
from canary.variants.steps import Step, step_of
from canary.verdict.measures import Measures
from canary.verdict.scrapes import Pod
from canary.verdict.tally import Tally

SAMPLED_OF_STABLE = 20
"""Stable is compared with nothing; its counts are shown for orientation, and only where that costs little."""


@dataclass(frozen=True)
class Observation:
    """The variants and their pods.

    Attributes:
        at: Unix seconds.
        workloads: as they are.
        pods: of each variant of each workload, those on their way out left out.
    """

    at: float
    workloads: tuple[Workload, ...]
    pods: Mapping[tuple[str, Variant], Sequence[Object]]

    @property
    def canaries(self) -> tuple[str, ...]:
        """Return the names of the canary Deployments."""
        return tuple(found.canary["metadata"]["name"] for found in self.workloads if found.canary is not None)

    @property
    def uids(self) -> frozenset[str]:
        """Return the uids of all pods."""
        return frozenset(pod["metadata"]["uid"] for found in self.pods.values() for pod in found)

    @property
    def compared(self) -> tuple[str, ...]:
        """Return the names of the workloads that have a baseline."""
        return tuple(found.name for found in self.workloads if found.baseline is not None)

    @property
    def step(self) -> Step | None:
        """Return the step at hand, None where the release has no more than one."""
        found = (step_of(canary) for _, _, canary in self.variants(Variant.CANARY))
        return next((step for step in found if step is not None and len(step.steps) > 1), None)

    @property
    def is_by_route(self) -> bool:
        """Return whether a route divides the requests, so that canary and baseline get as many, whatever their pods."""
        return any(ROUTE in annotations_of(canary) for _, _, canary in self.variants(Variant.CANARY))

    @property
    def ready_at(self) -> float:
        """Return the Unix seconds when the last canary or baseline pod got ready; 0 when none did."""
        pods = (pod for (_, variant), found in self.pods.items() if variant is not Variant.STABLE for pod in found)
        return max((ready_since(pod) or 0.0 for pod in pods), default=0.0)

    def variants(self, *which: Variant) -> Iterator[tuple[str, Variant, Object]]:
        """Yield workload, variant and Deployment of those that exist; of all three unless some are named."""
        for found in self.workloads:
            for variant, deployment in found.variants.items():
                if not which or variant in which:
                    yield found.name, variant, deployment


def observe(cluster: Cluster, names: Sequence[str], at: float) -> Observation:
    """Return who is there.

    Raises:
        InputError: a workload has no canary.
    """
    workloads = tuple(read_workload(cluster, name) for name in names)
    for found in workloads:
        if found.canary is None:
            raise InputError(
                f"{found.name} has no canary: run canary deploy first, or again if somebody deleted the canary"
            )
    pods = pods_by_deployment(cluster, (one for found in workloads for one in found.variants.values()))
    pods_of_variants = {
        (found.name, variant): pods[deployment["metadata"]["uid"]]
        for found in workloads
        for variant, deployment in found.variants.items()
    }
    return Observation(at, workloads, pods_of_variants)


def pods_to_sample(scene: Observation, metrics_port: str) -> list[Pod]:
    """Return the pods that counts are to be read from.

    Args:
        scene: who is there.
        metrics_port: name or number of the container port that exposes metrics; empty where nobody asks the pods.

    Raises:
        InputError: a canary or baseline has no such port.
    """
    found = []
    for name, variant, deployment in scene.variants():
        pods = scene.pods[name, variant]
        port = metrics_port_of(deployment, metrics_port)
        if variant is Variant.STABLE and (len(pods) > SAMPLED_OF_STABLE or port is None):
            continue
        if port is None:
            raise InputError(
                f"Deployment {deployment['metadata']['name']} has no container port {metrics_port!r} to read metrics "
                "from: name one so, pass --metrics-port, or read from Prometheus (--prometheus)"
            )
        found += [_counting(pod, name, variant, port) for pod in pods if _runs(pod)]
    return found


def variant_states(scene: Observation, tally: Tally, measures: Measures) -> tuple[VariantState, ...]:
    """Return the state of each variant for a person to read."""
    shown = []
    for name, variant, deployment in scene.variants():
        evidence = tally.evidence(name, variant, measures.metrics[0])
        missing = sorted(pod.name for pod in tally.missing if (pod.workload, pod.variant) == (name, variant))
        shown.append(
            VariantState(
                variant,
                name,
                ready=sum(ready_since(pod) is not None for pod in scene.pods[name, variant]),
                desired=replicas(deployment),
                good=evidence.good,
                total=evidence.total,
                rate=tally.rate(name, variant),
                p50=tally.quantile(name, variant, 0.5),
                p99=tally.quantile(name, variant, 0.99),
                missing=tuple(missing),
                images=images(deployment),
                image_ids=tuple(dict.fromkeys(one.image_id for one in images_of_pods(scene.pods[name, variant]))),
            )
        )
    return tuple(shown)


def _counting(pod: Object, workload_name: str, variant: Variant, port: int) -> Pod:
    metadata = pod["metadata"]
    return Pod(metadata["name"], metadata["namespace"], metadata["uid"], workload_name, variant, port, ready_since(pod))


def _runs(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running"


def metrics_port_of(deployment: Object, wanted: str) -> int | None:
    """Return the number of the port that exposes metrics, 0 where none is wanted, None where there is none such."""
    if not wanted:
        return 0
    if wanted.isdecimal():
        return int(wanted)
    ports = [
        port
        for container in deployment["spec"]["template"]["spec"]["containers"]
        for port in container.get("ports") or []
    ]
    return next((port["containerPort"] for port in ports if port.get("name") == wanted), None)
