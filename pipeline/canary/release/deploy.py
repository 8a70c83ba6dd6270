"""Deploys the variants of a release beside stable, which is not touched."""

from __future__ import annotations

from collections.abc import Mapping

from canary.apply.server_side_apply import pods_and_images, write
from canary.events import Grows, Note, Written
from canary.manifests.bundle import Bundle, digest
from canary.marks import DIGEST
from canary.objects import Object, annotations_of
from canary.observe.deployments import read_workload, replicas
from canary.observe.rollout import wait_until_ready
from canary.ports import World
from canary.release.copies import create_copy
from canary.release.plan import make_plan, share, size
from canary.state.expiry import postpone_expiry
from canary.state.last_promote import is_rolling_back, unfinished_digest
from canary.state.record import take_step
from canary.variants.derive import copied_by
from canary.variants.steps import step_at_hand


def deploy(world: World, bundle: Bundle, *, promoting: bool = False) -> None:
    """Make what the plan says, and wait until the variants are ready.

    Args:
        world: what to work with.
        bundle: the manifests.
        promoting: whether this same account is to promote, which takes rights of its own.

    Raises:
        InputError, ClusterError: see `plan`; nothing was changed then.
        TimedOutError: a variant did not get ready; all variants are left as they are.
    """
    todo = make_plan(world, bundle, promoting=promoting)
    for event in (*todo.notes, *todo.others.differences):
        world.listen(event)
    for other in todo.others.created:
        world.cluster.create(other)  # not applied: that would take the right to change one that is there
        world.listen(Written(other["kind"], other["metadata"]["name"], "created"))
    for other in todo.others.written:
        write(world, other)
    for made in todo.created:
        first = _waiting_for_copies(made) if copied_by(made) else made
        world.cluster.create(first)
        world.listen(Written(made["kind"], made["metadata"]["name"], "created", pods_and_images(first)))
    for copy in todo.others.copies:
        create_copy(world, copy)
    for name in todo.stepped:
        take_step(world.cluster, name, todo.step)
    _scale(world, {made["metadata"]["name"]: replicas(made) for made in todo.created if copied_by(made)})
    _scale(world, dict(todo.scaled))
    for incoming in bundle.deployments:
        postpone_expiry(world.cluster, incoming["metadata"]["name"], world.clock.now() + world.options.expire_after)
    for name in todo.existing:
        world.listen(Written("Deployment", name, "unchanged", "of this same release"))
    wait_until_ready(world, [*(made["metadata"]["name"] for made in todo.created), *todo.existing])


def workloads_in_another_release(world: World, bundle: Bundle) -> tuple[str, ...]:
    """Return the names of the workloads of which another release is in progress that is not being promoted.

    A promote that was interrupted, and whose release was rejected then, stands in nobody's way.
    """
    mark, names = digest(bundle), []
    for name in (incoming["metadata"]["name"] for incoming in bundle.deployments):
        found = read_workload(world.cluster, name)
        theirs = {annotations_of(live).get(DIGEST) for live in (found.canary, found.baseline) if live is not None}
        promoted = unfinished_digest(world.cluster, name)
        is_promoted = promoted is not None and bool(theirs & {promoted, None})
        if theirs - {mark} and not is_promoted and not is_rolling_back(world.cluster, name):
            names.append(name)
    return tuple(names)


def grow(world: World, bundle: Bundle) -> bool:
    """Let canary and baseline grow to the next step, wait until they are ready, and return whether they grew.

    A step that gives no variant more pods than it has is passed over: nothing new would be seen at it. Who is killed in
    the middle goes on with `deploy`, which finds the step on the canary.

    Raises:
        TimedOutError: a variant did not get ready; all are left as they are.
        InputError: a canary is gone.
    """
    found = {incoming["metadata"]["name"]: incoming for incoming in bundle.deployments}
    workloads = [(read_workload(world.cluster, name), incoming) for name, incoming in found.items()]
    canaries = [one.canary for one, _ in workloads if one.canary]
    for step in step_at_hand(world.options.steps, canaries).following:
        sizes = {
            variant["metadata"]["name"]: size(one, incoming, step)
            for one, incoming in workloads
            for variant in (one.baseline, one.canary)
            if variant is not None and replicas(variant) != size(one, incoming, step)
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
                world.listen(share(one.name, size(one, incoming, step), replicas(one.stable)))
        wait_until_ready(world, sizes)
        return True
    return False


def _scale(world: World, sizes: Mapping[str, int]) -> None:
    for name, count in sizes.items():
        world.cluster.scale(name, count)
        world.listen(Written("Deployment", name, "scaled", f"to {count}"))


def _waiting_for_copies(canary: Object) -> Object:
    """Return a canary without pods: the copies that they need belong to it, and so come after it."""
    return {**canary, "spec": canary["spec"] | {"replicas": 0}}
