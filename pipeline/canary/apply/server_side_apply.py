"""Writes manifests with server-side apply, so that an object is what they say, without leftovers."""

from collections.abc import Mapping, Sequence
from typing import Any

from canary.apply.managed_fields import with_last_applied
from canary.errors import InputError
from canary.events import Note, Written
from canary.manifests.images import pull_policy
from canary.objects import DEPLOYMENT, Kind, Object, describe
from canary.observe.deployments import images, is_autoscaled
from canary.plurals import counted
from canary.ports import Cluster, World
from canary.retry import retry_on_conflict
from canary.variants.derive import configuration_of, stable, with_configuration
from canary.variants.sizes import replicas

OPERATOR = "monitoring.coreos.com"


def to_be_applied(cluster: Cluster, incoming: Object, *, configuration: str = "") -> Object:
    """Return a manifest as it is applied.

    A Deployment always gets replicas, as the API server would default them to 1: those of the manifest or, where an
    autoscaler sets them or the manifest has none, the current ones.

    Args:
        cluster: the Kubernetes API.
        incoming: the manifest.
        configuration: digest of a release that changed the configuration of a Deployment's pods, so that they restart;
            empty keeps the current one.
    """
    if Kind.of(incoming) != DEPLOYMENT:
        return with_last_applied(incoming)
    name, count = incoming["metadata"]["name"], replicas(incoming)
    live = cluster.get(DEPLOYMENT, name)
    if live is not None and (incoming["spec"].get("replicas") is None or is_autoscaled(cluster, name)):
        count = replicas(live)
    made = with_last_applied(stable(incoming, replicas=count))
    if live is None:
        return made
    return with_configuration(_pulled_as_anew(made, live), configuration or configuration_of(live))


def _pulled_as_anew(made: Object, live: Object) -> Object:
    """Return a Deployment with the pull policies that a new one would get, where the live one has others.

    The API server sets them by the image's tag, and only once: an image that gets its first tag would keep Always.
    """
    template = live["spec"]["template"]["spec"]
    spec = dict(made["spec"]["template"]["spec"])
    for field in ("initContainers", "containers"):
        policies = {one["name"]: one.get("imagePullPolicy") for one in template.get(field) or []}
        if isinstance(spec.get(field), list):
            spec[field] = [_pulled(one, policies) for one in spec[field]]
    return {**made, "spec": made["spec"] | {"template": made["spec"]["template"] | {"spec": spec}}}


def _pulled(container: Any, policies: Mapping[str, str | None]) -> Any:  # noqa: ANN401 - of a manifest, still unchecked
    if not isinstance(container, dict) or container.get("imagePullPolicy") or not container.get("image"):
        return container
    policy = pull_policy(container["image"])
    is_kept = policies.get(container.get("name", ""), policy) == policy
    return container if is_kept else container | {"imagePullPolicy": policy}


def write(world: World, incoming: Object, *, configuration: str = "") -> bool:
    """Apply a manifest server-side, after taking over what kubectl or Helm wrote; return whether it changed.

    Args:
        world: what to work with.
        incoming: the manifest.
        configuration: see `intended`.

    Raises:
        InputError, ClusterError: the API server refuses it.
    """
    kind, name = Kind.of(incoming), incoming["metadata"]["name"]
    world.cluster.take_over(kind, name)
    before, after = _written(world.cluster, incoming, configuration)
    changed = before is None or before["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"]
    action = "created" if before is None else "configured" if changed else "unchanged"
    world.listen(Written(kind.kind, name, action, pods_and_images(after)))
    return changed


def _written(cluster: Cluster, incoming: Object, configuration: str) -> tuple[Object | None, Object]:
    """Apply a manifest, and return the object before and after.

    A Deployment keeps the replicas of that moment, which an autoscaler may change.
    """

    def attempt() -> tuple[Object | None, Object] | None:
        before = cluster.get(Kind.of(incoming), incoming["metadata"]["name"])
        wanted = to_be_applied(cluster, incoming, configuration=configuration)
        if before is None or Kind.of(incoming) != DEPLOYMENT:
            return before, cluster.apply(wanted)
        after = cluster.apply_over(before, wanted)
        return None if after is None else (before, after)

    return retry_on_conflict(attempt, f"apply {describe(incoming)}")


def without_unknown_monitors(world: World, objects: Sequence[Object]) -> tuple[Object, ...]:
    """Return the objects without monitors of a Prometheus operator that the cluster does not have; warn of them.

    Raises:
        InputError: nothing else is left.
    """
    unknown = [
        obj
        for obj in objects
        if obj["apiVersion"].startswith(f"{OPERATOR}/") and not world.cluster.serves(Kind.of(obj))
    ]
    names = ", ".join(f"{obj['kind']} {obj['metadata']['name']}" for obj in unknown)
    why = f"this cluster does not have the Prometheus operator ({OPERATOR}) for {names}"
    if unknown and len(unknown) == len(objects):
        raise InputError(f"{why}: install it first")
    if unknown:
        world.listen(Note(f"skipped, because {why}: install it, and run the command again", warning=True))
    return tuple(obj for obj in objects if obj not in unknown)


def pods_and_images(obj: Object) -> str:
    """Return the pods and images of a Deployment, for a person: `2 replicas of app:1`; empty for other objects."""
    return f"{counted(replicas(obj), 'replica')} of {', '.join(images(obj))}" if Kind.of(obj) == DEPLOYMENT else ""
