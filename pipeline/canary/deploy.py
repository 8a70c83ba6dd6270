"""Deploys the variants of a release beside stable, which is not touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from canary import variants
from canary.before import saved_digest
from canary.deployments import images, progress, replicas, workload
from canary.diagnosis import hold_up
from canary.errors import InputError
from canary.events import Note, Variant, Written
from canary.manifests import describe as named
from canary.manifests import digest
from canary.ownership import with_last_applied
from canary.variants import DIGEST_ANNOTATION, template_differences, variant_name, variant_replicas
from canary.waiting import wait_until_ready
from canary.writing import describe, would_change

if TYPE_CHECKING:
    from canary.collaborators import Object, World
    from canary.deployments import Workload
    from canary.manifests import Bundle


@dataclass(frozen=True)
class Plan:
    """What deploy does.

    Attributes:
        others: objects that do not exist yet, and are created.
        held: objects that exist and would change, with the fields that would: left to promote.
        created: variants to be created.
        scaled: names of variants that exist, and the replicas they are to get.
        existing: names of variants that are there already, of this same release.
        notes: what the user should know.
    """

    others: tuple[Object, ...]
    held: tuple[tuple[Object, tuple[str, ...]], ...]
    created: tuple[Object, ...]
    scaled: tuple[tuple[str, int], ...]
    existing: tuple[str, ...]
    notes: tuple[Note, ...]


def plan(world: World, bundle: Bundle) -> Plan:
    """Return what deploy would do now; writes nothing.

    Raises:
        InputError: stable is no sound baseline, another release is in progress, or the API server finds an object
            wrong.
    """
    mark = digest(bundle)
    others: list[Object] = []
    held: list[tuple[Object, tuple[str, ...]]] = []
    for other in bundle.others:
        fields = would_change(world.cluster, other)
        if fields is None:
            others.append(with_last_applied(other))
        elif fields:
            held.append((other, fields))
    created: list[Object] = []
    scaled: list[tuple[str, int]] = []
    existing: list[str] = []
    notes: list[Note] = []
    for incoming in bundle.deployments:
        found = workload(world.cluster, incoming["metadata"]["name"])
        if saved_digest(world.cluster, found.name) == mark:
            raise InputError(
                f"a promote of this release of {found.name} was interrupted: "
                "canary promote, with the same manifests and images, finishes it"
            )
        wanted = _wanted(world, found, incoming, mark)
        for variant, made in wanted.items():
            live, count = found.variants.get(variant), replicas(made)
            if live is None:
                created.append(made)
                continue
            _check_same_release(found, live, mark, label=world.options.label)
            existing.append(live["metadata"]["name"])
            if replicas(live) != count:
                scaled.append((live["metadata"]["name"], count))
        if found.stable is not None and any(variant not in found.variants for variant in wanted):
            _check_sound(world, found.stable)
        notes.extend(_notes(found, wanted, {made["metadata"]["name"] for made in created}))
    return Plan(tuple(others), tuple(held), tuple(created), tuple(scaled), tuple(existing), tuple(notes))


def deploy(world: World, bundle: Bundle) -> None:
    """Make what the plan says, and wait until the variants are ready.

    Raises:
        InputError, ClusterError: see `plan`; nothing was changed then.
        TimedOutError: a variant did not get ready; all variants are left as they are.
    """
    todo = plan(world, bundle)
    for made in todo.created:
        world.cluster.create(made, dry_run=True)
    for note in todo.notes:
        world.listen(note)
    for other, fields in todo.held:
        world.listen(Note(f"{named(other)} exists and would change ({', '.join(fields)}): held until promote"))
    for other in todo.others:
        world.cluster.apply(other)
        world.listen(Written(other["kind"], other["metadata"]["name"], "created"))
    for made in todo.created:
        world.cluster.create(made)
        world.listen(Written(made["kind"], made["metadata"]["name"], "created", describe(made)))
    for name, count in todo.scaled:
        world.cluster.scale(name, count)
        world.listen(Written("Deployment", name, "scaled", f"to {count}"))
    for name in todo.existing:
        world.listen(Written("Deployment", name, "unchanged", "of this same release"))
    wait_until_ready(world, [*(made["metadata"]["name"] for made in todo.created), *todo.existing])


def _wanted(world: World, found: Workload, incoming: Object, mark: str) -> dict[Variant, Object]:
    """Return the variants that the release is to have."""
    options = world.options
    count = variant_replicas(replicas(found.stable or incoming), options.percentage)
    wanted = {Variant.CANARY: variants.canary(incoming, replicas=count, label=options.label)}
    if found.stable is not None:
        wanted[Variant.BASELINE] = variants.baseline(found.stable, replicas=count, label=options.label)
    return {variant: _marked(made, mark) for variant, made in wanted.items()}


def _marked(made: Object, mark: str) -> Object:
    annotations = made["metadata"]["annotations"] | {DIGEST_ANNOTATION: mark}
    return {**made, "metadata": {**made["metadata"], "annotations": annotations}}


def _check_same_release(found: Workload, live: Object, mark: str, *, label: str) -> None:
    """Refuse to go on where the variant that is there belongs to another release."""
    name = live["metadata"]["name"]
    if label not in (live["metadata"].get("labels") or {}):
        raise InputError(
            f"Deployment {name} is no variant (it has no label {label}): "
            f"rename it, or delete it, before releasing {found.name}"
        )
    theirs = (live["metadata"].get("annotations") or {}).get(DIGEST_ANNOTATION)
    if theirs != mark:
        raise InputError(
            f"another release of {found.name} is in progress: {name} runs {', '.join(images(live))} since "
            f"{live['metadata'].get('creationTimestamp')}; "
            f"promote it, or reject it first (canary reject {found.name})"
        )
    if found.stable is not None and name == variant_name(found.name, Variant.BASELINE):
        differences = template_differences(live, found.stable, label=label)
        if differences:
            raise InputError(
                f"stable {found.name} has changed since {name} was made of it ({', '.join(differences)}): "
                f"start anew after canary reject {found.name}"
            )


def _check_sound(world: World, stable: Object) -> None:
    """Refuse a stable that there is nothing sound to compare with."""
    name, state = stable["metadata"]["name"], progress(stable)
    if stable["metadata"].get("deletionTimestamp"):
        raise InputError(f"stable {name} is being deleted")
    if stable["spec"].get("paused"):
        raise InputError(f"stable {name} is paused: resume it first (kubectl rollout resume deployment/{name})")
    if state.complete:
        return
    why = hold_up(world.cluster, stable)
    reason = f": {why}" if why else ""
    if state.updated == state.desired and (stable.get("status") or {}).get("replicas") == state.desired:
        raise InputError(f"stable {name} is not fully ready, {state.ready} of {state.desired} pods{reason}")
    raise InputError(
        f"stable {name} is in the middle of a rollout ({state.updated} of {state.desired} pods updated){reason}; "
        f"wait for it, or undo it (kubectl rollout undo deployment/{name})"
    )


def _notes(found: Workload, wanted: dict[Variant, Object], created: set[str]) -> list[Note]:
    """Return what is worth knowing of variants about to be created."""
    canary = wanted[Variant.CANARY]
    if canary["metadata"]["name"] not in created:
        return []
    notes = []
    if found.stable is None:
        notes.append(
            Note(f"there is no stable {found.name} yet: a first release has a canary only, nothing to compare it with")
        )
    else:
        count = replicas(canary)
        every = replicas(found.stable) + 2 * count
        notes.append(
            Note(f"{found.name}: the canary gets about {count / every:.0%} of requests, {count} of {every} pods")
        )
    return notes
