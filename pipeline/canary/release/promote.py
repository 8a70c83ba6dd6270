"""Makes stable what the canary was, checks that it is, and undoes that if the cluster does not get it ready."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from canary.apply.dry_run import DryRun, check_same_template, configuration_manifests
from canary.apply.server_side_apply import to_be_applied, write
from canary.errors import CanaryError, InputError, PromoteError, UnreachableError
from canary.events import Note, Promoted, Undone, Written
from canary.manifests.bundle import Bundle, digest
from canary.manifests.references import Reference, references
from canary.marks import UNPROVEN, before_name
from canary.objects import CONFIGURATION_KINDS, DEPLOYMENT, SERVICE, Kind, Object, content
from canary.observe.deployments import Workload, images, read_workload
from canary.observe.image_ids import RunningImage, check_same_images, running_images
from canary.observe.rollout import wait_until_ready
from canary.observe.services import check_services, services_by_deployment, wait_until_serving
from canary.ports import World
from canary.release.commands import Commands
from canary.release.copies import check_same_content
from canary.release.proof import check_proof
from canary.release.reject import delete_variants
from canary.release.rights import check_promote_rights
from canary.release.stable_changes import check_unchanged, check_unchanged_since_interruption, stable_digest
from canary.release.traffic import put_back
from canary.release.undo import undo
from canary.state.last_promote import (
    PromoteState,
    delete_last_promote,
    is_rolling_back,
    is_saved,
    mark_done,
    mark_undoing,
    read_last_promote,
    save,
    snapshots_before,
    undo_reason,
    unfinished_digest,
)
from canary.state.restore import restore
from canary.variants.derive import copied_by


@dataclass(frozen=True)
class Candidate:
    """A workload before its promote.

    Attributes:
        workload: its Deployments.
        overridden: what speaks against the promote and was overridden, empty if nothing does.
        canary_images: what the canary's pods run, none where there is no canary.
        old_images: what the pods of the old version run.
    """

    workload: Workload
    overridden: str
    canary_images: tuple[RunningImage, ...]
    old_images: tuple[RunningImage, ...]


def promote(world: World, bundle: Bundle, *, decided: str = "") -> None:
    """Write the manifests of a release over stable, wait, check, and delete the variants.

    Running it again finishes what an interrupted run began, be it a promote or its undo. Where nothing is left to do,
    nothing is done.

    Args:
        world: what to work with.
        bundle: the manifests.
        decided: who decided at the gate, where the verdict was shown: it is not asked again. Empty if nobody did.

    Raises:
        InputError: no canary has run this release, and stable does not run it already; the canary's verdict is REJECT,
            or it is not ready; somebody has changed stable since deploy; or a Service would no longer lead to stable.
            Nothing was changed.
        PromoteError: the cluster refused a write, or stable did not get ready. Stable is as it was before, and the
            variants are kept.
        UnreachableError: the API server was away for too long; what was written stays.
        ClusterError: the cluster is unreachable, or forbids the promote, before anything was changed.
    """
    names = [incoming["metadata"]["name"] for incoming in bundle.deployments]
    for name in names:
        if is_rolling_back(world.cluster, name):
            finish = Commands(world.options, name).rollback
            raise InputError(f"a rollback of {name} was interrupted. To finish it: {finish}")
    if cause := next((why for name in names if (why := undo_reason(world.cluster, name))), ""):
        raise _undo(world, names, cause)
    is_resumed = any(unfinished_digest(world.cluster, name) == digest(bundle) for name in names)
    candidates = check(world, bundle, decided=decided, is_resumed=is_resumed)
    for name in names:
        put_back(world, name)  # before stable's pods change: a route that divides leads to its old ones alone
    before = services_by_deployment(world.cluster, names)
    changes = is_resumed or not _is_done(world, bundle)
    if changes:
        _save(world, bundle, names)
    try:
        if changes:
            _write(world, bundle, candidates)
        else:
            for obj in (*bundle.others, *bundle.deployments):
                world.listen(Written(obj["kind"], obj["metadata"]["name"], "unchanged"))
        wait_until_serving(world, before)
        _check_images(world, candidates)
    except UnreachableError:
        raise  # no undo would get through either; the next promote continues from here
    except CanaryError as error:
        if not changes:
            raise PromoteError(f"{error}. Promote had nothing to change; the variants are kept") from error
        raise _undo(world, names, str(error)) from error
    for name in names:
        delete_variants(world, name)
    for name in names:
        stable = world.cluster.get(DEPLOYMENT, name)
        stable_images = images(stable) if stable else ()
        if changes:
            mark_done(world.cluster, name, stable_images, stable_digest(stable, label=world.options.label))
        world.listen(Promoted(name, stable_images))


def check(world: World, bundle: Bundle, *, decided: str = "", is_resumed: bool = False) -> list[Candidate]:
    """Refuse a promote that is not proven, would overwrite somebody's change, or could not be carried out or undone.

    Args:
        world: what to work with.
        bundle: the manifests.
        decided: who decided at the gate, empty if nobody did.
        is_resumed: whether an interrupted run has begun this promote.

    Raises:
        InputError, ClusterError: see `promote`. Nothing was changed.
    """
    names = [incoming["metadata"]["name"] for incoming in bundle.deployments]
    workloads = [read_workload(world.cluster, name) for name in names]
    overridden = [
        check_proof(world, bundle, workload, incoming, decided=decided, resumed=is_resumed)
        for incoming, workload in zip(bundle.deployments, workloads, strict=True)
    ]
    candidates = []
    for workload_before, objection in zip(workloads, overridden, strict=True):
        # read again: somebody may have changed stable while a canary that was not ready was waited for
        workload = replace(workload_before, stable=world.cluster.get(DEPLOYMENT, workload_before.name))
        if is_resumed:
            check_unchanged_since_interruption(world, workload, digest(bundle))
        else:
            check_unchanged(world, workload)
        canary_images = running_images(world.cluster, workload.canary) if workload.canary else ()
        old = [deployment for deployment in (workload.stable, workload.baseline) if deployment is not None]
        old_images = tuple(image for deployment in old for image in running_images(world.cluster, deployment))
        candidates.append(Candidate(workload, objection, canary_images, old_images))
    check_promote_rights(world.cluster, bundle)
    if not is_resumed:  # else the earlier run checked them, when the old Services led to the old pods
        _check_services(world, bundle)
    return candidates


def _is_done(world: World, bundle: Bundle) -> bool:
    """Return whether an earlier promote has already made everything what the manifests say."""
    records = [read_last_promote(world.cluster, incoming["metadata"]["name"]) for incoming in bundle.deployments]
    if not all(last is not None and last.state is PromoteState.DONE for last in records):
        return False
    dry_run = DryRun(world.cluster, demanded=True)
    try:
        return all(dry_run.change(obj).is_none for obj in (*bundle.others, *bundle.deployments))
    except InputError:
        return False  # the write itself reports what is refused, and why


def _save(world: World, bundle: Bundle, names: Sequence[str]) -> None:
    """Save what is about to be overwritten. Objects that several workloads share are saved with each of them."""
    if is_saved(world.cluster, names[-1], digest(bundle)):  # the last one: an earlier run has saved all
        return
    for incoming in bundle.deployments:
        name = incoming["metadata"]["name"]
        too_large = save(world.cluster, name, digest(bundle), [*bundle.others, incoming], together=names)
        if too_large:
            text = f"{name} and its objects do not fit into ConfigMap {before_name(name)} ({too_large})"
            world.listen(Note(f"{text}: this promote cannot be undone or rolled back", warning=True))


def _write(world: World, bundle: Bundle, candidates: Sequence[Candidate]) -> None:
    """Write the manifests, configuration before Deployments."""
    for incoming, candidate in zip(bundle.deployments, candidates, strict=True):
        _check_same(world, bundle, incoming, candidate.workload.canary)
    for obj in bundle.others:
        write(world, obj)
    for incoming, candidate in zip(bundle.deployments, candidates, strict=True):
        is_reconfigured = _is_configuration_changed(world, incoming)
        write(world, incoming, configuration=digest(bundle) if is_reconfigured else "")
        if candidate.overridden:  # the next promote's write drops this annotation
            world.cluster.annotate(DEPLOYMENT, candidate.workload.name, {UNPROVEN: candidate.overridden})


def _check_images(world: World, candidates: Sequence[Candidate]) -> None:
    for candidate in candidates:
        if candidate.workload.canary is not None:
            name = candidate.workload.name
            stable = world.cluster.get(DEPLOYMENT, name)
            now = running_images(world.cluster, stable) if stable else ()
            check_same_images(world, name, now, candidate.canary_images, candidate.old_images)


def _check_services(world: World, bundle: Bundle) -> None:
    """Refuse a promote after which a Service would no longer lead to stable."""
    dry_run = DryRun(world.cluster, demanded=True)
    services = [other for other in bundle.others if Kind.of(other) == SERVICE]
    try:
        after = [dry_run.change(obj).planned for obj in (*bundle.deployments, *services)]
    except InputError:
        return  # the write itself reports what is refused, and why
    for warning in check_services(world.cluster, after, action="promote"):
        world.listen(Note(warning, warning=True))


def _check_same(world: World, bundle: Bundle, incoming: Object, canary: Object | None) -> None:
    """Refuse to promote where stable's pods, or their configuration, would differ from the canary's, by dry run.

    Take over the fields of kubectl, Helm and the task first: until then a dry run would show them as kept.
    """
    if canary is None or world.options.unproven:
        return
    for reference, other in configuration_manifests(bundle, incoming).items():
        kind, name = Kind.of(other), other["metadata"]["name"]
        world.cluster.take_over(kind, name)
        planned = world.cluster.apply(to_be_applied(world.cluster, other), dry_run=True)
        if reference in copied_by(canary):
            check_same_content(world.cluster, reference, planned)
            continue
        live = world.cluster.get(kind, name)
        if live is None or content(live) != content(planned):
            raise InputError(
                f"{reference} has changed since {canary['metadata']['name']} was created, which uses it: "
                "reject the canary, and deploy it again"
            )
    world.cluster.take_over(Kind.of(incoming), incoming["metadata"]["name"])
    planned = world.cluster.apply(to_be_applied(world.cluster, incoming), dry_run=True)
    check_same_template(planned, canary, label=world.options.label)


def _is_configuration_changed(world: World, incoming: Object) -> bool:
    """Return whether the configuration of a Deployment's pods is another than before the promote.

    Return True where what was before did not fit into its ConfigMap, so that the pods are restarted in any case.
    """
    name = incoming["metadata"]["name"]
    last = read_last_promote(world.cluster, name)
    if last is not None and last.too_large:
        return True
    before = {Reference(saved.kind.kind, saved.name): saved for saved in snapshots_before(world.cluster, name)}
    stable = before.get(Reference(DEPLOYMENT.kind, name))
    if stable is None or stable.object is None:
        return False
    used = references(incoming)
    return any(
        content(world.cluster.get(saved.kind, saved.name) or {}) != content(saved.object or {})
        for reference, saved in before.items()
        if reference in used and saved.kind in CONFIGURATION_KINDS
    )


def _undo(world: World, names: Sequence[str], cause: str) -> PromoteError:
    """Put everything back as it was, and return the error to raise."""
    cluster, commands = world.cluster, Commands(world.options, *names)
    records = {name: read_last_promote(cluster, name) for name in names}
    lost = [name for name, last in records.items() if last is not None and last.too_large]
    if lost:
        return PromoteError(
            f"promote failed and cannot be undone, because {' and '.join(lost)} did not fit into a ConfigMap: {cause}. "
            f"Stable may be in the middle of its rollout. To try again: {commands.promote}. To go back to the pods "
            f"before: kubectl rollout undo deployment/{lost[0]} -n {cluster.namespace}"
        )

    def put_back() -> str:
        saved = {name: snapshots for name in names if (snapshots := snapshots_before(cluster, name))}
        for name in saved:
            mark_undoing(cluster, name, cause)  # first: after an interruption the next run continues the undo
        for snapshots in saved.values():
            for snapshot in snapshots:  # in this order: what pods use comes before the Deployment
                restore(world, snapshot)
        wait_until_ready(world, [name for name in saved if cluster.get(DEPLOYMENT, name) is not None])
        for name in saved:
            delete_last_promote(cluster, name)
            world.listen(Undone(name, cause))
        return f"The variants are kept: check them, then promote again or end the release: {commands.reject}"

    return undo("promote", cause, put_back, retry=commands.promote, config_maps=[*map(before_name, names)])
