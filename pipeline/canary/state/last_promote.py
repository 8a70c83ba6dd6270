"""The record of a workload's last promote: the objects before it, for an undo or a rollback.

The next promote replaces it. A ConfigMap `NAME-before` holds the objects. Its annotations say how far the promote or
its rollback is.
"""

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
    """How far a promote is."""

    PROMOTING = "promoting"
    DONE = "done"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True)
class LastPromote:
    """What the record of a workload's last promote says, without the objects.

    Attributes:
        digest: of the release that is promoted.
        state: how far it is.
        failed: why it failed, while its undo is not finished; else empty.
        images: what stable ran before the promote, empty if there was no stable.
        promoted: the images that stable got, empty until the promote is done.
        began: when the promote began, as the API server writes times.
        together: names of the workloads that were promoted together.
        too_large: size of the objects before, where they did not fit and so were not saved; else empty.
        made: `stable_digest` of stable after the promote, empty until it is done.
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
        """Whether there is a version to go back to, and stable does not run it already."""
        return bool(self.images) and self.state is not PromoteState.ROLLED_BACK


def save(
    cluster: Cluster, name: str, digest: str, objects: Iterable[Object], *, together: Sequence[str] = ()
) -> TooLargeError | None:
    """Save what a promote is about to overwrite, in place of what an earlier promote saved.

    Where an interrupted promote of the same release has saved it already, nothing is done.

    Args:
        cluster: the Kubernetes API.
        name: of the workload.
        digest: of the release that is promoted.
        objects: the manifests that will be written.
        together: names of the workloads that are promoted together.

    Returns:
        The error if the objects do not fit, so that the promote cannot be undone; else None.

    Raises:
        InputError: another tool has a ConfigMap of that name; nothing was saved.
    """
    if is_saved(cluster, name, digest):
        return None
    earlier = cluster.get(CONFIG_MAP, before_name(name))
    if earlier is not None:
        if _parsed(earlier, name) is None:
            raise InputError(
                f"ConfigMap {before_name(name)} is not from canary (it has no annotation {DIGEST}), and promote needs "
                "that name to save the version before: rename the ConfigMap, or delete it: kubectl delete configmap "
                f"{before_name(name)} -n {cluster.namespace}"
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
    """Return the record of a workload's last promote, None if there is none."""
    config_map = cluster.get(CONFIG_MAP, before_name(name))
    return None if config_map is None else _parsed(config_map, name)


def unfinished_digest(cluster: Cluster, name: str) -> str | None:
    """Return the digest of the release whose promote is not finished; None if there is none."""
    last = read_last_promote(cluster, name)
    return last.digest if last is not None and last.state is PromoteState.PROMOTING else None


def promoted_together(cluster: Cluster, name: str, last: LastPromote) -> tuple[str, ...]:
    """Return the names of the workloads last promoted together with this one, itself included."""
    return tuple(
        other
        for other in last.together
        if other == name or ((its := read_last_promote(cluster, other)) is not None and its.digest == last.digest)
    )


def is_rolling_back(cluster: Cluster, name: str) -> bool:
    """Return whether a rollback of a workload is not finished."""
    last = read_last_promote(cluster, name)
    return last is not None and last.state is PromoteState.ROLLING_BACK


def is_saved(cluster: Cluster, name: str, digest: str) -> bool:
    """Return whether an unfinished promote of this release has saved all that it will overwrite of a workload."""
    config_map = cluster.get(CONFIG_MAP, before_name(name))
    last = None if config_map is None else _parsed(config_map, name)
    if config_map is None or last is None or last.state is not PromoteState.PROMOTING or last.digest != digest:
        return False
    return is_complete(cluster, config_map)


def set_state(cluster: Cluster, name: str, state: PromoteState) -> None:
    """Record how far the promote, or its rollback, is."""
    cluster.annotate(CONFIG_MAP, before_name(name), {STATE: state})


def mark_done(cluster: Cluster, name: str, promoted: Sequence[str], made: str) -> None:
    """Record that a promote is done, the images that stable got, and its `stable_digest`."""
    marks = {STATE: PromoteState.DONE, UNDOING: None, PROMOTED: " ".join(promoted), PROMOTED_TEMPLATE: made}
    cluster.annotate(CONFIG_MAP, before_name(name), marks)


def snapshots_before(cluster: Cluster, name: str) -> tuple[Snapshot, ...]:
    """Return the objects before a workload's last promote, none if there is no record."""
    config_map = cluster.get(CONFIG_MAP, before_name(name))
    return () if config_map is None or _parsed(config_map, name) is None else read_snapshots(cluster, config_map)


def stable_before(cluster: Cluster, name: str) -> Object | None:
    """Return stable before the last promote, None if there was none or nothing was saved. Reads no Secret."""
    config_map = cluster.get(CONFIG_MAP, before_name(name))
    return (
        None if config_map is None or _parsed(config_map, name) is None else read_object(config_map, DEPLOYMENT, name)
    )


def mark_undoing(cluster: Cluster, name: str, reason: str) -> None:
    """Record that a promote is being undone, so that the next run continues the undo."""
    cluster.annotate(CONFIG_MAP, before_name(name), {STATE: PromoteState.PROMOTING, UNDOING: reason})


def undo_reason(cluster: Cluster, name: str) -> str:
    """Return why a promote failed whose undo is not finished, empty if there is none."""
    last = read_last_promote(cluster, name)
    return last.failed if last is not None and last.state is PromoteState.PROMOTING else ""


def delete_last_promote(cluster: Cluster, name: str) -> None:
    """Delete the record of a workload's last promote."""
    config_map = cluster.get(CONFIG_MAP, before_name(name))
    if config_map is not None and _parsed(config_map, name) is not None:
        delete_snapshots(cluster, config_map)


def _parsed(config_map: Object, name: str) -> LastPromote | None:
    """Return what a record says; None where another tool wrote it. An older driver wrote no state.

    Raises:
        InputError: the record cannot be read.
    """
    annotations = annotations_of(config_map)
    if DIGEST not in annotations:
        return None
    try:
        state, stable = (
            PromoteState(annotations.get(STATE, PromoteState.PROMOTING)),
            read_object(config_map, DEPLOYMENT, name),
        )
    except (KeyError, TypeError, ValueError, OSError, EOFError, zlib.error) as error:
        own, where = config_map["metadata"]["name"], config_map["metadata"]["namespace"]
        raise InputError(
            f"the version of {name} before its last promote, in ConfigMap {own}, cannot be read ({error}). To "
            f"continue without it (that promote can then not be undone or rolled back): kubectl delete configmap "
            f"{own} -n {where}"
        ) from error
    return LastPromote(
        annotations[DIGEST],
        state,
        annotations.get(UNDOING, ""),
        images(stable) if stable else (),
        tuple(annotations.get(PROMOTED, "").split()),
        config_map["metadata"].get("creationTimestamp") or "",
        tuple(annotations.get(TOGETHER, name).split()),
        annotations.get(TOO_LARGE, ""),
        annotations.get(PROMOTED_TEMPLATE, ""),
    )
