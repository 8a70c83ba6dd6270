"""What deploy will do: planned, checked and tried as a dry run before anything is written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from canary.apply.dry_run import DryRun, check_same_template
from canary.errors import ForbiddenError, InputError
from canary.events import Note
from canary.manifests.bundle import Bundle, digest
from canary.marks import ARGUMENTS, CREATED, DIGEST, ROUTE, STABLE, Variant, variant_name, version_labels
from canary.objects import SERVICE, Kind, Object, annotations_of, labels_of
from canary.observe.deployments import Workload, images, progress, read_workload
from canary.observe.diagnosis import why_not_ready
from canary.observe.observation import metrics_port_of
from canary.observe.services import check_services
from canary.observe.surroundings import Planned, findings
from canary.ports import World
from canary.release.commands import Commands
from canary.release.copies import check_can_be_created
from canary.release.other_objects import OtherObjects, plan_other_objects
from canary.release.rights import check_promote_rights
from canary.release.stable_changes import is_changed, stable_digest
from canary.release.traffic import check_traffic
from canary.state.expiry import expiry_annotation
from canary.state.last_promote import PromoteState, read_last_promote, unfinished_digest
from canary.variants import derive as variants
from canary.variants.derive import template_differences
from canary.variants.sizes import by_route, expected_share, replicas, variant_replicas
from canary.variants.steps import Step, step_at_hand, step_of


@dataclass(frozen=True)
class Plan:
    """What deploy does.

    Attributes:
        others: what happens to the objects other than the Deployments.
        created: variants to create.
        step: the current step of the release.
        stepped: names of existing canaries that get the annotations of that step.
        scaled: names of existing variants, and the replicas that they get.
        existing: names of variants that this same release has created before.
        services: Services to create, to which a route sends the requests of each variant.
        routes: HTTPRoutes that divide the requests, as they will be at that step.
        notes: what the user should know.
    """

    others: OtherObjects
    created: tuple[Object, ...]
    step: Step
    stepped: tuple[str, ...]
    scaled: tuple[tuple[str, int], ...]
    existing: tuple[str, ...]
    services: tuple[Object, ...]
    routes: tuple[Object, ...]
    notes: tuple[Note, ...]

    @property
    def written(self) -> tuple[Object, ...]:
        """Return the objects that deploy writes, in this order."""
        copies = tuple(copy.object for copy in self.others.copies)
        return (*self.others.created, *self.others.written, *self.services, *self.created, *copies, *self.routes)


def make_plan(world: World, bundle: Bundle, *, promoting: bool = False) -> Plan:
    """Return what deploy would do now. Nothing is written; all writes of deploy and promote are tried as dry runs.

    Args:
        world: what to work with.
        bundle: the manifests.
        promoting: whether this account is also to promote, so that a missing permission for that is an error.

    Raises:
        InputError: stable is not ready to be compared with, another release is in progress, or the API server would
            refuse an object, now or at promote.
        ForbiddenError: the account lacks a permission.
    """
    mark = digest(bundle)
    workloads = tuple(read_workload(world.cluster, incoming["metadata"]["name"]) for incoming in bundle.deployments)
    if world.options.route and len(workloads) > 1:
        names = " and ".join(workload.name for workload in workloads)
        raise InputError(
            f"--traffic gateway releases one Deployment at a time, and the manifests have {names}: release each "
            "by itself, or use --traffic pods"
        )
    for workload in workloads:
        _check_startable(world, workload, mark)
    traffic = [check_traffic(world, workload) for workload in workloads]
    no_port = _without_metrics_port(world, bundle, workloads)
    if promoting:
        if no_port:
            raise InputError(no_port)
        check_promote_rights(world.cluster, bundle)
    dry_run = DryRun(world.cluster, demanded=promoting)
    others = plan_other_objects(world, bundle, workloads, dry_run, mark)
    step = step_at_hand(world.options.steps, [workload.canary for workload in workloads if workload.canary])
    created: list[Object] = []
    stepped: list[str] = []
    scaled: list[tuple[str, int]] = []
    existing: list[str] = []
    notes: list[Note] = [Note(no_port, warning=True)] if no_port else []
    for incoming, workload in zip(bundle.deployments, workloads, strict=True):
        wanted = _wanted(world, workload, incoming, mark=mark, step=step, others=others)
        as_created = {}
        for variant, deployment in wanted.items():
            live, count = workload.variants.get(variant), replicas(deployment)
            as_created[variant] = live or world.cluster.create(deployment, dry_run=True)
            if live is None:
                created.append(deployment)
                continue
            existing.append(live["metadata"]["name"])
            if variant is Variant.CANARY and step_of(live) != step:
                stepped.append(live["metadata"]["name"])
            if replicas(live) != count:
                scaled.append((live["metadata"]["name"], count))
        change = dry_run.change(incoming)
        if change.certain:
            check_same_template(change.planned, as_created[Variant.CANARY], label=world.options.label)
        if wanted[Variant.CANARY] in created:  # else an earlier run of this release has shown them
            notes.extend(_notes(world, bundle, workload, wanted[Variant.CANARY], step))
    warnings = _service_warnings(world, bundle, workloads, dry_run)
    if created:
        notes += [Note(text, warning=True) for text in warnings]
    for other in others.created:
        world.cluster.create(other, dry_run=True)
    for copy in others.copies:
        check_can_be_created(world.cluster, copy)
    if dry_run.lacking:
        notes.append(_cannot_promote(dry_run.lacking, dry_run.unchecked))
    return Plan(
        others,
        tuple(created),
        step,
        tuple(stepped),
        tuple(scaled),
        tuple(existing),
        tuple(service for one in traffic for service in one.services),
        tuple(route for one in traffic for route in one.routes),
        tuple(notes),
    )


def size_at(world: World, step: Step, workload: Workload, incoming: Object) -> int:
    """Return how many pods canary and baseline of a workload have at a step."""
    return world.options.replicas or variant_replicas(replicas(workload.stable or incoming), step.percentage)


def share_note(world: World, workload: Workload, step: Step, pods: int) -> str:
    """Return which share of a workload's requests its canary gets at a step, for a person."""
    if world.options.route:
        return by_route(workload.name, world.options.route, step.percentage)
    return expected_share(workload.name, pods, replicas(workload.stable or {"spec": {}}))


def _check_startable(world: World, workload: Workload, mark: str) -> None:
    """Refuse a workload of which no release can be started or continued now."""
    name, label = workload.name, world.options.label
    last, commands = read_last_promote(world.cluster, name), Commands(world.options, name)
    if last is not None and last.state is PromoteState.ROLLING_BACK:
        raise InputError(f"a rollback of {name} was interrupted. To finish it: {commands.rollback}")
    if last is not None and last.state is PromoteState.PROMOTING and last.failed:
        raise InputError(
            f"a promote of {name} failed ({last.failed}), and its undo was interrupted. To finish the undo: "
            f"{commands.finish_undo(last)}"
        )
    promoting = unfinished_digest(world.cluster, name)
    if promoting == mark:
        raise InputError(f"a promote of this release of {name} was interrupted. To finish it: {commands.promote}")
    expected = [workload.canary] if workload.stable is None else [workload.canary, workload.baseline]
    for live in expected:
        if live is not None:
            _check_same_release(world, workload, live, mark, promoting)
    if is_changed(workload, label=label):
        raise InputError(
            f"stable {name} has changed since {variant_name(name, Variant.CANARY)} was deployed. To start again, first "
            f"end this release: {commands.reject}"
        )
    if workload.stable is not None and None in expected:
        _check_comparable(world, workload.stable)


def _service_warnings(world: World, bundle: Bundle, workloads: Sequence[Workload], dry_run: DryRun) -> tuple[str, ...]:
    """Refuse a release that would cut off a Service at promote (or now, with `others=now`); return what to warn of."""
    services = [dry_run.change(other).planned for other in bundle.others if Kind.of(other) == SERVICE]
    deployments = [dry_run.change(incoming).planned for incoming in bundle.deployments]
    stable = [workload.stable for workload in workloads if workload.stable is not None]
    try:
        if world.options.others == "now":
            check_services(world.cluster, [*stable, *services], action="deploy")
        return check_services(world.cluster, [*deployments, *services], action="promote")
    except ForbiddenError:
        return ()  # the notes say that Services may not be read


def _without_metrics_port(world: World, bundle: Bundle, workloads: Sequence[Workload]) -> str:
    """Return which Deployment has no port to read metrics from, and what to do; empty where all have one."""
    port = world.options.metrics_port
    advice = f"name a port {port}, pass --metrics-port, or read from Prometheus (--prometheus)"
    for incoming, workload in zip(bundle.deployments, workloads, strict=True):
        if metrics_port_of(incoming, port) is None:
            return (
                f"{bundle.source(incoming)}: Deployment {workload.name} has no container port {port!r} to read metrics "
                f"from: {advice}"
            )
        if workload.stable is not None and metrics_port_of(workload.stable, port) is None:
            return (
                f"stable {workload.name} has no container port {port!r}, so its baseline would have none to read "
                f"metrics from: {advice}. To add the port to stable: {Commands(world.options).apply}"
            )
    return ""


def _wanted(
    world: World, workload: Workload, incoming: Object, *, mark: str, step: Step, others: OtherObjects
) -> dict[Variant, Object]:
    """Return the variants of a workload that the release needs."""
    options, count, copied = world.options, size_at(world, step, workload, incoming), others.copied[workload.name]
    marks = {DIGEST: mark, STABLE: stable_digest(workload.stable, label=options.label)} | step.annotations
    marks |= expiry_annotation(world.clock.now() + options.expire_after)
    if options.route and workload.stable is not None:
        marks[ROUTE] = options.route
    if options.arguments is not None:
        marks[ARGUMENTS] = options.arguments.to_json()
    if others.created:
        marks[CREATED] = " ".join(f"{made['kind']}/{made['metadata']['name']}" for made in others.created)
    canary = variants.canary(incoming, replicas=count, label=options.label, copied=copied)
    wanted = {Variant.CANARY: _annotated(canary, marks)}
    if workload.stable is not None:
        baseline = variants.baseline(workload.stable, replicas=count, label=options.label)
        wanted[Variant.BASELINE] = _annotated(baseline, {DIGEST: mark})
    return wanted


def _annotated(deployment: Object, marks: Mapping[str, str]) -> Object:
    metadata = deployment["metadata"] | {"annotations": deployment["metadata"]["annotations"] | marks}
    return {**deployment, "metadata": metadata}


def _check_same_release(world: World, workload: Workload, live: Object, mark: str, promoting: str | None) -> None:
    """Refuse to continue where an existing variant belongs to another release."""
    name, label = live["metadata"]["name"], world.options.label
    if not labels_of(live).keys() & version_labels(label):
        raise InputError(
            f"Deployment {name} is not a variant of {workload.name} (it has no label {label}), and the release needs "
            "that name: rename the Deployment, or delete it"
        )
    commands = Commands.of(world.options, workload.name, workload.canary)
    live_digest = annotations_of(live).get(DIGEST)
    if live_digest != mark:
        advice = f"Promote it, or end it: {commands.reject} (or pass --supersede with the new release)"
        if promoting is not None and promoting == live_digest:
            advice = f"Its promote was interrupted. To finish it: {commands.promote}"
        raise InputError(
            f"another release of {workload.name} is in progress: {name} has been running {', '.join(images(live))} "
            f"since {live['metadata'].get('creationTimestamp')}. {advice}"
        )
    if workload.stable is not None and name == variant_name(workload.name, Variant.BASELINE):
        differences = template_differences(live, workload.stable, label=label)
        if differences:
            raise InputError(
                f"stable {workload.name} has changed since {name} was created ({', '.join(differences)}). To start "
                f"again, first end this release: {commands.reject}"
            )


def _check_comparable(world: World, stable: Object) -> None:
    """Refuse a stable that is not ready to be compared with."""
    name, state = stable["metadata"]["name"], progress(stable)
    kubectl = f"deployment/{name} -n {world.cluster.namespace}"
    if stable["metadata"].get("deletionTimestamp"):
        raise InputError(f"stable {name} is being deleted: wait until it is gone, then run the command again")
    if stable["spec"].get("paused"):
        raise InputError(f"stable {name} is paused: resume it first (kubectl rollout resume {kubectl})")
    if state.complete:
        return
    why = why_not_ready(world.cluster, stable)
    reason = f": {why}" if why else ""
    if state.updated == state.desired and (stable.get("status") or {}).get("replicas") == state.desired:
        raise InputError(f"stable {name} is not fully ready, {state.ready} of {state.desired} pods{reason}")
    raise InputError(
        f"stable {name} is in the middle of a rollout ({state.updated} of {state.desired} pods updated){reason}; "
        f"wait for it, or undo it (kubectl rollout undo {kubectl})"
    )


def _cannot_promote(lacking: Sequence[str], unchecked: Sequence[str]) -> Note:
    gap = f". Not checked by dry run: what promote changes in {', '.join(unchecked)}" if unchecked else ""
    text = f"this account cannot promote: it lacks {', '.join(lacking)}. Promote with another account{gap}"
    return Note(text, warning=True)


def _notes(world: World, bundle: Bundle, workload: Workload, canary: Object, step: Step) -> Iterator[Note]:
    """Yield what to know before a canary is created."""
    if workload.stable is None:
        yield Note(f"there is no stable {workload.name} yet: the first release has only a canary, nothing to compare")
    else:
        yield Note(share_note(world, workload, step, replicas(canary)))
    services = tuple(other for other in bundle.others if Kind.of(other) == SERVICE)
    planned = Planned(workload.name, workload.stable, canary, world.options.label, services)
    for finding in findings(world.cluster, planned):
        yield Note(str(finding), warning=True)
