"""Images and pull secrets: what `--image` and `--image-pull-secret` change in the manifests."""

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from canary.errors import InputError
from canary.manifests.bundle import Bundle
from canary.objects import Object, describe, is_deployment

_TEMPLATE_PATHS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (),
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "Job"): ("spec", "template"),
}
"""Where each kind of workload has its pod template."""

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME = rf"(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?{_COMPONENT}(?:/{_COMPONENT})*"
_REFERENCE = re.compile(
    rf"(?P<name>{_NAME})(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{{32,}}))?"
)
_SECRET_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class Image:
    """One `--image`.

    Attributes:
        name: image name (without tag and digest) to replace.
        reference: the new image.
    """

    name: str
    reference: str


def parse_image(text: str) -> Image:
    """Return the image from `REF` or `NAME=REF`.

    Raises:
        InputError: the text is neither.
    """
    name, equals, reference = text.rpartition("=")
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise InputError(f"--image {text}: {reference!r} is not an image such as registry:5000/app:1.2 or app@sha256:…")
    if not equals:
        return Image(match["name"], reference)
    if re.fullmatch(_NAME, name) is None:
        raise InputError(
            f"--image {text}: {name!r} is not an image name: give the part before tag and digest, such as registry/app"
        )
    return Image(name, reference)


def image_name(reference: str) -> str:
    """Return an image's name without tag and digest; the port of a registry is part of the name."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def is_untagged(reference: str) -> bool:
    """Return whether an image has neither a tag nor a digest."""
    return image_name(reference) == reference


def pull_policy(reference: str) -> str:
    """Return the imagePullPolicy that the API server sets by default."""
    newest = is_untagged(reference) or reference.partition("@")[0].endswith(":latest")
    return "Always" if newest else "IfNotPresent"


def with_images(bundle: Bundle, images: Sequence[Image]) -> Bundle:
    """Return the bundle with images replaced in all containers and init containers.

    Raises:
        InputError: two of the images replace the same name, or one matches no container.
    """
    wanted: dict[str, Image] = {}
    for image in images:
        other = wanted.setdefault(image.name, image)
        if other.reference != image.reference:
            raise InputError(f"--image: {other.reference} and {image.reference} would both replace {image.name}")
    present = list(dict.fromkeys(image for item in bundle.objects for image in images_of(item)))
    for name, image in wanted.items():
        if name not in {image_name(reference) for reference in present}:
            found = f"the manifests have {', '.join(present)}" if present else "the manifests have no containers"
            raise InputError(
                f"--image {image.reference}: no container's image is named {name}; {found}{_suggestion(image, present)}"
            )

    def replaced(spec: Object) -> None:
        for container in _containers(spec):
            image = wanted.get(image_name(container.get("image") or ""))
            if image is not None:
                container["image"] = image.reference

    return _edited(bundle, replaced) if wanted else bundle


def with_pull_secrets(bundle: Bundle, names: Sequence[str]) -> Bundle:
    """Return the bundle with these pull secrets added to every workload, none twice.

    Raises:
        InputError: a name is not valid for a Secret.
    """
    for name in names:
        if _SECRET_NAME.fullmatch(name) is None:
            raise InputError(
                f"--image-pull-secret {name}: not a valid Secret name (lower-case letters, digits, - and .)"
            )

    def added(spec: Object) -> None:
        present = list(spec.get("imagePullSecrets") or [])
        missing = [name for name in dict.fromkeys(names) if {"name": name} not in present]
        spec["imagePullSecrets"] = present + [{"name": name} for name in missing]

    return _edited(bundle, added) if names else bundle


def images_of(item: Object) -> tuple[str, ...]:
    """Return the images of an object's init containers and containers, empty for objects without pods."""
    spec = _pod_spec(item)
    return tuple(container["image"] for container in _containers(spec) if container.get("image")) if spec else ()


def refuse_other_workloads(bundle: Bundle, images: Sequence[Image]) -> None:
    """Refuse a release that would change the image of a workload that cannot have variants.

    Raises:
        InputError: a StatefulSet, DaemonSet, Job or the like runs one of the images.
    """
    names = {image.name for image in images}
    for item, source in zip(bundle.objects, bundle.sources, strict=True):
        image = next((image for image in images_of(item) if image_name(image) in names), None)
        if image is not None and not is_deployment(item):
            raise InputError(
                f"{source}: {describe(item)} runs {image} as well, and a {item['kind']} cannot be released as a "
                "canary: leave it out of these manifests and deploy it with canary apply"
            )


def _suggestion(image: Image, present: Sequence[str]) -> str:
    """Return the option that the user probably meant, as a sentence: the same image name in another registry."""
    last = image.name.rpartition("/")[2]
    close = [name for name in map(image_name, present) if name.rpartition("/")[2] == last]
    return "".join(f"; to replace {name}, pass --image {name}={image.reference}" for name in close[:1])


def refuse_untagged(bundle: Bundle) -> None:
    """Refuse Deployments with an image without a tag: most likely --image is missing.

    Raises:
        InputError: a container's image has neither a tag nor a digest.
    """
    for item in bundle.deployments:
        for image in images_of(item):
            if is_untagged(image):
                raise InputError(
                    f"{bundle.source(item)}: image {image} of {describe(item)} has no tag: pass the one that "
                    f"you want, such as --image {image}:1.2. ({image}:latest is allowed, but each node may run a "
                    "different version)"
                )


def _edited(bundle: Bundle, edit: Any) -> Bundle:  # noqa: ANN401
    objects = tuple(deepcopy(item) for item in bundle.objects)
    for item in objects:
        spec = _pod_spec(item)
        if spec is not None:
            edit(spec)
    return Bundle(objects, bundle.sources, bundle.namespace)


def _pod_spec(item: Object) -> Object | None:
    group = item["apiVersion"].rpartition("/")[0]
    path = _TEMPLATE_PATHS.get((group, item["kind"]))
    if path is None:
        return None
    value: object = item
    for key in (*path, "spec"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else None


def _containers(spec: Object) -> Iterator[Object]:
    for field in ("initContainers", "containers"):
        listed = spec.get(field)
        yield from (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()
