"""What deploy is going to do: found out, checked and rehearsed before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from canary.apply.dry_run import DryRun, check_rights, check_same_template
from canary.errors import ForbiddenError, InputError
from canary.events import Note
from canary.manifests.bundle import Bundle, digest
from canary.marks import ARGUMENTS, CREATED, DIGEST, STABLE, Variant, variant_name
from canary.objects import SERVICE, Kind, Object, annotations_of, labels_of
from canary.observe.deployments import Workload, images, progress, read_workload, replicas
from canary.observe.diagnosis import why_not_ready
from canary.observe.observation import metrics_port_of
from canary.observe.services import check_services
from canary.observe.surroundings import Planned, findings
from canary.ports import World
from canary.release.copies import check_can_be_created
from canary.release.other_objects import OtherObjects, plan_other_objects
from canary.release.stable_changes import is_changed, stable_digest
from canary.state.expiry import expiry_annotation
from canary.state.last_promote import PromoteState, read_last_promote, undo_advice, unfinished_digest
from canary.variants import derive as variants
from canary.variants.derive import template_differences, variant_replicas
from canary.variants.steps import Step, step_at_hand, step_of


@dataclass(frozen=True)
class Plan:
    """What deploy does.

    Attributes:
        others: what becomes of the objects beside the Deployments.
        created: variants to be created.
        step: which of its steps the release is at.
        stepped: names of canaries that exist, and are told of that step.
        scaled: names of variants that exist, and the replicas they are to get.
        existing: names of variants that are there already, of this same release.
        notes: what the user should know.
    """

    others: OtherObjects
    created: tuple[Object, ...]
    step: Step
    stepped: tuple[str, ...]
    scaled: tuple[tuple[str, int], ...]
    existing: tuple[str, ...]
    notes: tuple[Note, ...]

    @property
    def written(self) -> tuple[Object, ...]:
        """Return the objects that are going to be written, in this order."""
        copies = tuple(copy.object for copy in self.others.copies)
        return (*self.others.created, *self.others.written, *self.created, *copies)


def make_plan(world: World, bundle: Bundle, *, promoting: bool = False) -> Plan:
    """Return what deploy would do now; writes nothing, but rehearses all that deploy and promote will write.

    Args:
        world: what to work with.
        bundle: the manifests.
        promoting: whether this same account is to promote, so that a right that it lacks for that is an error.

    Raises:
        InputError: stable is no sound baseline, another release is in progress, or the API server would refuse an
            object, now or at promote.
        ForbiddenError: the account lacks a right.
    """
    mark = digest(bundle)
    workloads = tuple(read_workload(world.cluster, incoming["metadata"]["name"]) for incoming in bundle.deployments)
    for found in workloads:
        _check_startable(world, found, mark)
    unread = _without_metrics_port(world, bundle, workloads)
    if promoting:
        if unread:
            raise InputError(unread)
        check_rights(world.cluster, bundle)
    dry_run = DryRun(world.cluster, demanded=promoting)
    beside = plan_other_objects(world, bundle, workloads, dry_run, mark)
    step = step_at_hand(world.options.steps, [found.canary for found in workloads if found.canary])
    created: list[Object] = []
    stepped: list[str] = []
    scaled: list[tuple[str, int]] = []
    existing: list[str] = []
    notes: list[Note] = [Note(unread, warning=True)] if unread else []
    for incoming, found in zip(bundle.deployments, workloads, strict=True):
        wanted = _wanted(world, found, incoming, mark=mark, step=step, beside=beside)
        shown = {}
        for variant, made in wanted.items():
            live, count = found.variants.get(variant), replicas(made)
            shown[variant] = live or world.cluster.create(made, dry_run=True)
            if live is None:
                created.append(made)
                continue
            existing.append(live["metadata"]["name"])
            if variant is Variant.CANARY and step_of(live) != step:
                stepped.append(live["metadata"]["name"])
            if replicas(live) != count:
                scaled.append((live["metadata"]["name"], count))
        change = dry_run.change(incoming)
        if change.certain:
            check_same_template(change.planned, shown[Variant.CANARY], label=world.options.label)
        notes.extend(_notes(world, bundle, found, wanted, {made["metadata"]["name"] for made in created}))
    warnings = _routes(world, bundle, workloads, dry_run)
    if created:  # a release that goes on has said it before
        notes += [Note(text, warning=True) for text in warnings]
    for other in beside.created:
        world.cluster.create(other, dry_run=True)
    for copy in beside.copies:
        check_can_be_created(world.cluster, copy)
    if dry_run.lacking:
        notes.append(_cannot_promote(dry_run.lacking, dry_run.unchecked))
    return Plan(beside, tuple(created), step, tuple(stepped), tuple(scaled), tuple(existing), tuple(notes))


def size(found: Workload, incoming: Object, step: Step) -> int:
    """Return how many pods each variant of a workload has at a step."""
    return variant_replicas(replicas(found.stable or incoming), step.percentage)


def share(name: str, count: int, stable: int) -> Note:
    """Return what share of requests a canary gets: `count` of its pods beside `stable` of stable's."""
    every = stable + 2 * count
    return Note(f"{name}: the canary gets about {count / every:.0%} of requests, {count} of {every} pods")


def _check_startable(world: World, found: Workload, mark: str) -> None:
    """Refuse a workload that no release can be made of now, or go on with."""
    was = read_last_promote(world.cluster, found.name)
    if was is not None and was.state is PromoteState.ROLLING_BACK:
        raise InputError(f"a rollback of {found.name} was interrupted: canary rollback {found.name} finishes it")
    if was is not None and was.state is PromoteState.PROMOTING and was.failed:
        raise InputError(
            f"a promote of {found.name} failed ({was.failed}), and its undo was interrupted: "
            f"{undo_advice(was, found.name)}"
        )
    promoting = unfinished_digest(world.cluster, found.name)
    if promoting == mark:
        raise InputError(
            f"a promote of this release of {found.name} was interrupted: "
            "canary promote, with the same manifests and images, finishes it"
        )
    due = [found.canary] if found.stable is None else [found.canary, found.baseline]
    for live in due:
        if live is not None:
            _check_same_release(found, live, mark, promoting, label=world.options.label)
    if is_changed(found, label=world.options.label):
        raise InputError(
            f"stable {found.name} has changed since {variant_name(found.name, Variant.CANARY)} was deployed: "
            f"start anew after canary reject {found.name}"
        )
    if found.stable is not None and None in due:
        _check_sound(world, found.stable)


def _routes(world: World, bundle: Bundle, workloads: Sequence[Workload], dry_run: DryRun) -> tuple[str, ...]:
    """Refuse a release that would cut off a Service, and return what to warn of.

    That is promote's doing, or deploy's where it writes Services at once.
    """
    services = [dry_run.change(other).planned for other in bundle.others if Kind.of(other) == SERVICE]
    deployments = [dry_run.change(incoming).planned for incoming in bundle.deployments]
    stable = [found.stable for found in workloads if found.stable is not None]
    try:
        if world.options.others == "now":
            check_services(world.cluster, [*stable, *services], action="deploy")
        return check_services(world.cluster, [*deployments, *services], action="promote")
    except ForbiddenError:
        return ()  # that Services may not be seen is among the notes


def _without_metrics_port(world: World, bundle: Bundle, workloads: Sequence[Workload]) -> str:
    """Return what has no port to read counts from, and what to do about it; empty where all have one."""
    port = world.options.metrics_port
    advice = f"name one {port}, pass --metrics-port, or read from Prometheus (--prometheus)"
    for incoming, found in zip(bundle.deployments, workloads, strict=True):
        if metrics_port_of(incoming, port) is None:
            return (
                f"{bundle.source(incoming)}: Deployment {found.name} has no container port {port!r} to read counts "
                f"from: {advice}"
            )
        if found.stable is not None and metrics_port_of(found.stable, port) is None:
            return (
                f"stable {found.name} has no container port {port!r}, so its baseline would have none to read counts "
                f"from: {advice}; canary apply with these manifests adds it to stable"
            )
    return ""


def _wanted(
    world: World, found: Workload, incoming: Object, *, mark: str, step: Step, beside: OtherObjects
) -> dict[Variant, Object]:
    """Return the variants that the release is to have."""
    options = world.options
    count = size(found, incoming, step)
    wanted = {
        Variant.CANARY: variants.canary(incoming, replicas=count, label=options.label, copied=beside.copied[found.name])
    }
    if found.stable is not None:
        wanted[Variant.BASELINE] = variants.baseline(found.stable, replicas=count, label=options.label)
    marks = step.annotations | expiry_annotation(world.clock.now() + options.expire_after)
    if options.arguments is not None:
        marks[ARGUMENTS] = options.arguments.to_json()
    marks[STABLE] = stable_digest(found.stable, label=options.label)
    if beside.created:
        marks[CREATED] = " ".join(f"{made['kind']}/{made['metadata']['name']}" for made in beside.created)
    of_canary = {Variant.CANARY: marks}
    return {variant: _marked(made, {DIGEST: mark} | of_canary.get(variant, {})) for variant, made in wanted.items()}


def _marked(made: Object, marks: Mapping[str, str]) -> Object:
    annotations = made["metadata"]["annotations"] | marks
    return {**made, "metadata": {**made["metadata"], "annotations": annotations}}


def _check_same_release(found: Workload, live: Object, mark: str, promoting: str | None, *, label: str) -> None:
    """Refuse to go on where the variant that is there belongs to another release."""
    name = live["metadata"]["name"]
    if label not in labels_of(live):
        raise InputError(
            f"Deployment {name} is no variant (it has no label {label}): "
            f"rename it, or delete it, before releasing {found.name}"
        )
    theirs = annotations_of(live).get(DIGEST)
    if theirs != mark:
        ending = f"promote it, or reject it first (canary reject {found.name}, or --supersede with this one)"
        if promoting is not None and promoting == theirs:
            ending = "its promote was interrupted: canary promote, with its manifests and images, finishes it"
        raise InputError(
            f"another release of {found.name} is in progress: {name} runs {', '.join(images(live))} since "
            f"{live['metadata'].get('creationTimestamp')}; {ending}"
        )
    if found.stable is not None and name == variant_name(found.name, Variant.BASELINE):
        differences = template_differences(live, found.stable, label=label)
        if differences:
            raise InputError(
                f"stable {found.name} has changed since {name} was made of it ({', '.join(differences)}): "
                f"start anew after canary reject {found.name}"
            )


def _check_sound(world: World, stable: Object) -> None:
    """Refuse a stable that there is nothing sound to compare with."""
    name, state = stable["metadata"]["name"], progress(stable)
    if stable["metadata"].get("deletionTimestamp"):
        raise InputError(f"stable {name} is being deleted")
    if stable["spec"].get("paused"):
        raise InputError(f"stable {name} is paused: resume it first (kubectl rollout resume deployment/{name})")
    if state.complete:
        return
    why = why_not_ready(world.cluster, stable)
    reason = f": {why}" if why else ""
    if state.updated == state.desired and (stable.get("status") or {}).get("replicas") == state.desired:
        raise InputError(f"stable {name} is not fully ready, {state.ready} of {state.desired} pods{reason}")
    raise InputError(
        f"stable {name} is in the middle of a rollout ({state.updated} of {state.desired} pods updated){reason}; "
        f"wait for it, or undo it (kubectl rollout undo deployment/{name})"
    )


def _cannot_promote(lacking: Sequence[str], unchecked: Sequence[str]) -> Note:
    gap = f". Not rehearsed: what promote changes in {', '.join(unchecked)}" if unchecked else ""
    text = f"this account lacks {', '.join(lacking)}, and so cannot promote; another account has to{gap}"
    return Note(text, warning=True)


def _notes(
    world: World, bundle: Bundle, found: Workload, wanted: dict[Variant, Object], created: set[str]
) -> list[Note]:
    """Return what is worth knowing of variants about to be created; a release that goes on has said it before."""
    canary = wanted[Variant.CANARY]
    if canary["metadata"]["name"] not in created:
        return []
    notes = []
    if found.stable is None:
        notes.append(
            Note(f"there is no stable {found.name} yet: a first release has a canary only, nothing to compare it with")
        )
    else:
        notes.append(share(found.name, replicas(canary), replicas(found.stable)))
    services = tuple(other for other in bundle.others if Kind.of(other) == SERVICE)
    planned = Planned(found.name, found.stable, canary, world.options.label, services)
    return [*notes, *(Note(str(finding), warning=True) for finding in findings(world.cluster, planned))]
