"""Puts back what was there before the last promote: stable, and what it uses. Undoes a rollback that fails."""

from collections.abc import Sequence
from dataclasses import dataclass

from canary.errors import CanaryError, InputError, LockLostError, PromoteError, TimedOutError, UnreachableError
from canary.events import Note, RolledBack, Undone
from canary.marks import ROLLBACK_FROM, TOO_LARGE, UNDOING, before_name, rollback_name
from canary.objects import CONFIG_MAP, DEPLOYMENT, SERVICE, Kind, Object, annotations_of, describe
from canary.observe.deployments import images, progress, read_workload
from canary.observe.rollout import wait_until_ready
from canary.observe.services import check_services, services_by_deployment, wait_until_serving
from canary.ports import Cluster, World
from canary.release.commands import Commands
from canary.release.reject import reject
from canary.release.rights import check_rollback_rights
from canary.release.stable_changes import stable_digest
from canary.release.traffic import put_back
from canary.release.undo import undo
from canary.state.last_promote import (
    LastPromote,
    PromoteState,
    promoted_together,
    read_last_promote,
    set_state,
    snapshots_before,
)
from canary.state.restore import restore, restored_replicas
from canary.state.route_record import read_route_record
from canary.state.snapshots import (
    Snapshot,
    TooLargeError,
    create_config_map,
    delete_snapshots,
    is_complete,
    read_snapshots,
    take_snapshots,
)


@dataclass(frozen=True)
class Target:
    """What a rollback of one workload restores.

    Attributes:
        name: of the workload.
        last: the promote that is rolled back.
        snapshots: the objects as they were before it, in the order in which they are put back.
    """

    name: str
    last: LastPromote
    snapshots: tuple[Snapshot, ...]


def rollback(world: World, names: Sequence[str]) -> None:
    """Put back what was there before the last promote of these workloads, wait, then delete their variants.

    The promote may have finished or not, and another release may be in progress: it ends, because its baseline runs the
    version that is rolled back. Running a rollback again finishes what an interrupted run began.

    Raises:
        InputError: there is nothing to go back to, or the API server would refuse it; nothing was changed.
        ForbiddenError: the account lacks a permission; nothing was changed.
        PromoteError: stable did not get ready, or a write was refused; everything is as it was before the rollback.
    """
    targets = [target for target in targets_of(world.cluster, names) if not _is_done(world, target)]
    if not targets:
        return
    if cause := next((why for target in targets if (why := _undo_reason(world.cluster, target))), ""):
        raise _undo(world, targets, cause)
    _check(world, targets)
    for target in targets:
        _save(world, target)
    for target in targets:
        set_state(world.cluster, target.name, PromoteState.ROLLING_BACK)
    for target in targets:
        put_back(world, target.name)
    snapshots, before = _snapshots(targets), services_by_deployment(world.cluster, [one.name for one in targets])
    try:
        for snapshot in snapshots:
            if snapshot.object is not None:
                restore(world, snapshot, at_least=True)
        wait_until_serving(world, before, gone=_services_gone(targets))
        for snapshot in snapshots:
            if snapshot.object is None:  # last: pods of the version that goes may have needed it
                restore(world, snapshot)
    except (LockLostError, UnreachableError):
        raise  # another driver is at work, or no undo would get through
    except CanaryError as error:
        raise _undo(world, targets, str(error)) from error
    for target in targets:
        found = read_workload(world.cluster, target.name)
        if found.canary or found.baseline or read_route_record(world.cluster, found):
            reject(world, target.name, f"stable {target.name} was rolled back")
        set_state(world.cluster, target.name, PromoteState.ROLLED_BACK)
        _delete_saved(world.cluster, target.name)
        stable = world.cluster.get(DEPLOYMENT, target.name)
        world.listen(RolledBack(target.name, images(stable) if stable else ()))


def targets_of(cluster: Cluster, names: Sequence[str]) -> tuple[Target, ...]:
    """Return what a rollback of these workloads would bring back.

    Raises:
        InputError: there is nothing to go back to.
    """
    targets = []
    for name in names:
        last = read_last_promote(cluster, name)
        undo_rollout = f"To go back to the pods before: kubectl rollout undo deployment/{name} -n {cluster.namespace}"
        if last is None:
            raise InputError(
                f"cannot roll {name} back: no promote has saved the version before (there is no ConfigMap "
                f"{before_name(name)}). {undo_rollout}"
            )
        if last.too_large:
            raise InputError(
                f"cannot roll {name} back: the version before its last promote was too large to save "
                f"({last.too_large}). {undo_rollout}"
            )
        if not last.images:
            raise InputError(
                f"cannot roll {name} back: its last promote was its first. To delete it: "
                f"kubectl delete deployment/{name} -n {cluster.namespace}"
            )
        every = promoted_together(cluster, name, last)
        if missing := [other for other in every if other not in names]:
            raise InputError(
                f"{name} was promoted together with {', '.join(missing)}, and they share configuration. "
                f"Roll all of them back: canary rollback {' '.join(every)}"
            )
        targets.append(Target(name, last, snapshots_before(cluster, name)))
    return tuple(targets)


def planned(world: World, names: Sequence[str]) -> tuple[tuple[Object, ...], tuple[tuple[Kind, str], ...]]:
    """Return the objects that a rollback would write now, and those that it would delete."""
    targets = [one for one in targets_of(world.cluster, names) if one.last.state is not PromoteState.ROLLED_BACK]
    snapshots = _snapshots(targets)
    written = tuple(_shown(world.cluster, one.object) for one in snapshots if one.object is not None)
    deleted = ((one.kind, one.name) for one in snapshots if one.object is None)
    return written, tuple(one for one in deleted if world.cluster.get(*one) is not None)


def _snapshots(targets: Sequence[Target]) -> tuple[Snapshot, ...]:
    """Return the objects as they were, each once: those that workloads share are saved with each of them."""
    return tuple({(one.kind, one.name): one for target in targets for one in target.snapshots}.values())


def _services_gone(targets: Sequence[Target]) -> frozenset[str]:
    """Return the names of the Services that did not exist before, and that the rollback deletes."""
    return frozenset(one.name for one in _snapshots(targets) if one.kind == SERVICE and one.object is None)


def _is_done(world: World, target: Target) -> bool:
    """Return whether a workload is rolled back already; finish what is left to do then."""
    if target.last.state is not PromoteState.ROLLED_BACK:
        return False
    _delete_saved(world.cluster, target.name)
    world.listen(Note(f"{target.name} is already rolled back to the version before its last promote"))
    return True


def _check(world: World, targets: Sequence[Target]) -> None:
    """Refuse a rollback that could not be carried out, or not be undone, before anything is changed."""
    check_rollback_rights(world.cluster, {target.name: target.snapshots for target in targets})
    after: list[Object] = []
    for target in targets:
        if text := _changed_since(world, target):
            world.listen(Note(f"{text}: the rollback overwrites that", warning=True))
        for snapshot in target.snapshots:
            if snapshot.object is not None:
                try:
                    after.append(world.cluster.replace(snapshot.object, dry_run=True))
                except InputError as error:
                    raise InputError(f"rollback could not put back {describe(snapshot.object)}: {error}") from error
    for warning in check_services(world.cluster, after, action="rollback", gone=_services_gone(targets)):
        world.listen(Note(warning, warning=True))


def _changed_since(world: World, target: Target) -> str:
    """Return how stable was changed since its last promote, empty if it was not."""
    live, promoted = world.cluster.get(DEPLOYMENT, target.name), target.last.promoted
    if live is not None and promoted and images(live) != promoted:
        return f"{target.name} runs {', '.join(images(live))} now, and its last promote gave it {', '.join(promoted)}"
    if target.last.made not in ("", stable_digest(live, label=world.options.label)):
        return f"the pods of {target.name} were changed since its last promote"
    return ""


def _save(world: World, target: Target) -> None:
    """Save what the rollback overwrites, for its undo, unless an interrupted run has saved it already.

    The ConfigMap for it is deleted with the record of the promote that is rolled back.
    """
    cluster, name, is_resumed = (
        world.cluster,
        rollback_name(target.name),
        target.last.state is PromoteState.ROLLING_BACK,
    )
    earlier = cluster.get(CONFIG_MAP, name)
    if earlier is not None:
        if ROLLBACK_FROM not in annotations_of(earlier):
            raise InputError(
                f"ConfigMap {name} is not from canary (it has no annotation {ROLLBACK_FROM}), and rollback needs that "
                "name to save the current version: rename the ConfigMap, or delete it: "
                f"kubectl delete configmap {name} -n {cluster.namespace}"
            )
        if is_resumed and is_complete(cluster, earlier):
            return
        delete_snapshots(cluster, earlier)
    marks = {ROLLBACK_FROM: str(PromoteState.DONE if is_resumed else target.last.state)}
    owner = cluster.get(CONFIG_MAP, before_name(target.name))
    objects = [(snapshot.kind, snapshot.name) for snapshot in target.snapshots]
    try:
        take_snapshots(cluster, name, objects, marks, owner=owner)
    except TooLargeError as error:
        create_config_map(cluster, name, marks | {TOO_LARGE: str(error)}, {}, owner=owner)
        text = f"{target.name} and its objects do not fit into ConfigMap {name} ({error})"
        world.listen(Note(f"{text}: this rollback cannot be undone", warning=True))


def _undo_reason(cluster: Cluster, target: Target) -> str:
    """Return why a rollback failed whose undo an earlier run began, empty if there is none."""
    if target.last.state is not PromoteState.ROLLING_BACK:
        return ""
    return annotations_of(cluster.get(CONFIG_MAP, rollback_name(target.name))).get(UNDOING, "")


def _undo(world: World, targets: Sequence[Target], cause: str) -> PromoteError:
    """Put everything back as it was before the rollback, and return the error to raise."""
    cluster, names = world.cluster, [target.name for target in targets]
    retry = Commands(world.options, *names).rollback
    config_maps = {name: found for name in names if (found := cluster.get(CONFIG_MAP, rollback_name(name))) is not None}
    if any(TOO_LARGE in annotations_of(config_map) for config_map in config_maps.values()):
        return PromoteError(f"rollback failed and cannot be undone: {cause}. To try again: {retry}")

    def put_back() -> str:
        for name in config_maps:
            cluster.annotate(CONFIG_MAP, rollback_name(name), {UNDOING: cause})
        were_ready = []
        for name, config_map in config_maps.items():
            for snapshot in read_snapshots(cluster, config_map):
                restore(world, snapshot)
                is_stable = (snapshot.kind, snapshot.name) == (DEPLOYMENT, name)
                if is_stable and snapshot.object and progress(snapshot.object).complete:
                    were_ready.append(name)
        not_ready = ""
        try:
            wait_until_ready(world, were_ready)
        except TimedOutError as error:
            not_ready = f"Everything is put back, but is not ready again ({error}). "
        for name, config_map in config_maps.items():
            set_state(cluster, name, PromoteState(annotations_of(config_map)[ROLLBACK_FROM]))
            delete_snapshots(cluster, config_map)
            world.listen(Undone(name, cause))
        return f"{not_ready}To see what is running: canary status {' '.join(names)}"

    return undo(
        "rollback",
        cause,
        put_back,
        retry=retry,
        config_maps=[*map(rollback_name, config_maps)],
        passed_on=(LockLostError, UnreachableError),
    )


def _delete_saved(cluster: Cluster, name: str) -> None:
    config_map = cluster.get(CONFIG_MAP, rollback_name(name))
    if config_map is not None and ROLLBACK_FROM in annotations_of(config_map):
        delete_snapshots(cluster, config_map)


def _shown(cluster: Cluster, before: Object) -> Object:
    """Return an object as a rollback would write it, without the fields that only the API server sets."""
    metadata = {
        key: before["metadata"][key]
        for key in ("name", "namespace", "labels", "annotations")
        if key in before["metadata"]
    }
    shown = {key: value for key, value in before.items() if key != "status"} | {"metadata": metadata}
    live = cluster.get(DEPLOYMENT, metadata["name"]) if Kind.of(before) == DEPLOYMENT else None
    if live is None:
        return shown
    return shown | {"spec": before["spec"] | {"replicas": restored_replicas(cluster, before, live)}}
