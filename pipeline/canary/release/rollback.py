"""Puts back what was before the last promote: stable, and what it uses. A rollback that fails is undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from canary.apply.dry_run import require_rights
from canary.errors import (
    CanaryError,
    InputError,
    InterruptedReleaseError,
    LockLostError,
    PromoteError,
    TimedOutError,
    UnreachableError,
)
from canary.events import Note, RolledBack, Undone
from canary.marks import ROLLBACK_FROM, TOO_LARGE, UNDOING, Variant, before_name, rollback_name, variant_name
from canary.objects import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    SECRET,
    SERVICE,
    Kind,
    Object,
    annotations_of,
    describe,
)
from canary.observe.deployments import images, progress, read_workload
from canary.observe.rollout import wait_until_ready
from canary.observe.services import check_services, services_by_deployment, wait_for_endpoints
from canary.ports import Cluster, World
from canary.release.reject import reject
from canary.release.stable_changes import stable_digest
from canary.state.last_promote import (
    LastPromote,
    PromoteState,
    promoted_together,
    read_last_promote,
    set_state,
    snapshots_before,
)
from canary.state.restore import restore, restored_replicas
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
    """What a rollback of one workload brings.

    Attributes:
        name: of the workload.
        promote: what is known of the promote that is rolled back.
        objects: as they were before it, in the order in which they are put back.
    """

    name: str
    promote: LastPromote
    objects: tuple[Snapshot, ...]


def rollback(world: World, names: Sequence[str]) -> None:
    """Put back what was before the last promote of these workloads, wait, then delete their variants.

    It does not matter whether that promote was interrupted or is done, nor whether another release is in progress: its
    baseline would go on serving what is rolled back. Running it again finishes what an interrupted run began.

    Raises:
        InputError: there is nothing to go back to, or the API server would refuse it; nothing was changed.
        ForbiddenError: the account lacks a right; nothing was changed.
        PromoteError: stable did not get ready, or a write was refused; everything is as it was before the rollback.
    """
    targets = [one for one in targets_of(world.cluster, names) if not _is_done(world, one)]
    if not targets:
        return
    if failed := next((why for one in targets if (why := _undoing(world.cluster, one))), ""):
        raise _undo(world, targets, failed)
    _check(world, targets)
    for one in targets:
        _keep_what_is(world, one)
    for one in targets:
        set_state(world.cluster, one.name, PromoteState.ROLLING_BACK)
    every, led = _objects(targets), services_by_deployment(world.cluster, [one.name for one in targets])
    try:
        for was in every:
            if was.object is not None:
                restore(world, was, at_least=True)
        wait_until_ready(world, [one.name for one in targets])
        now = services_by_deployment(world.cluster, [one.name for one in targets])
        wait_for_endpoints(world, {name: (led[name] | now[name]) - _services_gone(targets) for name in now})
        for was in every:
            if was.object is None:  # last: pods of the version that goes may have needed it
                restore(world, was)
    except (LockLostError, UnreachableError):
        raise  # no undo would get through, or it is another driver's to see to
    except CanaryError as error:
        raise _undo(world, targets, str(error)) from error
    for one in targets:
        if any(variant is not Variant.STABLE for variant in read_workload(world.cluster, one.name).variants):
            reject(world, one.name, f"stable {one.name} was rolled back")
        set_state(world.cluster, one.name, PromoteState.ROLLED_BACK)
        _forget(world.cluster, one.name)
        stable = world.cluster.get(DEPLOYMENT, one.name)
        world.listen(RolledBack(one.name, images(stable) if stable else ()))


def targets_of(cluster: Cluster, names: Sequence[str]) -> tuple[Target, ...]:
    """Return what a rollback of these workloads would bring.

    Raises:
        InputError: there is nothing to go back to.
    """
    found = []
    for name in names:
        promote = read_last_promote(cluster, name)
        if promote is None:
            raise InputError(
                f"there is nothing to roll back to: no promote of {name} has kept what was before "
                f"(ConfigMap {before_name(name)}); kubectl rollout undo deployment/{name} goes back to the pods before"
            )
        if promote.too_large:
            raise InputError(
                f"there is nothing to roll back to: what {name} was before its last promote did not fit "
                f"({promote.too_large}); kubectl rollout undo deployment/{name} goes back to the pods before"
            )
        if not promote.images:
            raise InputError(
                f"there is nothing to roll back to: the last promote of {name} was its first; to remove it, "
                f"kubectl delete deployment/{name}"
            )
        every = promoted_together(cluster, name, promote)
        if missing := [other for other in every if other not in names]:
            raise InputError(
                f"{name} was promoted together with {', '.join(missing)}, and they share configuration: roll all of "
                f"them back (canary rollback {' '.join(every)})"
            )
        found.append(Target(name, promote, snapshots_before(cluster, name)))
    return tuple(found)


def _objects(targets: Sequence[Target]) -> tuple[Snapshot, ...]:
    """Return what was before, each object once: those that workloads share are kept with each of them."""
    return tuple({(was.kind, was.name): was for one in targets for was in one.objects}.values())


def _services_gone(targets: Sequence[Target]) -> frozenset[str]:
    """Return the names of the Services that were not there before, and go with the rollback."""
    return frozenset(was.name for was in _objects(targets) if was.kind == SERVICE and was.object is None)


def _is_done(world: World, one: Target) -> bool:
    """Return whether a workload was rolled back already; finish what is left to do then."""
    if one.promote.state is not PromoteState.ROLLED_BACK:
        return False
    _forget(world.cluster, one.name)
    world.listen(Note(f"{one.name} was rolled back already, to what was before its last promote"))
    return True


def _check(world: World, targets: Sequence[Target]) -> None:
    """Refuse a rollback that could not be carried out, or not be undone, before it leaves anything half done."""
    needed: list[tuple[str, Kind, str]] = [("create", CONFIG_MAP, "")]
    for one in targets:
        needed.append(("patch", CONFIG_MAP, before_name(one.name)))
        needed += [(verb, CONFIG_MAP, rollback_name(one.name)) for verb in ("patch", "delete")]
        if any(was.kind == SECRET for was in one.objects):
            needed += [("create", SECRET, "")]
            needed += [(verb, SECRET, rollback_name(one.name)) for verb in ("get", "delete")]
        needed += [
            ("delete", DEPLOYMENT, variant_name(one.name, which)) for which in (Variant.CANARY, Variant.BASELINE)
        ]
        for was in one.objects:
            live = world.cluster.get(was.kind, was.name)
            verbs = {"update"} if was.object is not None and live is not None else set()
            verbs |= {"delete"} if was.object is None or live is None else set()
            needed += [(verb, was.kind, was.name) for verb in sorted(verbs)]
    needed += [("list", SERVICE, ""), ("list", ENDPOINT_SLICE, "")]  # whether requests find the old version's pods
    require_rights(world.cluster, needed, "to roll back, and to undo a rollback that fails")
    after: list[Object] = []
    for one in targets:
        live = world.cluster.get(DEPLOYMENT, one.name)
        if live is not None and one.promote.promoted and images(live) != one.promote.promoted:
            text = (
                f"{one.name} runs {', '.join(images(live))} now, not {', '.join(one.promote.promoted)}, which its last "
                "promote gave it: the rollback overwrites what others wrote since"
            )
            world.listen(Note(text, warning=True))
        elif one.promote.made not in ("", stable_digest(live, label=world.options.label)):
            text = f"the pods of {one.name} were changed since its last promote: the rollback overwrites that"
            world.listen(Note(text, warning=True))
        for was in one.objects:
            if was.object is not None:
                try:
                    after.append(world.cluster.replace(was.object, dry_run=True))
                except InputError as error:
                    raise InputError(f"rollback could not put back {describe(was.object)}: {error}") from error
    for warning in check_services(world.cluster, after, action="rollback", gone=_services_gone(targets)):
        world.listen(Note(warning, warning=True))


def planned(world: World, names: Sequence[str]) -> tuple[tuple[Object, ...], tuple[tuple[Kind, str], ...]]:
    """Return the objects that a rollback would write now, and those that it would delete."""
    targets = [one for one in targets_of(world.cluster, names) if one.promote.state is not PromoteState.ROLLED_BACK]
    every = _objects(targets)
    written = tuple(_shown(world.cluster, was.object) for was in every if was.object is not None)
    gone = ((was.kind, was.name) for was in every if was.object is None)
    return written, tuple(one for one in gone if world.cluster.get(*one) is not None)


def _keep_what_is(world: World, one: Target) -> None:
    """Keep what the rollback overwrites, for its undo; an interrupted run has kept it already.

    It goes with the record of the promote that is rolled back.
    """
    cluster, name = world.cluster, rollback_name(one.name)
    earlier = cluster.get(CONFIG_MAP, name)
    if earlier is not None:
        if ROLLBACK_FROM not in annotations_of(earlier):
            raise InputError(
                f"ConfigMap {name} is not canary's (it has no annotation {ROLLBACK_FROM}), and rollback needs "
                "that name to keep what there is now: rename the ConfigMap, or delete it"
            )
        if one.promote.state is PromoteState.ROLLING_BACK and is_complete(cluster, earlier):
            return
        delete_snapshots(cluster, earlier)
    begun = PromoteState.DONE if one.promote.state is PromoteState.ROLLING_BACK else one.promote.state
    owner = cluster.get(CONFIG_MAP, before_name(one.name))
    objects = [(was.kind, was.name) for was in one.objects]
    try:
        take_snapshots(cluster, name, objects, {ROLLBACK_FROM: begun}, owner=owner)
    except TooLargeError as error:
        create_config_map(cluster, name, {ROLLBACK_FROM: begun, TOO_LARGE: str(error)}, {}, owner=owner)
        text = f"what {one.name} is now does not fit into ConfigMap {name} ({error}): this rollback cannot be undone"
        world.listen(Note(text, warning=True))


def _undoing(cluster: Cluster, one: Target) -> str:
    """Return why the rollback failed that an earlier run began to undo, empty if none did."""
    if one.promote.state is not PromoteState.ROLLING_BACK:
        return ""
    return annotations_of(cluster.get(CONFIG_MAP, rollback_name(one.name))).get(UNDOING, "")


def _undo(world: World, targets: Sequence[Target], cause: str) -> PromoteError:
    """Put everything back as it was before the rollback, and return the error to raise."""
    cluster, names = world.cluster, " ".join(one.name for one in targets)
    keepers = {one.name: cluster.get(CONFIG_MAP, rollback_name(one.name)) for one in targets}
    if any(TOO_LARGE in annotations_of(keeper) for keeper in keepers.values()):
        return PromoteError(f"rollback failed, and cannot be undone: {cause}; canary rollback {names} tries again")
    there = {name: keeper for name, keeper in keepers.items() if keeper is not None}
    try:
        for name in there:
            cluster.annotate(CONFIG_MAP, rollback_name(name), {UNDOING: cause})
        waited = []
        for name, keeper in there.items():
            for was in read_snapshots(cluster, keeper):
                restore(world, was)
                if (was.kind, was.name) == (DEPLOYMENT, name) and was.object and progress(was.object).complete:
                    waited.append(name)
        late = _wait(world, waited)
        for name, keeper in there.items():
            set_state(cluster, name, PromoteState(annotations_of(keeper)[ROLLBACK_FROM]))
            delete_snapshots(cluster, keeper)
            world.listen(Undone(name, cause))
    except KeyboardInterrupt:
        raise InterruptedReleaseError(
            f"interrupted while a rollback was being undone ({cause}); canary rollback {names} finishes the undo"
        ) from None
    except (LockLostError, UnreachableError):
        raise
    except CanaryError as error:
        return PromoteError(
            f"rollback failed ({cause}) and could not be undone ({error}); canary rollback {names} tries again. "
            f"ConfigMap {', '.join(map(rollback_name, there))} holds what was before"
        )
    return PromoteError(f"rollback failed and was undone: {cause}{late}; canary status {names} shows what there is")


def _wait(world: World, names: Sequence[str]) -> str:
    """Wait for Deployments that were ready before the rollback, and return what to say of one that does not get so."""
    try:
        wait_until_ready(world, names)
    except TimedOutError as error:
        return f"; everything is put back, but not ready again ({error})"
    return ""


def _forget(cluster: Cluster, name: str) -> None:
    keeper = cluster.get(CONFIG_MAP, rollback_name(name))
    if keeper is not None and ROLLBACK_FROM in annotations_of(keeper):
        delete_snapshots(cluster, keeper)


def _shown(cluster: Cluster, was: Object) -> Object:
    """Return an object as a rollback would write it, less what only the API server sets."""
    metadata = {
        key: was["metadata"][key] for key in ("name", "namespace", "labels", "annotations") if key in was["metadata"]
    }
    shown = {key: value for key, value in was.items() if key != "status"} | {"metadata": metadata}
    live = cluster.get(DEPLOYMENT, metadata["name"]) if Kind.of(was) == DEPLOYMENT else None
    if live is None:
        return shown
    return shown | {"spec": was["spec"] | {"replicas": restored_replicas(cluster, was, live)}}
