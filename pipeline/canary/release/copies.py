"""Copies of changed ConfigMaps and Secrets, for the canary alone. They are deleted with it.

The canaries that refer to a copy own it, and so it is created after them: their pods start once it exists.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from canary.errors import InputError
from canary.events import Written
from canary.manifests.references import Reference, copy_name
from canary.marks import DIGEST, Variant, variant_name
from canary.objects import DEPLOYMENT, Kind, Object, annotations_of, content, owner_reference, owner_uids
from canary.ports import Cluster, World
from canary.variants.derive import own_marks


@dataclass(frozen=True)
class Copy:
    """A copy that a release needs.

    Attributes:
        of: the original.
        object: without owners.
        workloads: names of the workloads whose canaries refer to it.
    """

    of: Reference
    object: Object
    workloads: tuple[str, ...]


def plan_copies(
    sources: Mapping[Reference, Object], wanted: Mapping[str, Iterable[Reference]], *, mark: str, label: str
) -> tuple[Copy, ...]:
    """Return the copies that a release needs.

    Args:
        sources: the originals, as promote would make them.
        wanted: by workload, the originals that its canary needs copies of.
        mark: digest of the release.
        label: key of the version label.
    """
    every = sorted({one for found in wanted.values() for one in found})
    return tuple(
        Copy(
            one,
            _copy(sources[one], one, mark=mark, label=label),
            tuple(name for name, found in wanted.items() if one in found),
        )
        for one in every
    )


def check_name_is_free(cluster: Cluster, copy: Copy) -> None:
    """Refuse a copy whose name is taken.

    Raises:
        InputError: the message says by what.
    """
    live = cluster.get(Kind.of(copy.object), copy.object["metadata"]["name"])
    if live is None:
        return
    name, theirs = copy.object["metadata"]["name"], annotations_of(live).get(DIGEST)
    if theirs is None:
        raise InputError(
            f"{copy.of} would change, and the canary needs a copy of it named {name}, but another {copy.of.kind} has "
            "that name: rename that one, or delete it"
        )
    owner = next((owner for owner in live["metadata"].get("ownerReferences") or [] if _is_alive(cluster, owner)), None)
    if theirs != annotations_of(copy.object).get(DIGEST) and owner is not None:
        raise InputError(
            f"{copy.of} would change, but {owner['name']} of another release uses {copy.of.kind} {name}, its copy: end "
            "that release first (canary reject)"
        )


def check_can_be_created(cluster: Cluster, copy: Copy) -> None:
    """Check by dry run that a copy can be created, unless it exists."""
    if cluster.get(Kind.of(copy.object), copy.object["metadata"]["name"]) is None:
        cluster.create(copy.object, dry_run=True)


def create_copy(world: World, copy: Copy) -> None:
    """Create a copy that the canaries which refer to it own; keep one that they own already."""
    kind, name = Kind.of(copy.object), copy.object["metadata"]["name"]
    owners = [_owner(world.cluster, variant_name(one, Variant.CANARY)) for one in copy.workloads]
    live = world.cluster.get(kind, name)
    if live is not None:
        if {owner["uid"] for owner in owners} <= owner_uids(live):
            return
        world.cluster.delete(
            kind, name, uid=live["metadata"]["uid"]
        )  # its canary is gone, so it is about to be deleted
    metadata = copy.object["metadata"] | {"ownerReferences": owners}
    world.cluster.create({**copy.object, "metadata": metadata})
    world.listen(Written(kind.kind, name, "created", f"for {' and '.join(owner['name'] for owner in owners)} alone"))


def check_same_content(cluster: Cluster, one: Reference, planned: Object) -> None:
    """Refuse configuration that the canary has not used.

    Args:
        cluster: the Kubernetes API.
        one: what promote will write.
        planned: as promote will write it.

    Raises:
        InputError: the canary's copy is gone, or differs.
    """
    copy = cluster.get(Kind.of(planned), copy_name(one))
    if copy is None or content(copy) != content(planned):
        why = "is gone" if copy is None else f"differs from what promote would make of {one}"
        raise InputError(
            f"{one.kind} {copy_name(one)}, which the canary uses, {why}: reject the canary, and deploy it again"
        )


def _copy(source: Object, one: Reference, *, mark: str, label: str) -> Object:
    kept = {key: value for key, value in source.items() if key not in ("metadata", "immutable")}
    marks = {key: own_marks(source["metadata"].get(key)) | {label: str(Variant.CANARY)} for key in _MARKS}
    marks["annotations"] |= {DIGEST: mark}
    return {**kept, "metadata": {"name": copy_name(one), **marks}}


_MARKS = ("labels", "annotations")


def _owner(cluster: Cluster, canary: str) -> Object:
    deployment = cluster.get(DEPLOYMENT, canary)
    if deployment is None:
        raise InputError(f"Deployment {canary} was deleted while its configuration was copied: run canary deploy again")
    return owner_reference(deployment)


def _is_alive(cluster: Cluster, owner: Object) -> bool:
    found = cluster.get(DEPLOYMENT, owner["name"]) if owner["kind"] == DEPLOYMENT.kind else None
    return found is not None and found["metadata"]["uid"] == owner["uid"]
