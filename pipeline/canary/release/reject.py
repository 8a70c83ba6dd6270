"""Deletes the variants of a workload; stable is not touched."""

from canary.events import Note, Rejected, Written
from canary.marks import CREATED, Variant, version_labels
from canary.objects import DEPLOYMENT, Object, annotations_of, labels_of
from canary.observe.deployments import read_workload
from canary.ports import World
from canary.release.evidence import save_evidence
from canary.release.traffic import end, withdraw
from canary.state.route_record import read_route_record


def reject(world: World, name: str, reason: str) -> tuple[str, ...]:
    """End the release of a workload: save the evidence, then delete the variants; stable is not touched.

    Args:
        world: what to work with.
        name: of the workload.
        reason: why, in a sentence.

    Returns:
        The names of the Deployments that were deleted, empty where there were no variants.
    """
    found = read_workload(world.cluster, name)
    ending = read_route_record(world.cluster, found) if found.canary is None else None
    is_ours = found.canary is not None and _is_variant(world, found.canary, Variant.CANARY)
    kept = save_evidence(world, found, reason) if is_ours else ""
    deleted = delete_variants(world, name)
    if deleted:
        world.listen(Rejected(name, reason, deleted, kept))
        made = annotations_of(found.canary).get(CREATED) if found.canary else None
        if made:
            delete = f"kubectl delete {made} -n {world.cluster.namespace}"
            text = f"its release also created {made.replace(' ', ', ')}. To delete what nothing else uses: {delete}"
            world.listen(Note(text))
    elif ending is not None:
        text = f"{name}: its canary was deleted before; the release by HTTPRoute {ending.route} has ended now"
        world.listen(Note(text))
    else:
        world.listen(Note(f"{name}: nothing to reject, it has no variants"))
    return deleted


def delete_variants(world: World, name: str) -> tuple[str, ...]:
    """Delete a workload's canary and baseline, and return the names of the Deployments that were deleted.

    The canary is deleted last: it carries the state of the release, so that an interrupted reject can continue. Only
    Deployments with the version label are deleted, with their ReplicaSets and pods: stable would adopt orphaned ones.
    """
    deleted = []
    record = withdraw(world, name)
    found = read_workload(world.cluster, name).variants
    for variant in (Variant.BASELINE, Variant.CANARY):
        deployment = found.get(variant)
        if deployment is None:
            continue
        metadata = deployment["metadata"]
        if not _is_variant(world, deployment, variant):
            world.listen(
                Note(
                    f"Deployment {metadata['name']} is not deleted: it has no label {world.options.label}={variant}",
                    warning=True,
                )
            )
            continue
        if world.cluster.delete(DEPLOYMENT, metadata["name"], uid=metadata["uid"]):
            deleted.append(metadata["name"])
            world.listen(Written("Deployment", metadata["name"], "deleted"))
    end(world, record)
    return tuple(deleted)


def _is_variant(world: World, deployment: Object, variant: Variant) -> bool:
    labels = labels_of(deployment)
    return any(labels.get(key) == variant for key in version_labels(world.options.label))
