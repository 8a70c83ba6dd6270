"""What must have been shown before a promote: a canary of this very release that works and was not found worse."""

from canary.apply.dry_run import DryRun, configuration_manifests
from canary.errors import InputError, TimedOutError
from canary.events import Note
from canary.manifests.bundle import Bundle, digest
from canary.marks import DIGEST, UNPROVEN
from canary.objects import Object, annotations_of
from canary.observe.crashes import canary_crashes
from canary.observe.deployments import Workload, images, is_ready, progress
from canary.observe.diagnosis import why_not_ready
from canary.observe.observation import observe
from canary.observe.rollout import wait_until_ready
from canary.ports import World
from canary.state.counts import read_record
from canary.times import timestamp
from canary.variants import derive as variants
from canary.variants.derive import template_differences
from canary.verdict.comparison import Decision


class UnprovenError(InputError):
    """Nothing has shown that this may be promoted, or something has shown that it may not.

    Attributes:
        why: in a sentence.
    """

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(f"{why}{advice}, or pass --unproven to promote it anyway")
        self.why = why


def check_proof(world: World, bundle: Bundle, found: Workload, incoming: Object, *, decided: str, resumed: bool) -> str:
    """Refuse to promote what nothing has shown to be right, unless somebody overrides that.

    Args:
        world: what to work with.
        bundle: the manifests.
        found: the workload.
        incoming: its Deployment in the manifests.
        decided: who has decided at the gate, where the verdict was shown; empty if nobody has.
        resumed: whether an earlier run has begun this promote, and looked at all of it.

    Returns:
        When the promote was begun, and what spoke against it and was overridden; empty if nothing did.

    Raises:
        UnprovenError: nothing has shown this release, or something has shown that it is worse.
    """
    overridden = annotations_of(found.stable).get(UNPROVEN, "") if resumed else ""
    try:
        _check_proven(world, bundle, found, incoming)
        if not (decided or resumed):  # else who began it has decided
            _check_verdict(world, found)
        elif (against := _verdict_against(world, found)) and not overridden:
            who = f"{decided} promoted" if decided else "promoted"
            overridden = f"{timestamp(world.clock.now())}: {who} against the verdict: {against}"
        if not resumed:
            _check_alive(world, found)
            _check_ready(world, found)
    except UnprovenError as error:
        if not world.options.unproven:
            raise
        overridden = f"{timestamp(world.clock.now())}: {error.why}"
        world.listen(Note(f"promoting {found.name} unproven: {error.why}", warning=True))
    return overridden


def _check_proven(world: World, bundle: Bundle, found: Workload, incoming: Object) -> None:
    """Refuse what no canary has shown."""
    if found.canary is None:
        if _runs_already(world, bundle, found.stable, incoming):
            return
        raise UnprovenError(
            f"no canary of {found.name} has run this release", ": run canary deploy and canary watch first"
        )
    theirs = annotations_of(found.canary).get(DIGEST)
    if theirs == digest(bundle):
        return
    name = found.canary["metadata"]["name"]
    if theirs is None:
        # made by the task, which leaves no digest: what stable becomes is compared with the canary's template below
        world.listen(Note(f"{name} was not made by this driver: promoting it if stable's pods will be the same"))
        return
    raise UnprovenError(
        f"{name} was deployed from other images or manifests ({', '.join(images(found.canary))}) than those given "
        f"now ({', '.join(images(incoming))})",
        ": pass the ones that it was deployed with (canary status shows the command)",
    )


def _verdict_against(world: World, found: Workload) -> str:
    """Return the sentence of a verdict that is REJECT, empty if it is another one."""
    if found.canary is None:
        return ""
    record = read_record(world.cluster, {found.name: found.canary}, warm_up=world.options.warm_up)
    return record.sentence if record is not None and record.decision is Decision.REJECT else ""


def _check_verdict(world: World, found: Workload) -> None:
    """Refuse a canary that was found worse; say where the caller's word is all there is. A first release has no other.

    Pipelines have gates of their own between deploy and promote: a canary that nobody has compared is promoted.
    """
    if found.canary is None:
        return
    record = read_record(world.cluster, {found.name: found.canary}, warm_up=world.options.warm_up)
    name = found.canary["metadata"]["name"]
    if record is not None and record.decision is Decision.REJECT:
        raise UnprovenError(
            f"the verdict on {name} is REJECT: {record.sentence}",
            f"; to end the release: canary reject {found.name}",
        )
    if found.stable is None or (record is not None and record.decision is Decision.PROMOTE):
        return
    why = f"the verdict was UNDECIDED ({record.sentence})" if record and record.sentence else "nothing was compared"
    world.listen(Note(f"promoting {name} without a PROMOTE verdict, as you asked: {why}", warning=True))


def _check_alive(world: World, found: Workload) -> None:
    """Refuse a canary of which something died since anybody looked: at a gate, or between two steps of a pipeline."""
    if found.canary is None:
        return
    record = read_record(world.cluster, {found.name: found.canary}, warm_up=world.options.warm_up)
    if record is not None and record.decision is Decision.REJECT:
        return  # who promotes it all the same knows of worse
    died = canary_crashes(world.cluster, observe(world.cluster, [found.name], world.clock.now()))
    if died:
        raise UnprovenError(died, f"; to end the release: canary reject {found.name}")


def _check_ready(world: World, found: Workload) -> None:
    """Wait for a canary that is not ready, and refuse one that does not get ready: it has shown nothing.

    With --unproven nobody waits: what spoke against the promote is recorded at once.
    """
    if found.canary is None or is_ready(found.canary):
        return
    state, why = progress(found.canary), why_not_ready(world.cluster, found.canary)
    not_ready = f"Deployment {found.canary['metadata']['name']}: {state.ready} of {state.desired} pods ready"
    not_ready += f": {why}" if why else ""
    if state.desired and not world.options.unproven:
        try:
            wait_until_ready(world, [found.canary["metadata"]["name"]])
        except TimedOutError as error:
            not_ready = str(error)
        else:
            _check_alive(world, found)  # it may have died and come back meanwhile
            return
    raise UnprovenError(f"the canary is not ready: {not_ready}", f"; to end the release: canary reject {found.name}")


def _runs_already(world: World, bundle: Bundle, stable: Object | None, incoming: Object) -> bool:
    """Return whether stable's pods are what the manifests say, with all defaults filled in by the API server."""
    if stable is None:
        return False
    fresh = variants.canary(incoming, replicas=1, label=world.options.label)
    if template_differences(world.cluster.create(fresh, dry_run=True), stable, label=world.options.label):
        return False
    dry_run = DryRun(world.cluster, demanded=True)
    return not any(
        dry_run.change(other).configures_anew for other in configuration_manifests(bundle, incoming).values()
    )
