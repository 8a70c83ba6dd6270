"""Watches the variants: takes samples, judges them, and says when the verdict can be acted on."""

from collections.abc import Sequence
from dataclasses import replace

from canary.errors import InputError, TimedOutError
from canary.events import Judged, Looked, Note
from canary.marks import ARGUMENTS, COMPARED, Variant
from canary.objects import DEPLOYMENT
from canary.observe.crashes import canary_crashes
from canary.observe.deployments import progress, read_workload
from canary.observe.diagnosis import Diagnosis
from canary.observe.disruption import Disruptions
from canary.observe.no_traffic import NoTraffic
from canary.observe.observation import Observation, observe, pods_to_sample, variant_states
from canary.observe.selector_check import SelectorCheck
from canary.ports import SampleSource, World
from canary.release.expectation import expectation
from canary.release.lookout import sleep, why_not_divided
from canary.release.recall import tell
from canary.settings.release_arguments import ReleaseArguments, arguments_of
from canary.state.counts import CountsWriter, read_record
from canary.state.expiry import postpone_expiry
from canary.state.record import LastLook, Record
from canary.verdict.comparison import Decision, Verdict
from canary.verdict.evidence import Evidence
from canary.verdict.measures import Measures
from canary.verdict.scrapes import Pod
from canary.verdict.tally import Tally, judge
from canary.verdict.tolerance import Multiple, Tolerance
from canary.verdict.tolerated import is_known, tolerated


def watch(world: World, samples: SampleSource, names: Sequence[str], *, beyond: Verdict | None = None) -> Verdict:
    """Look at the variants again and again until the verdict on the current step can be acted on, and return it.

    The counts are saved in the cluster: after a killed driver, the next one continues where it stopped, and a rejected
    canary stays rejected. Without anything to decide by (a first release, no tolerance), the verdict is UNDECIDED and
    is returned as soon as minimum duration and requests are reached.

    Args:
        world: what to work with.
        samples: where counts come from.
        names: of the workloads.
        beyond: the verdict after which a person at the gate keeps watching. The next verdict is returned as soon as its
            decision differs and can be acted on, else after another `min_duration`. `max_duration` does not apply,
            because a person is there.

    Raises:
        TimedOutError: the verdict could not be acted on within the options' `max_duration`, from this call on and not
            counting outages of the API server. Another watch has the same time again, and continues with the counts.
        InputError: there is no canary, or it was deleted meanwhile; a selector is misspelt.
        ClusterError: counts may not be read.
    """
    options, cluster = world.options, world.cluster
    record, keeper, called = None, CountsWriter(cluster), world.patient_now()
    diagnosis = Diagnosis(cluster, world.clock.now)
    silence, spelling, disruptions = NoTraffic(world), SelectorCheck(world, samples), Disruptions()
    noted = {name: _note_what_compares(world, name) for name in names}
    is_first = True
    while True:
        scene = observe(cluster, names, world.clock.now())
        record = record or _begun(world, scene)
        pods = pods_to_sample(scene, options.metrics_port)
        before = record.tally
        scrapes = samples.read(pods, before.since(pods, scene.at))
        tally = before.add(scrapes, options.measures, by_route=scene.is_by_route).without_gone(scene.uids)
        record = record.looked(scene.at, tally, complete=_is_complete(scene, pods, tally), interval=options.interval)
        routed = names if scene.is_by_route else ()
        undivided = why_not_divided(world, routed)  # first: requests must find stable's pods, whatever else there is
        held = disruptions.waiting_for(scene) or undivided
        verdict = _verdict(world, scene, tally, record, held)
        try:
            unchecked = spelling.check(scene, pods, tally, verdict)
        except InputError:  # canary status must not offer a misspelt command
            for name, known in noted.items():
                _note(world, name, known)
            raise
        _tell_what_is_tolerated(world, verdict, before, record.measures)  # not of a misspelt selector
        waiting_for = held or unchecked or _waiting_for(world, scene, record, diagnosis)
        record = replace(
            record,
            decision=verdict.decision,
            sentence=verdict.sentence,
            measures=options.measures,
            alpha=options.alpha,
            forecast=None if held else expectation(record, verdict, options),
            last_look=LastLook(options.interval, waiting_for, _missing(tally)),
        )
        for name, _, canary in scene.variants(Variant.CANARY):
            keeper.write(name, canary, record)
            if is_first:  # from here on the lock does that, at each renewal
                postpone_expiry(cluster, name, world.clock.now() + options.expire_after)
        is_first = False
        worse = verdict.decision is Decision.REJECT
        decided = verdict.decision is Decision.PROMOTE or not _decidable(world, scene)
        ends = worse or (decided and not waiting_for)
        late = world.patient_now() - called >= options.max_duration
        if beyond is not None:
            over = world.patient_now() - called >= max(options.min_duration, options.interval)
            changed = verdict.decision is not beyond.decision
            ends, late = over or (changed and (worse or not waiting_for)), False
        seen = variant_states(scene, tally, options.measures)
        elapsed = scene.at - record.began
        expected = record.forecast
        stable = {
            (name, metric): one
            for name in names
            for (variant, metric), one in tally.of(name).items()
            if variant is Variant.STABLE
        }
        world.listen(Looked(scene.at, elapsed, seen, verdict, waiting_for, ends or late, scene.step, expected, stable))
        if ends:
            world.listen(Judged(verdict))
            return verdict
        if late:
            world.listen(Judged(verdict))
            more = f" (expected: {expected})" if expected else ""
            relative = any(isinstance(one.tolerance, Multiple) for one in verdict.comparisons)
            why = (
                waiting_for
                or verdict.withheld
                or f"a decision needs more requests{' with errors' if relative else ''}{more}"
            )
            raise TimedOutError(f"undecided after {options.max_duration:g} s: {why}")
        silence.observe(scene, tally)
        sleep(world, routed, options.interval)


def _note_what_compares(world: World, name: str) -> ReleaseArguments | None:
    """Save the options of this comparison on the canary, unless they are there; return what was there before."""
    typed, canary = world.options.arguments, read_workload(world.cluster, name).canary
    known = None if canary is None else arguments_of(canary)
    if known is None or typed is None or not typed.watch or typed.watch == known.watch:
        return None
    _note(world, name, replace(known, watch=typed.watch))
    return known


def _note(world: World, name: str, typed: ReleaseArguments | None) -> None:
    canary = read_workload(world.cluster, name).canary
    if canary is not None and typed is not None:
        world.cluster.annotate(DEPLOYMENT, canary["metadata"]["name"], {ARGUMENTS: typed.to_json()})


def _begun(world: World, scene: Observation) -> Record:
    """Return the record of an earlier driver, or a new one."""
    canaries = {name: canary for name, _, canary in scene.variants(Variant.CANARY)}
    known = read_record(world.cluster, canaries, warm_up=world.options.warm_up)
    if known is None:
        return Record(scene.at, Tally(world.options.warm_up))
    tell(world, scene, known)
    return known.comparing(world.options.measures)


def _missing(tally: Tally) -> dict[str, str]:
    """Return the pods of canary and baseline whose last scrape failed, by name, and why."""
    missing = {pod.name: why for pod, why in tally.missing.items() if pod.variant is not Variant.STABLE}
    return dict(sorted(missing.items()))


def _is_complete(scene: Observation, pods: Sequence[Pod], tally: Tally) -> bool:
    """Return whether canary and baseline have pods, and all of them reported their counts."""
    told = {(pod.workload, pod.variant) for pod in pods}
    if _missing(tally):
        return False
    return all((name, variant) in told for name, variant, _ in scene.variants(Variant.CANARY, Variant.BASELINE))


def _verdict(world: World, scene: Observation, tally: Tally, record: Record, held: str) -> Verdict:
    """Return the verdict from counts, crashes and the earlier verdict.

    Args:
        world: what to work with.
        scene: the variants and their pods.
        tally: everything counted.
        record: of the looks before.
        held: why nothing can be decided now, empty if it can.
    """
    options = world.options
    verdict = judge(tally, options.measures, scene.compared, alpha=options.alpha, sample_ratio=options.sample_ratio)
    if not scene.compared:
        evidence = [tally.evidence(name, Variant.CANARY, options.measures.metrics[0]) for name in _names(scene)]
        good, total = sum(one.good for one in evidence), sum(one.total for one in evidence)
        share = f", {good / total * 100:.1f} % good" if total else ""
        verdict = replace(
            verdict,
            sentence="nothing to compare (first release): it can be promoted once it is ready and has answered "
            f"({total:,.0f} requests so far{share})",
        )
    if record.decision is Decision.REJECT:
        return replace(verdict, decision=Decision.REJECT, sentence=record.sentence)
    if died := canary_crashes(world.cluster, scene):
        return replace(verdict, decision=Decision.REJECT, sentence=died)
    if held:
        return replace(verdict, decision=Decision.UNDECIDED, sentence=held)
    return verdict


def _tell_what_is_tolerated(world: World, verdict: Verdict, before: Tally, measures: Measures | None) -> None:
    """Say which canary each tolerance would still promote, at the first look with it and enough requests to both.

    Args:
        world: what to work with.
        verdict: of this look.
        before: everything counted up to the look before.
        measures: what the look before compared by, None if there was none.
    """
    if verdict.decision is Decision.REJECT:
        return
    former = {metric.name: metric.tolerance for metric in measures.metrics} if measures else {}
    metrics = {metric.name: metric for metric in world.options.measures.metrics}
    enough = max(1, world.options.min_requests)

    def is_clear(tolerance: Tolerance, baseline: Evidence, canary: Evidence) -> bool:
        return enough <= min(baseline.total, canary.total) and is_known(tolerance, baseline)

    for one in verdict.comparisons:
        if one.tolerance is None:
            continue
        earlier = (before.evidence(one.workload, side, metrics[one.metric]) for side in COMPARED)
        is_new = former.get(one.metric) != one.tolerance or not is_clear(one.tolerance, *earlier)
        if is_new and is_clear(one.tolerance, one.baseline, one.canary):
            which = f"{one.metric} of {one.workload}, " if len(verdict.comparisons) > 1 else ""
            world.listen(Note(f"note: {which}{tolerated(one.tolerance, one.baseline.share)}"))


def _decidable(world: World, scene: Observation) -> bool:
    """Return whether requests can decide anything: there are a baseline and a tolerance for each metric."""
    return bool(scene.compared) and all(metric.tolerance is not None for metric in world.options.measures.metrics)


def _waiting_for(world: World, scene: Observation, record: Record, diagnosis: Diagnosis) -> str:
    """Return what a verdict other than REJECT waits for, empty if it can be acted on."""
    options, tally = world.options, record.tally
    for name, variant, deployment in scene.variants(Variant.CANARY, Variant.BASELINE):
        state = progress(deployment)
        if not state.complete:
            why = diagnosis.why_not_ready(deployment, scene.pods[name, variant])
            return f"{deployment['metadata']['name']}: {state.ready} of {state.desired} pods ready" + (
                f": {why}" if why else ""
            )
    left = scene.ready_at + options.warm_up - scene.at
    if left > 0:
        return f"{left:.0f} s of warm-up"
    for name, variant, deployment in scene.variants(Variant.CANARY, Variant.BASELINE):
        if name not in scene.compared:  # nothing is compared, but it must answer
            for metric in options.measures.metrics:
                found = tally.evidence(name, variant, metric)
                if found.total and not found.good:
                    return f"{deployment['metadata']['name']}: none of {found.total:,.0f} requests was {metric.quality}"
            if tally.answered(name, variant) < 1:
                return f"{deployment['metadata']['name']}: 0 of 1 requests"
        for metric in options.measures.metrics if name in scene.compared else ():
            total = tally.requests_at_step(name, variant, metric)
            if total < options.min_requests:
                of = f" of {metric.name}" if len(options.measures.metrics) > 1 else ""
                at = " at this step" if scene.step else ""
                return f"{deployment['metadata']['name']}: {total:,.0f} of {options.min_requests} requests{of}{at}"
    if missing := _missing(tally):
        return f"counts of {', '.join(missing)}"
    if record.watched < options.min_duration:
        return f"{options.min_duration - record.watched:.0f} s more to watch ({options.min_duration:g} s at least)"
    return ""


def _names(scene: Observation) -> tuple[str, ...]:
    return tuple(found.name for found in scene.workloads)
