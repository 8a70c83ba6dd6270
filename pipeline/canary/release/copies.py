"""Copies of changed configuration, which the canary alone refers to and which go when it goes, whoever deletes it.

A copy belongs to the Deployments of the canaries that refer to it, and so is made after them: their pods start when it
is there.
"""

from __future__ import annotations

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
    """A copy that a release is to have.

    Attributes:
        of: what it is a copy of.
        object: without owners.
        workloads: names of the workloads whose canaries refer to it.
    """

    of: Reference
    object: Object
    workloads: tuple[str, ...]


def plan_copies(
    sources: Mapping[Reference, Object], wanted: Mapping[str, Iterable[Reference]], *, mark: str, label: str
) -> tuple[Copy, ...]:
    """Return the copies that a release is to have.

    Args:
        sources: what there may be copies of, as promote would make it.
        wanted: what each workload's canary refers to by a copy.
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
    """Refuse a copy whose name something else has.

    Raises:
        InputError: it says what.
    """
    live = cluster.get(Kind.of(copy.object), copy.object["metadata"]["name"])
    if live is None:
        return
    name, theirs = copy.object["metadata"]["name"], annotations_of(live).get(DIGEST)
    if theirs is None:
        raise InputError(
            f"{copy.of} would change, and the canary's copy of it would be named {name}, as another "
            f"{copy.of.kind} is: rename that one, or delete it"
        )
    owner = next((owner for owner in live["metadata"].get("ownerReferences") or [] if _is_alive(cluster, owner)), None)
    if theirs != annotations_of(copy.object).get(DIGEST) and owner is not None:
        raise InputError(
            f"{copy.of} would change, and {copy.of.kind} {name} is the copy of it that {owner['name']} runs with: "
            "end that release first"
        )


def check_can_be_created(cluster: Cluster, copy: Copy) -> None:
    """Let the API server say whether a copy can be made; one that is there already could."""
    if cluster.get(Kind.of(copy.object), copy.object["metadata"]["name"]) is None:
        cluster.create(copy.object, dry_run=True)


def create_copy(world: World, copy: Copy) -> None:
    """Make a copy and give it to the canaries that refer to it; one that is theirs already stays."""
    kind, name = Kind.of(copy.object), copy.object["metadata"]["name"]
    owners = [_owner(world.cluster, variant_name(one, Variant.CANARY)) for one in copy.workloads]
    live = world.cluster.get(kind, name)
    if live is not None:
        if {owner["uid"] for owner in owners} <= owner_uids(live):
            return
        world.cluster.delete(kind, name, uid=live["metadata"]["uid"])  # its canary is gone, and it is about to go
    metadata = copy.object["metadata"] | {"ownerReferences": owners}
    world.cluster.create({**copy.object, "metadata": metadata})
    world.listen(Written(kind.kind, name, "created", f"for {' and '.join(owner['name'] for owner in owners)} alone"))


def check_same_content(cluster: Cluster, one: Reference, planned: Object) -> None:
    """Refuse configuration that the canary has not run with.

    Args:
        cluster: the Kubernetes API.
        one: what promote is going to write.
        planned: as it is going to be.

    Raises:
        InputError: the canary's copy is gone, or another.
    """
    copy = cluster.get(Kind.of(planned), copy_name(one))
    if copy is None or content(copy) != content(planned):
        why = "is gone" if copy is None else f"is not what promote would make of {one}"
        raise InputError(
            f"{one.kind} {copy_name(one)}, which the canary runs with, {why}: reject the canary, and deploy it anew"
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
        raise InputError(f"Deployment {canary} was deleted while its configuration was copied: deploy it again")
    return owner_reference(deployment)


def _is_alive(cluster: Cluster, owner: Object) -> bool:
    found = cluster.get(DEPLOYMENT, owner["name"]) if owner["kind"] == DEPLOYMENT.kind else None
    return found is not None and found["metadata"]["uid"] == owner["uid"]
