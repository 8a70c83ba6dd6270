"""The state of a release in the cluster, as frozen values for a person or a program to read."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from canary.errors import ForbiddenError, InputError
from canary.events import Answer
from canary.marks import COMPARED, ROUTE, UNPROVEN, Variant, version_labels
from canary.objects import DEPLOYMENT, Object, annotations_of, labels_of
from canary.observe.deployments import Workload, images, pods_by_deployment, progress, read_workload
from canary.observe.diagnosis import why_not_ready
from canary.ports import Cluster
from canary.release.lookout import route_problem
from canary.release.next_steps import next_steps
from canary.settings.options import Options
from canary.settings.release_arguments import command
from canary.state.counts import read_record
from canary.state.decision import WaitingGate, recorded_decision, waiting_gate
from canary.state.expiry import expiry
from canary.state.last_promote import LastPromote, promoted_together, read_last_promote
from canary.state.lease import Holder, read_holder
from canary.state.record import Record
from canary.state.route_record import RouteRecord, read_route_record, workloads_of_routes
from canary.variants.steps import Step, step_of
from canary.verdict.comparison import Decision
from canary.verdict.forecast import Forecast
from canary.verdict.looks import seen_share

T = TypeVar("T")


@dataclass(frozen=True)
class VariantStatus:
    """One Deployment.

    Attributes:
        variant: which of the three.
        name: of the Deployment.
        images: its containers' images.
        ready: pods ready.
        desired: intended number of pods.
        updated: pods of the newest template.
        created: when it was made, as the API server writes times.
        requests: counted by the release so far, None if there are none.
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
class PossibleRollback:
    """What `canary rollback` would restore.

    Attributes:
        images: what stable ran before its last promote.
        replaced: when that promote began, as the API server writes times.
        command: the command line, ready to paste.
    """

    images: tuple[str, ...]
    replaced: str
    command: str


@dataclass(frozen=True)
class Traffic:
    """How an HTTPRoute divides the requests.

    Attributes:
        route: its name.
        asked: share of the requests that the canary is to get at this step, in 0–1. The baseline gets as much.
        seen: share of the latest requests that the canary answered, in 0–1; None if that is not known.
    """

    route: str
    asked: float
    seen: float | None


@dataclass(frozen=True)
class WorkloadStatus:
    """One workload.

    Attributes:
        name: of the stable Deployment.
        variants: those that exist: stable, baseline, canary.
        verdict: the last verdict's decision, empty before the first.
        sentence: the last verdict for a person.
        next: what can be done now, each as `purpose: command`, with a command line that is ready to paste.
        step: the current one, None if the release has only one.
        driver: who holds its lock, None if nobody does. A recent renewal means that the driver is still at work.
        gate: the driver that waits for a decision, None if none does.
        expires_in: seconds until `canary reap` may reject it if nobody works on it, None if it never may.
        unknown: what is not known, and why; a sentence each.
        unproven: when stable was promoted against the evidence or without any, and why; empty if it was not.
        problems: what cannot be read, and what to do about that; a sentence each.
        rollback: what a rollback would restore, None if there is nothing to restore.
        forecast: the decision to expect if watching goes on, None if there is one already or if that cannot be said.
        is_at_work: whether the driver may be running, and renewed its lock within the last minute.
        waiting_for: what stood before the verdict was acted on at the last look, empty if nothing did.
        traffic: how a route divides the requests, None if the numbers of pods divide them.
    """

    name: str
    variants: tuple[VariantStatus, ...]
    verdict: str
    sentence: str
    next: tuple[str, ...]
    step: Step | None = None
    driver: Holder | None = None
    gate: WaitingGate | None = None
    expires_in: float | None = None
    unknown: tuple[str, ...] = ()
    unproven: str = ""
    problems: tuple[str, ...] = ()
    rollback: PossibleRollback | None = None
    forecast: Forecast | None = None
    is_at_work: bool = False
    waiting_for: str = ""
    traffic: Traffic | None = None


@dataclass(frozen=True)
class Status:
    """All workloads asked about.

    Attributes:
        namespace: where they live.
        workloads: sorted by name.
    """

    namespace: str
    workloads: tuple[WorkloadStatus, ...]


@dataclass(frozen=True)
class State:
    """What the cluster has saved about a workload besides its Deployments.

    Attributes:
        record: what was counted and judged, None if nothing was.
        expires: Unix seconds at which its canary expires, None if it never does.
        last: the last promote, None without one.
        gate: the driver that waits for a decision, None if none does.
        decided: what is recorded on the canary as somebody's decision, None if nothing is.
        driver: who holds the lock, None if nobody does.
        unknown: what is not known, and why; a sentence each.
        problems: what cannot be read, and what to do about that; a sentence each.
        route: name of the HTTPRoute that a release divides, or has not put back yet; empty if none does.
    """

    record: Record | None
    expires: float | None
    last: LastPromote | None
    gate: WaitingGate | None
    decided: Answer | None
    driver: Holder | None
    unknown: tuple[str, ...]
    problems: tuple[str, ...]
    route: str


def status(
    cluster: Cluster, options: Options, names: Sequence[str], at: float, *, has_ended: Callable[[str], bool]
) -> Status:
    """Return the status of the workloads.

    Args:
        cluster: the Kubernetes API.
        options: how the release is made.
        names: of the workloads.
        at: Unix seconds: now.
        has_ended: returns whether the process with a mark has certainly ended.
    """
    workloads = [read_workload(cluster, name) for name in sorted(names)]
    late = (one for found in workloads for one in found.variants.values() if not progress(one).complete)
    pods = pods_by_deployment(cluster, late)
    states = [read_state(cluster, options, one, at, has_ended=has_ended) for one in workloads]
    found = (
        workload_status(cluster, options, one, state, pods=pods, at=at)
        for one, state in zip(workloads, states, strict=True)
    )
    return Status(cluster.namespace, tuple(found))


def workloads_in_release(cluster: Cluster, label: str) -> tuple[str, ...]:
    """Return the names of the workloads of the namespace that have variants, by their labels.

    One whose requests a route still divides counts, too: its release was interrupted while it ended.
    """
    labels = product(version_labels(label), COMPARED)
    found = [one for key, variant in labels for one in cluster.find(DEPLOYMENT, labels={key: variant})]
    return tuple(sorted({*names_in_release(found, label), *workloads_of_routes(cluster, label)}))


def names_in_release(deployments: Iterable[Object], label: str) -> tuple[str, ...]:
    """Return the names of the workloads whose variants are among Deployments, sorted."""
    names = set()
    for deployment, key, variant in product(deployments, version_labels(label), COMPARED):
        name: str = deployment["metadata"]["name"]
        if labels_of(deployment).get(key) == variant and name.endswith(f"-{variant}"):
            names.add(name.removesuffix(f"-{variant}"))
    return tuple(sorted(names))


def read_state(
    cluster: Cluster, options: Options, found: Workload, at: float, *, has_ended: Callable[[str], bool]
) -> State:
    """Return what the cluster has saved about a workload, as seen at `at` (Unix seconds); see `status`."""
    name = found.name
    problems: list[str] = []
    canaries = {} if found.canary is None else {name: found.canary}
    record = _read(problems, lambda: read_record(cluster, canaries, warm_up=options.warm_up))
    expires = _read(problems, lambda: expiry(found.canary) if found.canary else None)
    last = _read(problems, lambda: read_last_promote(cluster, name))
    gate = _read(problems, lambda: waiting_gate(cluster, name, found.canary))
    driver, unknown = _driver(cluster, name, has_ended)
    if driver is None or not driver.is_at_work(at):
        gate = None  # a driver that was killed at its gate leaves its annotation and its lock
    decided = _read(problems, lambda: recorded_decision(found.canary)) if gate else None
    route = _read(problems, lambda: _route_record(cluster, found))
    if found.canary is not None or driver is None or not driver.is_at_work(at):  # else that driver ends the release
        problems += _route_problems(cluster, options, found, route)
    return State(
        record, expires, last, gate, decided, driver, unknown, tuple(problems), "" if route is None else route.route
    )


def workload_status(
    cluster: Cluster,
    options: Options,
    found: Workload,
    state: State,
    *,
    pods: Mapping[str, Sequence[Object]],
    at: float,
) -> WorkloadStatus:
    """Return the status of a workload.

    Args:
        cluster: the Kubernetes API.
        options: how the release is made.
        found: the Deployments.
        state: what is saved about them.
        pods: of the Deployments that are not complete, by uid.
        at: Unix seconds: now.
    """
    name, record, last = found.name, state.record, state.last
    step = step_of(found.canary) if found.canary else None
    at_work = state.driver if state.driver is not None and state.driver.is_at_work(at) else None
    look = record.last_look if record and record.decision is not Decision.REJECT else None
    return WorkloadStatus(
        name,
        tuple(_variant_status(cluster, found, variant, record, pods) for variant in found.variants),
        record.decision if record and record.sentence else "",
        record.sentence if record else "",
        next_steps(
            options,
            found,
            record,
            step,
            last,
            driver=at_work.name if at_work else "",
            gate_waits=state.gate is not None,
            route=state.route,
        ),
        step if step is not None and len(step.steps) > 1 else None,
        state.driver,
        state.gate,
        None if state.expires is None else state.expires - at,
        state.unknown,
        annotations_of(found.stable).get(UNPROVEN, ""),
        state.problems,
        _rollback(cluster, options, name, last) if last is not None and last.can_be_rolled_back else None,
        record.forecast if record else None,
        is_at_work=at_work is not None,
        waiting_for=look.waiting_for if look else "",
        traffic=_traffic(found, step, record),
    )


def _traffic(found: Workload, step: Step | None, record: Record | None) -> Traffic | None:
    route = annotations_of(found.canary).get(ROUTE)
    if not route or step is None:
        return None
    seen = None
    if record is not None and record.measures is not None and found.name in record.histories:
        seen = seen_share(record.histories[found.name].looks(record.measures.metrics[0].name))
    return Traffic(route, step.percentage / 100, seen)


def _rollback(cluster: Cluster, options: Options, name: str, was: LastPromote) -> PossibleRollback:
    names = promoted_together(cluster, name, was)
    return PossibleRollback(was.images, was.began, command("rollback", *names, connection=options.connection_flags))


def _read(problems: list[str], look: Callable[[], T]) -> T | None:
    """Return what `look` returns. If it fails, note the problem: the rest of the status is shown all the same."""
    try:
        return look()
    except (ForbiddenError, InputError) as error:
        problems.append(str(error))
        return None


def _route_record(cluster: Cluster, found: Workload) -> RouteRecord | None:
    try:
        return read_route_record(cluster, found)
    except ForbiddenError:
        return None  # who only looks may need no permission to list Services


def _route_problems(cluster: Cluster, options: Options, found: Workload, record: RouteRecord | None) -> Iterator[str]:
    try:
        if problem := route_problem(cluster, options, found, record):
            yield problem
    except ForbiddenError:
        return  # nor to read routes


def _driver(cluster: Cluster, name: str, has_ended: Callable[[str], bool]) -> tuple[Holder | None, tuple[str, ...]]:
    """Return who holds the lock on a workload's release, and what is not known about that."""
    try:
        return read_holder(cluster, name, has_ended=has_ended), ()
    except ForbiddenError as error:
        return None, (f"it is not known whether a driver works on it: {error}",)


def _variant_status(
    cluster: Cluster, found: Workload, variant: Variant, record: Record | None, pods: Mapping[str, Sequence[Object]]
) -> VariantStatus:
    """Return the status of a variant; `pods` has those of Deployments that are not complete, by uid."""
    deployment: Object = found.variants[variant]
    state = progress(deployment)
    answered = record.tally.answered(found.name, variant) if record else 0.0
    return VariantStatus(
        variant,
        deployment["metadata"]["name"],
        images(deployment),
        state.ready,
        state.desired,
        state.updated,
        deployment["metadata"].get("creationTimestamp") or "",
        round(answered) or None,
        "" if state.complete else why_not_ready(cluster, deployment, pods[deployment["metadata"]["uid"]]),
    )
