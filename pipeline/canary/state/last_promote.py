"""The record of a workload's last promote, kept until the next: how things were before, for an undo or a rollback.

A ConfigMap `NAME-before` holds the objects, and annotations of it say how far the promote is, or its rollback.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from canary.errors import InputError
from canary.marks import DIGEST, PROMOTED, PROMOTED_TEMPLATE, STATE, TOGETHER, TOO_LARGE, UNDOING, before_name
from canary.objects import CONFIG_MAP, DEPLOYMENT, Kind, Object, annotations_of
from canary.observe.deployments import images
from canary.ports import Cluster
from canary.state.snapshots import (
    Snapshot,
    TooLargeError,
    create_config_map,
    delete_snapshots,
    is_complete,
    read_object,
    read_snapshots,
    take_snapshots,
)


class PromoteState(StrEnum):
    """How far the promote is that a record was made for."""

    PROMOTING = "promoting"
    DONE = "done"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True)
class LastPromote:
    """What the record of a workload's last promote says, less the objects themselves.

    Attributes:
        digest: of the release that is promoted.
        state: how far it is.
        failed: why it failed, while it is being undone; else empty.
        images: what stable ran before, empty if there was no stable.
        promoted: what stable got, empty while it is not done.
        began: when the promote began, as the API server writes times.
        together: names of the workloads that were promoted together.
        too_large: how large what was before is, where it does not fit and so is not kept; else empty.
        made: what the promote made of stable, as `hotfix.stable_mark` tells; empty before it is done.
    """

    digest: str
    state: PromoteState
    failed: str = ""
    images: tuple[str, ...] = ()
    promoted: tuple[str, ...] = ()
    began: str = ""
    together: tuple[str, ...] = ()
    too_large: str = ""
    made: str = ""

    @property
    def can_be_rolled_back(self) -> bool:
        """Whether there is something before the promote to go back to, and stable is not back there already."""
        return bool(self.images) and self.state is not PromoteState.ROLLED_BACK


def save(
    cluster: Cluster, name: str, digest: str, objects: Iterable[Object], *, together: Sequence[str] = ()
) -> TooLargeError | None:
    """Keep what is about to be overwritten.

    An interrupted promote of the same release has saved it already, and what it saved is what was before. What an
    earlier promote has kept is replaced.

    Args:
        cluster: the Kubernetes API.
        name: of the workload; what keeps it is `NAME-before`.
        digest: of the release that is promoted.
        objects: that are going to be written; each is looked up.
        together: names of the workloads that are promoted together.

    Returns:
        What makes the promote one that cannot be undone: there is too much to keep. None if there is nothing.

    Raises:
        InputError: there is a ConfigMap of that name that is not ours; nothing was saved.
    """
    if is_saved(cluster, name, digest):
        return None
    earlier = cluster.get(CONFIG_MAP, before_name(name))
    if earlier is not None:
        if _parsed(earlier, name) is None:
            raise InputError(
                f"ConfigMap {before_name(name)} is not canary's (it has no annotation {DIGEST}), and "
                "promote needs that name to keep what was before: rename the ConfigMap, or delete it"
            )
        delete_snapshots(cluster, earlier)
    marks = {DIGEST: digest, STATE: PromoteState.PROMOTING, TOGETHER: " ".join(together or (name,))}
    try:
        take_snapshots(cluster, before_name(name), [(Kind.of(obj), obj["metadata"]["name"]) for obj in objects], marks)
    except TooLargeError as error:
        create_config_map(cluster, before_name(name), marks | {TOO_LARGE: str(error)}, {})
        return error
    return None


def read_last_promote(cluster: Cluster, name: str) -> LastPromote | None:
    """Return what is known of a workload's last promote, None if nothing is."""
    keeper = cluster.get(CONFIG_MAP, before_name(name))
    return None if keeper is None else _parsed(keeper, name)


def unfinished_digest(cluster: Cluster, name: str) -> str | None:
    """Return the digest of the release whose promote was begun and is not done; None if there is none."""
    found = read_last_promote(cluster, name)
    return found.digest if found is not None and found.state is PromoteState.PROMOTING else None


def promoted_together(cluster: Cluster, name: str, was: LastPromote) -> tuple[str, ...]:
    """Return the names of the workloads that were promoted with this one, itself among them, and not again since."""
    others = {other: read_last_promote(cluster, other) for other in was.together if other != name}
    return tuple(
        one
        for one in was.together
        if one == name or ((theirs := others[one]) is not None and theirs.digest == was.digest)
    )


def is_rolling_back(cluster: Cluster, name: str) -> bool:
    """Return whether a rollback of a workload was begun and is not done."""
    found = read_last_promote(cluster, name)
    return found is not None and found.state is PromoteState.ROLLING_BACK


def is_saved(cluster: Cluster, name: str, digest: str) -> bool:
    """Return whether a promote of a release has kept all that it will overwrite of a workload, and is not done."""
    keeper = cluster.get(CONFIG_MAP, before_name(name))
    was = None if keeper is None else _parsed(keeper, name)
    if keeper is None or was is None or was.state is not PromoteState.PROMOTING or was.digest != digest:
        return False
    return is_complete(cluster, keeper)


def set_state(cluster: Cluster, name: str, state: PromoteState) -> None:
    """Note how far the promote, or its rollback, is. What was before stays until the next promote."""
    cluster.annotate(CONFIG_MAP, before_name(name), {STATE: state})


def mark_done(cluster: Cluster, name: str, promoted: Sequence[str], made: str) -> None:
    """Note that a promote is done, which images stable got, and what it was made, as `hotfix.stable_mark` tells."""
    marks = {STATE: PromoteState.DONE, UNDOING: None, PROMOTED: " ".join(promoted), PROMOTED_TEMPLATE: made}
    cluster.annotate(CONFIG_MAP, before_name(name), marks)


def snapshots_before(cluster: Cluster, name: str) -> tuple[Snapshot, ...]:
    """Return what was saved of a workload, empty if nothing was."""
    keeper = cluster.get(CONFIG_MAP, before_name(name))
    return () if keeper is None or _parsed(keeper, name) is None else read_snapshots(cluster, keeper)


def stable_before(cluster: Cluster, name: str) -> Object | None:
    """Return what stable was before, None if there was none or nothing was saved. No Secret is read for that."""
    keeper = cluster.get(CONFIG_MAP, before_name(name))
    return None if keeper is None or _parsed(keeper, name) is None else read_object(keeper, DEPLOYMENT, name)


def mark_undoing(cluster: Cluster, name: str, reason: str) -> None:
    """Note that what was saved is being put back, so that whoever comes next goes on with that."""
    cluster.annotate(CONFIG_MAP, before_name(name), {STATE: PromoteState.PROMOTING, UNDOING: reason})


def undo_reason(cluster: Cluster, name: str) -> str:
    """Return why the promote failed that is being undone, empty if none is."""
    found = read_last_promote(cluster, name)
    return found.failed if found is not None and found.state is PromoteState.PROMOTING else ""


def delete_last_promote(cluster: Cluster, name: str) -> None:
    """Delete what was saved of a workload."""
    keeper = cluster.get(CONFIG_MAP, before_name(name))
    if keeper is not None and _parsed(keeper, name) is not None:
        delete_snapshots(cluster, keeper)


def _parsed(keeper: Object, name: str) -> LastPromote | None:
    """Return what a record says; None where it is not one of ours. Without a state, an older driver wrote it.

    Raises:
        InputError: it is ours, and cannot be read.
    """
    annotations = annotations_of(keeper)
    if DIGEST not in annotations:
        return None
    try:
        state, stable = (
            PromoteState(annotations.get(STATE, PromoteState.PROMOTING)),
            read_object(keeper, DEPLOYMENT, name),
        )
    except (KeyError, TypeError, ValueError, OSError, EOFError, zlib.error) as error:
        own, where = keeper["metadata"]["name"], keeper["metadata"]["namespace"]
        raise InputError(
            f"ConfigMap {own} keeps what {name} was before its last promote, and cannot be read ({error}). To go on "
            f"without it, and so without undo and rollback of that promote: kubectl delete configmap {own} -n {where}"
        ) from error
    return LastPromote(
        annotations[DIGEST],
        state,
        annotations.get(UNDOING, ""),
        images(stable) if stable else (),
        tuple(annotations.get(PROMOTED, "").split()),
        keeper["metadata"].get("creationTimestamp") or "",
        tuple(annotations.get(TOGETHER, name).split()),
        annotations.get(TOO_LARGE, ""),
        annotations.get(PROMOTED_TEMPLATE, ""),
    )
