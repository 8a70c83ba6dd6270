"""Every write of an object goes through here, whoever asks: defaults, validation, field ownership, deletion.

The API and the controllers call the same methods, as in Kubernetes, where controllers are clients like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcluster.store import Object, Store, now

if TYPE_CHECKING:
    from localcluster.resources import Resource


class Registry:
    """Writes objects into a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(self, resource: Resource, obj: Object, *, manager: str, dry_run: bool = False) -> Object:
        """Create an object (metadata.generateName is honoured) and return it as stored."""
        raise NotImplementedError

    def update(
        self, resource: Resource, obj: Object, *, manager: str, subresource: str = "", dry_run: bool = False
    ) -> Object:
        """Replace an object; with subresource `status` its status only, without it all but its status."""
        raise NotImplementedError

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        grace: int | None = None,
        propagation: str = "Background",
        dry_run: bool = False,
    ) -> Object:
        """Delete an object and return it.

        A pod that runs is only marked (deletionTimestamp, deletionGracePeriodSeconds): the kubelet ends its processes
        and then calls `store.remove`. Dependents go by the garbage collector's rules; `Orphan` drops their owner.
        """
        raise NotImplementedError


__all__ = ["Object", "Registry", "now"]
