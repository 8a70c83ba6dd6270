"""Deletes the variants of a workload; stable is not touched."""

from __future__ import annotations

from canary.events import Note, Rejected, Written
from canary.marks import CREATED, Variant
from canary.objects import DEPLOYMENT, Object, annotations_of, labels_of
from canary.observe.deployments import read_workload
from canary.ports import World
from canary.release.evidence import save_evidence


def reject(world: World, name: str, reason: str) -> tuple[str, ...]:
    """End the release of a workload: keep what its canary did, then delete the variants; stable is not touched.

    Args:
        world: what to work with.
        name: of the workload.
        reason: why, in a sentence.

    Returns:
        The names of the Deployments that were deleted, empty where there was nothing to reject.
    """
    found = read_workload(world.cluster, name)
    is_ours = found.canary is not None and _is_variant(world, found.canary, Variant.CANARY)
    kept = save_evidence(world, found, reason) if is_ours else ""
    deleted = delete_variants(world, name)
    if deleted:
        world.listen(Rejected(name, reason, deleted, kept))
        made = annotations_of(found.canary).get(CREATED) if found.canary else None
        if made:
            text = f"its release had also made {made.replace(' ', ', ')}, which nothing deletes: kubectl delete {made}"
            world.listen(Note(f"{text}, unless something else uses it by now"))
    else:
        world.listen(Note(f"{name}: nothing to reject, it has no variants"))
    return deleted


def delete_variants(world: World, name: str) -> tuple[str, ...]:
    """Delete a workload's canary and baseline, and return the names of the Deployments that were deleted.

    The canary goes last: it carries what the release knows of itself, so that an interrupted reject can be gone on
    with. Only what carries the version label is deleted, with the ReplicaSets and pods that it owns; orphaned ones
    would be adopted by stable.
    """
    deleted = []
    found = read_workload(world.cluster, name).variants
    for variant in (Variant.BASELINE, Variant.CANARY):
        deployment = found.get(variant)
        if deployment is None:
            continue
        metadata = deployment["metadata"]
        if not _is_variant(world, deployment, variant):
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


def _is_variant(world: World, deployment: Object, variant: Variant) -> bool:
    return bool(labels_of(deployment).get(world.options.label) == variant)
