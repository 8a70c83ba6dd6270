"""Deletes the variants of a workload; stable is not touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canary.collaborators import DEPLOYMENT
from canary.deployments import workload
from canary.events import Note, Variant, Written

if TYPE_CHECKING:
    from canary.collaborators import World


def delete_variants(world: World, name: str) -> tuple[str, ...]:
    """Delete a workload's canary and baseline, and return the names of the Deployments that were deleted.

    The canary goes last: it carries what the release knows of itself, so that an interrupted reject can be gone on
    with. Only what carries the version label is deleted, with the ReplicaSets and pods that it owns; orphaned ones
    would be adopted by stable.
    """
    deleted = []
    found = workload(world.cluster, name).variants
    for variant in (Variant.BASELINE, Variant.CANARY):
        deployment = found.get(variant)
        if deployment is None:
            continue
        metadata = deployment["metadata"]
        if (metadata.get("labels") or {}).get(world.options.label) != variant:
            world.listen(
                Note(
                    f"Deployment {metadata['name']} is left alone: it has no label {world.options.label}={variant}",
                    warning=True,
                )
            )
            continue
        if world.cluster.delete(DEPLOYMENT, metadata["name"], uid=metadata["uid"]):
            deleted.append(metadata["name"])
            world.listen(Written("Deployment", metadata["name"], "deleted"))
    return tuple(deleted)
