"""Objects other than the Deployments: created at deploy, held until promote, or copied for the canary alone.

Stable uses them too: a change must not reach it before the canary has proven it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from canary.apply.dry_run import Change, DryRun
from canary.apply.managed_fields import with_last_applied
from canary.errors import InputError
from canary.events import Differs
from canary.manifests.bundle import Bundle
from canary.manifests.references import Reference, references
from canary.marks import Variant, variant_name
from canary.objects import Object
from canary.observe.deployments import Workload
from canary.ports import World
from canary.release.copies import Copy, check_name_is_free, plan_copies
from canary.variants.derive import copied_by


@dataclass(frozen=True)
class OtherObjects:
    """What happens to the objects other than the Deployments.

    Attributes:
        created: those that do not exist yet; deploy creates them.
        written: those that exist, would change, and are written at deploy (`others=now`).
        differences: an event for each one that exists and would change.
        copied: by workload, what its canary needs copies of.
        copies: these copies.
    """

    created: tuple[Object, ...]
    written: tuple[Object, ...]
    differences: tuple[Differs, ...]
    copied: Mapping[str, frozenset[Reference]]
    copies: tuple[Copy, ...]


def plan_other_objects(
    world: World, bundle: Bundle, workloads: Sequence[Workload], dry_run: DryRun, mark: str
) -> OtherObjects:
    """Return what happens to the objects other than the Deployments. Nothing is written.

    Args:
        world: what to work with.
        bundle: the manifests.
        workloads: those of the bundle's Deployments, in their order.
        dry_run: says what would change.
        mark: digest of the release.

    Raises:
        InputError: promote could not write one, or a copy cannot be made.
        ForbiddenError: the account lacks a permission that it must have.
    """
    now = world.options.others == "now"
    changes = [dry_run.change(other) for other in bundle.others]
    used = frozenset().union(*(references(found.stable) for found in workloads if found.stable is not None))
    created = [one for one in changes if one.live is None and (now or one.reference not in used)]
    changed = [one for one in changes if one not in created and not one.is_none and (one.is_known or now)]
    anew = frozenset(one.reference for one in changed if one.reference and one.configures_anew and not now)
    copied = {
        found.name: _copied(found, references(incoming) & anew)
        for incoming, found in zip(bundle.deployments, workloads, strict=True)
    }
    sources = {one.reference: one.planned for one in changes if one.reference}
    made = plan_copies(sources, copied, mark=mark, label=world.options.label)
    taken = frozenset(sources).union(*map(references, bundle.deployments))
    for copy in made:
        _check_name(copy, taken)
        check_name_is_free(world.cluster, copy)
    names = {copy.of: copy.object["metadata"]["name"] for copy in made}
    return OtherObjects(
        tuple(with_last_applied(one.incoming) for one in created),
        tuple(one.incoming for one in changed) if now else (),
        tuple(_differs(one, names, now=now) for one in changed),
        copied,
        made,
    )


def _copied(found: Workload, needed: frozenset[Reference]) -> frozenset[Reference]:
    """Return what a workload's canary needs copies of; once it exists, what it was created with."""
    if found.canary is None:
        return needed
    there = copied_by(found.canary)
    if strange := needed - there:
        raise InputError(
            f"{', '.join(map(str, sorted(strange)))} has changed since {variant_name(found.name, Variant.CANARY)} was "
            f"created, which uses it: reject the canary (canary reject {found.name}), and deploy it again"
        )
    return there


def _check_name(copy: Copy, taken: frozenset[Reference]) -> None:
    name = copy.object["metadata"]["name"]
    if Reference(copy.of.kind, name) in taken:
        raise InputError(
            f"{copy.of} would change, and the canary needs a copy of it named {name}, but the manifests use that name "
            "themselves: give one of them another name"
        )


def _differs(change: Change, copies_: Mapping[Reference, str], *, now: bool) -> Differs:
    kind, name = change.incoming["kind"], change.incoming["metadata"]["name"]
    copy = copies_.get(change.reference, "") if change.reference else ""
    return Differs(kind, name, change.difference, copy=copy, now=now)
