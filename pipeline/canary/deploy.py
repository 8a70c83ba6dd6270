"""Deploys the variants of a release beside stable, which is not touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from canary import variants
from canary.before import saved_digest, undoing
from canary.deployments import images, progress, replicas, workload
from canary.diagnosis import hold_up
from canary.errors import InputError
from canary.events import Grows, Note, Variant, Written
from canary.expiry import expires, show_life
from canary.manifests import describe as named
from canary.manifests import digest
from canary.ownership import with_last_applied
from canary.record import take_step
from canary.steps import step_at_hand, step_of
from canary.variants import DIGEST_ANNOTATION, template_differences, variant_name, variant_replicas
from canary.waiting import wait_until_ready
from canary.writing import describe, would_change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from canary.collaborators import Object, World
    from canary.deployments import Workload
    from canary.manifests import Bundle
    from canary.steps import Step


@dataclass(frozen=True)
class Plan:
    """What deploy does.

    Attributes:
        others: objects that do not exist yet, and are created.
        held: objects that exist and would change, with the fields that would: left to promote.
        created: variants to be created.
        step: which of its steps the release is at.
        stepped: names of canaries that exist, and are told of that step.
        scaled: names of variants that exist, and the replicas they are to get.
        existing: names of variants that are there already, of this same release.
        notes: what the user should know.
    """

    others: tuple[Object, ...]
    held: tuple[tuple[Object, tuple[str, ...]], ...]
    created: tuple[Object, ...]
    step: Step
    stepped: tuple[str, ...]
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
    names = [incoming["metadata"]["name"] for incoming in bundle.deployments]
    workloads = {name: workload(world.cluster, name) for name in names}
    step = step_at_hand(world.options.steps, [found.canary for found in workloads.values() if found.canary])
    created: list[Object] = []
    stepped: list[str] = []
    scaled: list[tuple[str, int]] = []
    existing: list[str] = []
    notes: list[Note] = []
    for incoming in bundle.deployments:
        found = workloads[incoming["metadata"]["name"]]
        if failed := undoing(world.cluster, found.name):
            raise InputError(
                f"a promote of {found.name} failed ({failed}), and its undo was interrupted: "
                "canary promote, with manifests of that Deployment, finishes the undo"
            )
        promoting = saved_digest(world.cluster, found.name)
        if promoting == mark:
            raise InputError(
                f"a promote of this release of {found.name} was interrupted: "
                "canary promote, with the same manifests and images, finishes it"
            )
        wanted = _wanted(world, found, incoming, mark, step)
        for variant, made in wanted.items():
            live, count = found.variants.get(variant), replicas(made)
            if live is None:
                created.append(made)
                continue
            _check_same_release(found, live, mark, promoting, label=world.options.label)
            existing.append(live["metadata"]["name"])
            if variant is Variant.CANARY and step_of(live) != step:
                stepped.append(live["metadata"]["name"])
            if replicas(live) != count:
                scaled.append((live["metadata"]["name"], count))
        if found.stable is not None and any(variant not in found.variants for variant in wanted):
            _check_sound(world, found.stable)
        notes.extend(_notes(found, wanted, {made["metadata"]["name"] for made in created}))
    return Plan(
        tuple(others), tuple(held), tuple(created), step, tuple(stepped), tuple(scaled), tuple(existing), tuple(notes)
    )


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
    for name in todo.stepped:
        take_step(world.cluster, name, todo.step)
    _scale(world, dict(todo.scaled))
    for incoming in bundle.deployments:
        show_life(world.cluster, incoming["metadata"]["name"], world.clock.now() + world.options.expire_after)
    for name in todo.existing:
        world.listen(Written("Deployment", name, "unchanged", "of this same release"))
    wait_until_ready(world, [*(made["metadata"]["name"] for made in todo.created), *todo.existing])


def in_the_way(world: World, bundle: Bundle) -> tuple[str, ...]:
    """Return the names of the workloads of which another release is in progress that is not being promoted."""
    mark, label = digest(bundle), world.options.label
    found = (workload(world.cluster, incoming["metadata"]["name"]) for incoming in bundle.deployments)
    return tuple(
        one.name
        for one in found
        if saved_digest(world.cluster, one.name) is None
        and any(_is_of_another(live, mark, label) for live in (one.canary, one.baseline) if live is not None)
    )


def grow(world: World, bundle: Bundle) -> bool:
    """Let canary and baseline grow to the next step, wait until they are ready, and return whether they grew.

    A step that gives no variant more pods than it has is passed over: nothing new would be seen at it. Who is killed in
    the middle goes on with `deploy`, which finds the step on the canary.

    Raises:
        TimedOutError: a variant did not get ready; all are left as they are.
        InputError: a canary is gone.
    """
    found = {incoming["metadata"]["name"]: incoming for incoming in bundle.deployments}
    workloads = [(workload(world.cluster, name), incoming) for name, incoming in found.items()]
    canaries = [one.canary for one, _ in workloads if one.canary]
    for step in step_at_hand(world.options.steps, canaries).following:
        sizes = {
            variant["metadata"]["name"]: _size(one, incoming, step)
            for one, incoming in workloads
            for variant in (one.baseline, one.canary)
            if variant is not None and replicas(variant) != _size(one, incoming, step)
        }
        if not sizes:
            world.listen(Note(f"{step} is passed over: it would have as many pods as there are"))
            continue
        world.listen(Grows(step))
        for canary in canaries:
            take_step(world.cluster, canary["metadata"]["name"], step)
        _scale(world, sizes)
        for one, incoming in workloads:
            if one.stable is not None:
                world.listen(_share(one.name, _size(one, incoming, step), replicas(one.stable)))
        wait_until_ready(world, sizes)
        return True
    return False


def _size(found: Workload, incoming: Object, step: Step) -> int:
    """Return how many pods each variant of a workload has at a step."""
    return variant_replicas(replicas(found.stable or incoming), step.percentage)


def _scale(world: World, sizes: Mapping[str, int]) -> None:
    for name, count in sizes.items():
        world.cluster.scale(name, count)
        world.listen(Written("Deployment", name, "scaled", f"to {count}"))


def _wanted(world: World, found: Workload, incoming: Object, mark: str, step: Step) -> dict[Variant, Object]:
    """Return the variants that the release is to have."""
    options = world.options
    count = _size(found, incoming, step)
    wanted = {Variant.CANARY: variants.canary(incoming, replicas=count, label=options.label)}
    if found.stable is not None:
        wanted[Variant.BASELINE] = variants.baseline(found.stable, replicas=count, label=options.label)
    of_canary = {Variant.CANARY: step.annotations | expires(world.clock.now() + options.expire_after)}
    return {
        variant: _marked(made, {DIGEST_ANNOTATION: mark} | of_canary.get(variant, {}))
        for variant, made in wanted.items()
    }


def _marked(made: Object, marks: Mapping[str, str]) -> Object:
    annotations = made["metadata"]["annotations"] | marks
    return {**made, "metadata": {**made["metadata"], "annotations": annotations}}


def _is_of_another(variant: Object, mark: str, label: str) -> bool:
    metadata = variant["metadata"]
    return (
        label in (metadata.get("labels") or {}) and (metadata.get("annotations") or {}).get(DIGEST_ANNOTATION) != mark
    )


def _check_same_release(found: Workload, live: Object, mark: str, promoting: str | None, *, label: str) -> None:
    """Refuse to go on where the variant that is there belongs to another release."""
    name = live["metadata"]["name"]
    if label not in (live["metadata"].get("labels") or {}):
        raise InputError(
            f"Deployment {name} is no variant (it has no label {label}): "
            f"rename it, or delete it, before releasing {found.name}"
        )
    theirs = (live["metadata"].get("annotations") or {}).get(DIGEST_ANNOTATION)
    if theirs != mark:
        ending = f"promote it, or reject it first (canary reject {found.name}, or --supersede with this one)"
        if promoting is not None and promoting == theirs:
            ending = "its promote was interrupted: canary promote, with its manifests and images, finishes it"
        raise InputError(
            f"another release of {found.name} is in progress: {name} runs {', '.join(images(live))} since "
            f"{live['metadata'].get('creationTimestamp')}; {ending}"
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
        notes.append(_share(found.name, replicas(canary), replicas(found.stable)))
    return notes


def _share(name: str, count: int, stable: int) -> Note:
    every = stable + 2 * count
    return Note(f"{name}: the canary gets about {count / every:.0%} of requests, {count} of {every} pods")
