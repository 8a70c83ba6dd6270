"""Reads from the cluster what a console shows; see `overview` for the values.

One overview takes one request for all Deployments, and for each workload six: its ReplicaSets, its pods, its lock, its
counts, its last promote and its Events. A gate that waits takes one more. `logs` of pods that crash are read besides.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

from canary.apply.managed_fields import FIELD_MANAGER
from canary.errors import ForbiddenError
from canary.marks import COMPARED, DIGEST, EVENT_COMPONENT, EventReason, Variant, variant_name, version_labels
from canary.objects import DEPLOYMENT, Object, annotations_of, labels_of
from canary.observe.deployments import Workload, condition_of, pods_by_deployment
from canary.observe.diagnosis import trouble_of
from canary.ports import Cluster
from canary.release.choices import Situation, choices
from canary.release.headline import headline, short, worst_first
from canary.release.health import Experiment, health, rate
from canary.release.overview import (
    Happening,
    MetricOverview,
    Overview,
    Phase,
    PodOverview,
    VariantOverview,
    WorkloadOverview,
)
from canary.release.recall import recorded_verdict
from canary.release.status import State, VariantStatus, read_state, workload_status
from canary.settings.options import Options
from canary.state.decision import WaitingGate, told
from canary.state.last_promote import PromoteState
from canary.state.record import Record, joined
from canary.times import parse_timestamp
from canary.verdict.comparison import Comparison, Decision, Verdict
from canary.verdict.evidence import Evidence
from canary.verdict.forecast import Forecast, forecast
from canary.verdict.history import History
from canary.verdict.looks import Counts
from canary.verdict.measures import Measures, Metric

MOST_HAPPENINGS = 50

ENDS = {
    EventReason.PROMOTED: "{} was promoted",
    EventReason.REJECTED: "The canary was rejected; stable runs {}",
    EventReason.UNDONE: "The promote was undone; stable runs {}",
    EventReason.ROLLED_BACK: "Stable was rolled back to {}",
}
"""How the last release ended, in a headline."""


def read_overview(
    cluster: Cluster,
    options: Options,
    names: Sequence[str],
    at: float,
    *,
    has_ended: Callable[[str], bool],
    known: Iterable[str] = (),
) -> Overview:
    """Return what can be seen of workloads now.

    Args:
        cluster: the Kubernetes API.
        options: how releases are made, where a release itself does not say.
        names: of the workloads. None means each one that has a canary or was written by this driver before. Those that
            are released together with one of them are shown, too.
        at: Unix seconds: now.
        has_ended: returns whether the process with a mark has certainly ended.
        known: names of workloads to show besides, as long as they exist.
    """
    live = {one["metadata"]["name"]: one for one in cluster.find(DEPLOYMENT)}
    workloads = _workloads(live, names or {*_names(live, options.label), *(name for name in known if name in live)})
    states = {one.name: read_state(cluster, options, one, at, has_ended=has_ended) for one in workloads}
    shown = []
    for one in workloads:
        together = tuple(other for other in workloads if _release(other) == _release(one))
        shown.append(_overview(cluster, options, one, together=together, states=states, at=at))
    return Overview(cluster.namespace, at, tuple(sorted(shown, key=_badness)))


def _names(live: Mapping[str, Object], label: str) -> set[str]:
    """Return the names of the workloads in a release, and of those that this driver has applied before."""
    found = set()
    for name, one in live.items():
        labels = labels_of(one)
        variants = [v for key, v in product(version_labels(label), COMPARED) if labels.get(key) == v]
        if variants:
            found |= {name.removesuffix(f"-{v}") for v in variants if name.endswith(f"-{v}")}
        elif any(entry["manager"] == FIELD_MANAGER for entry in one["metadata"].get("managedFields") or []):
            found.add(name)
    return found


def _workloads(live: Mapping[str, Object], names: Iterable[str]) -> list[Workload]:
    """Return workloads, and those that are released together with them."""
    given = [_workload(live, name) for name in names]
    releases = {_release(one) for one in given}
    canaries = (name.removesuffix(f"-{Variant.CANARY}") for name in live if name.endswith(f"-{Variant.CANARY}"))
    others = (_workload(live, name) for name in canaries)
    found = {one.name: one for one in (*given, *(other for other in others if _release(other) in releases))}
    return [found[name] for name in sorted(found)]


def _workload(live: Mapping[str, Object], name: str) -> Workload:
    stable, baseline, canary = (live.get(variant_name(name, variant)) for variant in Variant)
    return Workload(name, stable, baseline, canary)


def _release(workload: Workload) -> str:
    """Return what the workloads of one release have in common, and no others."""
    return annotations_of(workload.canary).get(DIGEST) or f"of {workload.name} alone"


def _overview(
    cluster: Cluster,
    options: Options,
    found: Workload,
    *,
    together: tuple[Workload, ...],
    states: Mapping[str, State],
    at: float,
) -> WorkloadOverview:
    state, record = states[found.name], states[found.name].record
    records = [one.record for one in map(states.__getitem__, (other.name for other in together)) if one.record]
    release = joined(records) if records else None
    measures = (release.measures if release else None) or options.measures
    verdict = _verdict(options, release, measures, together)
    compared = worst_first(one for one in verdict.comparisons if one.workload == found.name)
    pods = pods_by_deployment(cluster, found.variants.values())
    status = workload_status(cluster, options, found, state, pods=pods, at=at)
    phase = _phase(found, state, is_at_work=status.is_at_work)
    seen_at = _seen_at(record, found.name)
    events, unknown = _events(cluster, found)
    driver = state.driver.name if state.driver and status.is_at_work else ""
    experiment = Experiment(found.name, phase, record, compared, state.driver, seen_at, at)
    own = replace(verdict, comparisons=tuple(compared))
    title = headline(found, phase, own, is_interrupted=not status.is_at_work)
    return WorkloadOverview(
        status=replace(status, unknown=(*status.unknown, *unknown)),
        phase=phase,
        headline=_ended(found, events) or title if phase is Phase.IDLE else title,
        waiting_for=status.waiting_for if phase in (Phase.COMPARING, Phase.LEFT) else "",
        alpha=record.alpha if record else options.alpha,
        began=record.began if record else None,
        seen_at=seen_at,
        variants=tuple(
            _variant(one, pods[found.variants[one.variant]["metadata"]["uid"]], record, measures, found.name)
            for one in status.variants
        ),
        metrics=tuple(_metric(one, verdict, record, measures) for one in compared) if record else (),
        health=tuple(health(experiment)),
        happenings=tuple(_happening(event) for event in events[:MOST_HAPPENINGS]),
        choices=choices(
            Situation(
                options,
                together,
                phase,
                verdict.decision,
                driver,
                state.last,
                can_watch=state.gate is not None and state.gate.can_watch,
                decided=_decided(state.gate, states),
            )
        ),
        together=tuple(one.name for one in together),
    )


def _verdict(options: Options, release: Record | None, measures: Measures, together: Sequence[Workload]) -> Verdict:
    """Return the verdict of a release with all its comparisons."""
    if release is None:
        return Verdict(Decision.UNDECIDED, (), "")
    compared = [one.name for one in together if one.baseline is not None and one.name in release.histories]
    return recorded_verdict(replace(options, measures=measures), release, compared)


def _phase(found: Workload, state: State, *, is_at_work: bool) -> Phase:
    last, canary = state.last, found.canary
    if last is not None and last.state is PromoteState.ROLLING_BACK:
        return Phase.ROLLING_BACK
    is_its_promote = last is not None and (canary is None or annotations_of(canary).get(DIGEST) == last.digest)
    if last is not None and last.state is PromoteState.PROMOTING and is_its_promote:
        return Phase.PROMOTING
    if canary is None and found.baseline is None:
        return Phase.IDLE
    if state.gate is not None:
        return Phase.WAITING
    if not is_at_work:
        return Phase.LEFT
    return Phase.COMPARING if state.record is not None else Phase.STARTING


def _decided(gate: WaitingGate | None, states: Mapping[str, State]) -> str:
    """Return what somebody has decided at a gate that waits, empty if nobody has."""
    first = states.get(gate.workloads[0]) if gate else None
    return told(first.decided, " and ".join(gate.workloads)) if gate and first and first.decided else ""


def _seen_at(record: Record | None, workload: str) -> float | None:
    """Return the Unix seconds of the last look that is known: the last complete one, or the last with new answers."""
    if record is None:
        return None
    points = record.histories.get(workload, History()).points
    known = [at for at in (record.seen_at, points[-1].at if points else None) if at is not None]
    return max(known, default=None)


def _variant(
    status: VariantStatus, pods: Sequence[Object], record: Record | None, measures: Measures, workload: str
) -> VariantOverview:
    evidence = record.tally.evidence(workload, status.variant, measures.metrics[0]) if record else Evidence()
    counted = (evidence.good, evidence.total) if evidence.total else (None, None)
    shown = sorted(map(_pod, pods), key=lambda pod: (pod.created, pod.name))
    return VariantOverview(status, tuple(shown), *counted)


def _pod(pod: Object) -> PodOverview:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return PodOverview(
        pod["metadata"]["name"],
        tuple(container["image"] for container in pod["spec"]["containers"]),
        condition_of(pod, "Ready").get("status") == "True",
        sum(one.get("restartCount") or 0 for one in statuses),
        parse_timestamp(pod["metadata"]["creationTimestamp"]),
        trouble_of(pod),
    )


def _metric(one: Comparison, verdict: Verdict, record: Record, measures: Measures) -> MetricOverview:
    metric = next(metric for metric in measures.metrics if metric.name == one.metric)
    looks = record.histories.get(one.workload, History()).looks(one.metric)
    counts = Counts(
        one.workload,
        one.metric,
        one.tolerance,
        one.alpha,
        len(verdict.comparisons),
        looks,
        looks[-1].at if looks else None,
    )
    return MetricOverview(one, counts, metric.objective, metric.quality, _forecast(one, verdict, record, metric))


def _forecast(one: Comparison, verdict: Verdict, record: Record, metric: Metric) -> Forecast | None:
    """Return the decision to expect on one metric at the traffic of the last half minute that was watched."""
    if one.decision is not Decision.UNDECIDED or verdict.decision is Decision.REJECT or not one.scrapes:
        return None
    history = record.histories.get(one.workload, History())
    rates = [rate(history, variant, one.metric) or 0.0 for variant in COMPARED]
    if not all(rates):
        return None
    seconds = (one.baseline.total + one.canary.total) / sum(rates) / one.scrapes
    strata = record.tally.strata(one.workload, metric)
    return forecast(strata, one, comparisons=len(verdict.comparisons), seconds=seconds)


def _events(cluster: Cluster, found: Workload) -> tuple[list[Object], tuple[str, ...]]:
    """Return the Events that drivers made, newest first, and what is not known about that.

    They are about stable; where there is none yet, about the canary.
    """
    about = found.stable or found.canary
    if about is None:
        return [], ()
    try:
        events = cluster.events(about)
    except ForbiddenError as error:
        return [], (f"it is not known what drivers did: {error}",)
    ours = [one for one in events if (one.get("source") or {}).get("component") == EVENT_COMPONENT]
    return ours[::-1], ()


def _happening(event: Object) -> Happening:
    return Happening(_time(event), str(event.get("message") or ""), event.get("type") == "Warning")


def _time(event: Object) -> float:
    at = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    return parse_timestamp(at)


def _ended(found: Workload, events: Sequence[Object]) -> str:
    """Return how the last release ended, empty if Kubernetes does not know it any more."""
    last = ENDS.get(events[0].get("reason", "")) if events else None
    if last is None or found.stable is None:
        return ""
    runs = ", ".join(container["image"] for container in found.stable["spec"]["template"]["spec"]["containers"])
    return last.format(short(runs))


def _badness(one: WorkloadOverview) -> tuple[int, int, str]:
    """Return what workloads are sorted by: those that need a person first."""
    phases = (Phase.WAITING, Phase.LEFT, Phase.PROMOTING, Phase.ROLLING_BACK, Phase.COMPARING, Phase.STARTING)
    rank = phases.index(one.phase) if one.phase in phases else len(phases)
    is_rejected = one.status.verdict == Decision.REJECT
    return (0 if is_rejected else 1, rank, one.status.name)
