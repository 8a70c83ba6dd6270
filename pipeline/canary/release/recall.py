"""What earlier commands have seen of a release, as the cluster has saved it."""

from collections.abc import Sequence
from dataclasses import replace

from canary.errors import ForbiddenError, InputError
from canary.events import Recalled
from canary.observe.deployments import read_workload
from canary.observe.observation import Observation, observe, variant_states
from canary.ports import World
from canary.settings.options import Options
from canary.state.counts import read_record
from canary.state.record import Record
from canary.verdict.comparison import Decision, Verdict
from canary.verdict.tally import judge


def recall(world: World, names: Sequence[str]) -> None:
    """Tell listeners what earlier commands have seen of these workloads, before it is deleted with the canary.

    What cannot be read is left out: the command fails by itself if it needs it.
    """
    try:
        found = [read_workload(world.cluster, name) for name in names]
        if not (canaries := {one.name: one.canary for one in found if one.canary is not None}):
            return
        record = read_record(world.cluster, canaries, warm_up=world.options.warm_up)
        if record is not None:
            tell(world, observe(world.cluster, [*canaries], world.clock.now()), record)
    except (ForbiddenError, InputError):
        return


def tell(world: World, scene: Observation, record: Record) -> None:
    """Tell listeners what a record says of the variants."""
    seen = variant_states(scene, record.tally, record.measures or world.options.measures)
    verdict = recorded_verdict(world.options, record, scene.compared)
    world.listen(Recalled(record.began, seen, verdict, record.histories))


def recorded_verdict(options: Options, record: Record, compared: Sequence[str]) -> Verdict:
    """Return the verdict of a record, with the numbers by which it was judged."""
    measures, alpha = (record.measures, record.alpha) if record.measures else (options.measures, options.alpha)
    judged = judge(record.comparing(measures).tally, measures, compared, alpha=alpha)
    return replace(judged, decision=record.decision, sentence=record.sentence)


def last_verdict(world: World, names: Sequence[str]) -> Verdict:
    """Return the verdict that an earlier driver came to, with its numbers; UNDECIDED where none is known any more."""
    found = [read_workload(world.cluster, name) for name in names]
    canaries = {one.name: one.canary for one in found if one.canary is not None}
    record = read_record(world.cluster, canaries, warm_up=world.options.warm_up)
    if record is not None:
        return recorded_verdict(world.options, record, [one.name for one in found if one.baseline is not None])
    why = "nothing was compared" if canaries else "the verdict went with the canary that carried it"
    return Verdict(Decision.UNDECIDED, (), why)
