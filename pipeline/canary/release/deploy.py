"""Deploys the variants of a release next to stable, which is not touched."""

from collections.abc import Iterable, Mapping

from canary.apply.server_side_apply import pods_and_images, write
from canary.events import Deployed, Grows, Note, Written
from canary.manifests.bundle import Bundle, digest
from canary.manifests.images import images_of
from canary.marks import DIGEST
from canary.objects import DEPLOYMENT, Object, annotations_of
from canary.observe.deployments import read_workload
from canary.observe.rollout import wait_until_ready
from canary.ports import World
from canary.release.copies import create_copy
from canary.release.lookout import follow
from canary.release.plan import make_plan, share_note, size_at
from canary.release.traffic import begin, check_unedited, shift
from canary.state.expiry import postpone_expiry
from canary.state.last_promote import is_rolling_back, unfinished_digest
from canary.variants.derive import copied_by
from canary.variants.sizes import replicas
from canary.variants.steps import Step, step_at_hand


def deploy(world: World, bundle: Bundle, *, promoting: bool = False) -> None:
    """Create what the plan says, and wait until the variants are ready.

    Args:
        world: what to work with.
        bundle: the manifests.
        promoting: whether this account is also to promote, which takes more permissions.

    Raises:
        InputError, ClusterError: see `make_plan`; nothing was changed.
        TimedOutError: a variant did not get ready; all variants are kept.
    """
    plan = make_plan(world, bundle, promoting=promoting)
    for event in (*plan.notes, *plan.others.differences):
        world.listen(event)
    for other in plan.others.created:
        world.cluster.create(other)  # not applied: that would need the permission to change an existing one
        world.listen(Written(other["kind"], other["metadata"]["name"], "created"))
    for other in plan.others.written:
        write(world, other)
    late = [one for one in plan.created if world.options.route or copied_by(one)]
    for deployment in plan.created:
        first = _without_pods(deployment) if deployment in late else deployment
        world.cluster.create(first)
        world.listen(Written(first["kind"], first["metadata"]["name"], "created", pods_and_images(first)))
    for copy in plan.others.copies:
        create_copy(world, copy)
    for name in plan.stepped:
        _set_step(world, name, plan.step)
    for incoming in bundle.deployments if world.options.route else ():
        workload = read_workload(world.cluster, incoming["metadata"]["name"])
        if workload.stable is not None:
            begin(world, workload)
    _scale(world, {one["metadata"]["name"]: replicas(one) for one in late})
    _scale(world, dict(plan.scaled))
    for incoming in bundle.deployments:
        postpone_expiry(world.cluster, incoming["metadata"]["name"], world.clock.now() + world.options.expire_after)
    for name in plan.existing:
        world.listen(Written("Deployment", name, "unchanged", "of this same release"))
    _wait_until_ready(world, bundle, [*(one["metadata"]["name"] for one in plan.created), *plan.existing])
    _shift(world, bundle, plan.step)
    for incoming in bundle.deployments:
        world.listen(Deployed(incoming["metadata"]["name"], tuple(images_of(incoming))))


def workloads_in_another_release(world: World, bundle: Bundle) -> tuple[str, ...]:
    """Return the names of the workloads of which another release is in progress, and is not being promoted.

    A promote that was interrupted, and whose release was rejected afterwards, does not count.
    """
    mark, names = digest(bundle), []
    for name in (incoming["metadata"]["name"] for incoming in bundle.deployments):
        workload = read_workload(world.cluster, name)
        variants = (workload.canary, workload.baseline)
        digests = {annotations_of(variant).get(DIGEST) for variant in variants if variant is not None}
        promoting = unfinished_digest(world.cluster, name)
        is_promoting = promoting is not None and bool(digests & {promoting, None})
        if digests - {mark} and not is_promoting and not is_rolling_back(world.cluster, name):
            names.append(name)
    return tuple(names)


def grow(world: World, bundle: Bundle) -> bool:
    """Let canary and baseline grow to the next step, wait until they are ready, and return whether they grew.

    A step at which no variant would get more pods is skipped: it would show nothing new. After a kill in the middle,
    `deploy` continues: it finds the step on the canary.

    Raises:
        TimedOutError: a variant did not get ready; all are kept.
        InputError: a canary is gone.
    """
    workloads = [
        (read_workload(world.cluster, incoming["metadata"]["name"]), incoming) for incoming in bundle.deployments
    ]
    canaries = [workload.canary for workload, _ in workloads if workload.canary]
    for workload, _ in workloads if world.options.route else ():
        check_unedited(world, workload.name)
    for step in step_at_hand(world.options.steps, canaries).following:
        sizes = {
            variant["metadata"]["name"]: size_at(world, step, workload, incoming)
            for workload, incoming in workloads
            for variant in (workload.baseline, workload.canary)
            if variant is not None and replicas(variant) != size_at(world, step, workload, incoming)
        }
        if not sizes and not world.options.route:
            world.listen(Note(f"{step} is skipped: it would have as many pods as there are now"))
            continue
        world.listen(Grows(step))
        for canary in canaries:
            _set_step(world, canary["metadata"]["name"], step)
        _scale(world, sizes)
        for workload, incoming in workloads:
            if workload.stable is not None:
                pods = size_at(world, step, workload, incoming)
                world.listen(Note(share_note(world, workload, step, pods)))
        _wait_until_ready(world, bundle, sizes)
        _shift(world, bundle, step)
        return True
    return False


def _wait_until_ready(world: World, bundle: Bundle, variants: Iterable[str]) -> None:
    names = [incoming["metadata"]["name"] for incoming in bundle.deployments]
    wait_until_ready(world, variants, meanwhile=lambda: world.options.route and follow(world, names))


def _shift(world: World, bundle: Bundle, step: Step) -> None:
    for incoming in bundle.deployments if world.options.route else ():
        shift(world, incoming["metadata"]["name"], step)


def _set_step(world: World, canary: str, step: Step) -> None:
    world.cluster.annotate(DEPLOYMENT, canary, dict(step.annotations))


def _scale(world: World, sizes: Mapping[str, int]) -> None:
    for name, count in sizes.items():
        world.cluster.scale(name, count)
        world.listen(Written("Deployment", name, "scaled", f"to {count}"))


def _without_pods(variant: Object) -> Object:
    """Return a variant without pods. They come later than it.

    They need the copies that the canary owns; and before there are pods, a route must send all requests to stable.
    Whoever ends the release of a killed driver finds it by the canary.
    """
    return {**variant, "spec": variant["spec"] | {"replicas": 0}}
