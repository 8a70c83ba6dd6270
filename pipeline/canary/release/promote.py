"""Makes stable what the canary was, checks that it is, and takes it back if the cluster does not get it ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from canary.apply.dry_run import DryRun, check_rights, check_same_template, configuration_manifests
from canary.apply.server_side_apply import to_be_applied, write
from canary.errors import (
    CanaryError,
    InputError,
    InterruptedReleaseError,
    LockLostError,
    PromoteError,
    TimedOutError,
    UnreachableError,
)
from canary.events import Note, Promoted, Undone, Written
from canary.manifests.bundle import Bundle, digest
from canary.manifests.references import Reference, references
from canary.marks import UNPROVEN, before_name
from canary.objects import CONFIGURATION_KINDS, DEPLOYMENT, SERVICE, Kind, Object, content
from canary.observe.deployments import images, read_workload
from canary.observe.image_ids import check_same_images, running_images
from canary.observe.rollout import wait_until_ready
from canary.observe.services import check_services, services_by_deployment, wait_for_endpoints
from canary.ports import World
from canary.release.copies import check_same_content
from canary.release.proof import check_proof
from canary.release.reject import delete_variants
from canary.release.stable_changes import check_unchanged, check_unchanged_since_interruption, stable_digest
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


def promote(world: World, bundle: Bundle, *, decided: str = "") -> None:
    """Write the manifests of a release over stable, wait, check, and delete the variants.

    Running it again finishes what an interrupted run began, be it a promote or its undo; where nothing is left to do,
    nothing is done.

    Args:
        world: what to work with.
        bundle: the manifests.
        decided: who has decided at the gate, where the verdict was shown: it is not asked then. Empty if nobody has.

    Raises:
        InputError: no canary has shown this release, and stable does not run it already; the canary's verdict is
            REJECT, or it is not ready; somebody has changed stable since deploy; or a Service would not lead to stable
            any more. Nothing was changed.
        PromoteError: the cluster refused a write, or stable did not get ready; it is as it was before, with variants.
        UnreachableError: the API server was away for too long; what was written is left as it is.
        ClusterError: the cluster cannot be reached, or forbids it, before anything was changed.
    """
    mark = digest(bundle)
    names = [incoming["metadata"]["name"] for incoming in bundle.deployments]
    for name in names:
        if is_rolling_back(world.cluster, name):
            raise InputError(f"a rollback of {name} was interrupted: canary rollback {name} finishes it")
    if failed := undo_begun(world, names):
        raise _undo(world, names, failed)
    canaries, overridden, judged, before = {}, {}, {}, {}
    resumed = any(unfinished_digest(world.cluster, name) == mark for name in names)
    workloads = [read_workload(world.cluster, name) for name in names]
    for incoming, found in zip(bundle.deployments, workloads, strict=True):
        overridden[found.name] = check_proof(world, bundle, found, incoming, decided=decided, resumed=resumed)
    for one in workloads:
        # read anew: a canary that was not ready was waited for, and somebody may have changed stable meanwhile
        found = replace(one, stable=world.cluster.get(DEPLOYMENT, one.name))
        if resumed:
            check_unchanged_since_interruption(world, found, mark)
        else:
            check_unchanged(world, found)
        if found.canary is not None:
            canaries[found.name] = found.canary
            judged[found.name] = running_images(world.cluster, found.canary)
        old = [one for one in (found.stable, found.baseline) if one is not None]
        before[found.name] = [ran for one in old for ran in running_images(world.cluster, one)]
    check_rights(world.cluster, bundle)
    if not resumed:  # else who began it has looked, when the old Services led to the old pods
        _check_routes(world, bundle)
    led = services_by_deployment(world.cluster, names)
    changes = resumed or not _is_done(world, bundle)
    if changes and not is_saved(world.cluster, names[-1], mark):  # else an earlier run has kept all, in this order
        for incoming in bundle.deployments:
            # the objects that all workloads share are kept with each of them
            name = incoming["metadata"]["name"]
            too_large = save(world.cluster, name, mark, [*bundle.others, incoming], together=names)
            if too_large:
                text = f"what {name} is now does not fit into ConfigMap {before_name(name)} ({too_large})"
                text += ": this promote cannot be undone, nor rolled back"
                world.listen(Note(text, warning=True))
    try:
        if changes:
            _write(world, bundle, canaries, overridden)
        for obj in () if changes else (*bundle.others, *bundle.deployments):
            world.listen(Written(obj["kind"], obj["metadata"]["name"], "unchanged"))
        wait_until_ready(world, names)
        wait_for_endpoints(
            world, {name: led[name] | now for name, now in services_by_deployment(world.cluster, names).items()}
        )
        for name, ran in judged.items():
            stable = world.cluster.get(DEPLOYMENT, name)
            check_same_images(world, name, running_images(world.cluster, stable) if stable else (), ran, before[name])
    except UnreachableError:
        raise  # no undo would get through either; the next promote goes on from here
    except CanaryError as error:
        if not changes:
            raise PromoteError(
                f"{error}; promote had nothing to change, and leaves the variants as they are"
            ) from error
        raise _undo(world, names, str(error)) from error
    for name in names:
        delete_variants(world, name)
    for name in names:
        stable = world.cluster.get(DEPLOYMENT, name)
        runs = images(stable) if stable else ()
        if changes:
            mark_done(world.cluster, name, runs, stable_digest(stable, label=world.options.label))
        world.listen(Promoted(name, runs))


def _is_done(world: World, bundle: Bundle) -> bool:
    """Return whether an earlier promote has made everything what the manifests say: its record then tells what was."""
    finished = [read_last_promote(world.cluster, incoming["metadata"]["name"]) for incoming in bundle.deployments]
    if not all(one is not None and one.state is PromoteState.DONE for one in finished):
        return False
    dry_run = DryRun(world.cluster, demanded=True)
    try:
        return all(dry_run.change(obj).is_none for obj in (*bundle.others, *bundle.deployments))
    except InputError:
        return False  # what is refused, and why, the write itself tells


def _write(world: World, bundle: Bundle, canaries: Mapping[str, Object], overridden: Mapping[str, str]) -> None:
    """Write the manifests, configuration before Deployments.

    Args:
        world: what to work with.
        bundle: the manifests.
        canaries: that were judged, by workload.
        overridden: what spoke against the promote of a workload, empty if nothing did.
    """
    mark = digest(bundle)
    for incoming in bundle.deployments:
        _check_same(world, bundle, incoming, canaries.get(incoming["metadata"]["name"]))
    for obj in bundle.others:
        write(world, obj)
    for incoming in bundle.deployments:
        write(world, incoming, configuration=mark if _is_configured_anew(world, incoming) else "")
        name = incoming["metadata"]["name"]
        if why := overridden[name]:
            world.cluster.annotate(DEPLOYMENT, name, {UNPROVEN: why})  # the next promote's write drops it


def _check_routes(world: World, bundle: Bundle) -> None:
    """Refuse a promote after which a Service would not lead to stable any more."""
    dry_run = DryRun(world.cluster, demanded=True)
    services = [one for one in bundle.others if Kind.of(one) == SERVICE]
    try:
        after = [dry_run.change(obj).planned for obj in (*bundle.deployments, *services)]
    except InputError:
        return  # what is refused, and why, the write itself tells
    for warning in check_services(world.cluster, after, action="promote"):
        world.listen(Note(warning, warning=True))


def _check_same(world: World, bundle: Bundle, incoming: Object, canary: Object | None) -> None:
    """Refuse to promote where stable's pods, or their configuration, would not be what the canary's are, by dry run.

    The fields that kubectl, Helm or the task wrote are taken over first: until then a dry run would show them kept.
    """
    if canary is None or world.options.unproven:
        return
    for reference, other in configuration_manifests(bundle, incoming).items():
        kind, name = Kind.of(other), other["metadata"]["name"]
        world.cluster.take_over(kind, name)
        planned = world.cluster.apply(to_be_applied(world.cluster, other), dry_run=True)
        if reference in copied_by(canary):
            check_same_content(world.cluster, reference, planned)
        else:
            live = world.cluster.get(kind, name)
            if live is None or content(live) != content(planned):
                raise InputError(
                    f"{reference} has changed since {canary['metadata']['name']} was made, which runs with it: "
                    "reject the canary, and deploy it anew"
                )
    world.cluster.take_over(Kind.of(incoming), incoming["metadata"]["name"])
    planned = world.cluster.apply(to_be_applied(world.cluster, incoming), dry_run=True)
    check_same_template(planned, canary, label=world.options.label)


def _is_configured_anew(world: World, incoming: Object) -> bool:
    """Return whether pods of a stable that was there before would find another configuration than then.

    Where what was before did not fit, nobody can tell: then they are started anew.
    """
    before = read_last_promote(world.cluster, incoming["metadata"]["name"])
    if before is not None and before.too_large:
        return True
    was = {
        Reference(one.kind.kind, one.name): one for one in snapshots_before(world.cluster, incoming["metadata"]["name"])
    }
    stable = was.get(Reference(DEPLOYMENT.kind, incoming["metadata"]["name"]))
    if stable is None or stable.object is None:
        return False
    used = [
        one for reference, one in was.items() if reference in references(incoming) and one.kind in CONFIGURATION_KINDS
    ]
    return any(content(world.cluster.get(one.kind, one.name) or {}) != content(one.object or {}) for one in used)


def undo_begun(world: World, names: Sequence[str]) -> str:
    """Return why the promote failed that an earlier run began to undo and did not finish, empty if there is none."""
    return next((why for name in names if (why := undo_reason(world.cluster, name))), "")


def _undo(world: World, names: Sequence[str], cause: str) -> PromoteError:
    """Put everything back as it was, and return the error to raise.

    That it is to be put back is noted first: whoever goes on after an interruption finds that, and why.
    """
    lost = [name for name in names if (was := read_last_promote(world.cluster, name)) is not None and was.too_large]
    if lost:
        return PromoteError(
            f"promote failed, and cannot be undone, as what {' and '.join(lost)} was before did not fit into a "
            f"ConfigMap: {cause}; stable may be in the middle of its rollout. canary promote, once more, tries again; "
            f"kubectl rollout undo deployment/{lost[0]} goes back to the pods before"
        )
    try:
        kept = {name: found for name in names if (found := snapshots_before(world.cluster, name))}
        for name in kept:
            mark_undoing(world.cluster, name, cause)
        for found in kept.values():
            for one in found:  # what pods use comes before the Deployment, as in the promote
                restore(world, one)
        wait_until_ready(world, [name for name in kept if world.cluster.get(DEPLOYMENT, name) is not None])
        for name in kept:
            delete_last_promote(world.cluster, name)
            world.listen(Undone(name, cause))
    except KeyboardInterrupt:
        raise InterruptedReleaseError(
            f"interrupted while a promote was being undone ({cause}): stable {' and '.join(names)} may be in the "
            "middle of it; canary promote, once more, finishes the undo"
        ) from None
    except LockLostError:
        raise  # another driver is at work now: what is left is for that one to see to
    except TimedOutError as error:
        return PromoteError(
            f"promote failed ({cause}); everything is put back as it was, but not ready again ({error}): "
            "canary promote, once more, waits for it"
        )
    except CanaryError as error:
        return PromoteError(
            f"promote failed ({cause}) and could not be undone ({error}); canary promote, once more, tries again. "
            f"ConfigMap {', '.join(map(before_name, names))} holds what was before"
        )
    return PromoteError(
        f"promote failed and was undone: {cause}. Variants are left as they are: look at them, then promote again or "
        f"canary reject {' '.join(names)}"
    )
