"""The ConfigMaps and Secrets that a Deployment's pods refer to, and how to make pods refer to copies of them."""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import NamedTuple

from canary.errors import InputError
from canary.objects import Object

LONGEST_NAME = 253
"""Maximum length of the name of a ConfigMap or Secret."""

_SUFFIX = "-canary"


class Reference(NamedTuple):
    """A ConfigMap or Secret that pods refer to.

    Attributes:
        kind: `ConfigMap` or `Secret`.
        name: of the object.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def references(deployment: Object) -> frozenset[Reference]:
    """Return the references of a Deployment's pods, in volumes, environment variables and pull secrets."""
    spec = _mapping(_mapping(deployment["spec"], "template"), "spec")
    return frozenset(Reference(kind, holder[field]) for kind, holder, field in _fields(spec))


def with_copies(deployment: Object, copied: Iterable[Reference]) -> Object:
    """Return a Deployment whose pods refer to the copies instead of the originals."""
    return _renamed(deployment, {one: copy_name(one) for one in copied})


def without_copies(deployment: Object, copied: Iterable[Reference]) -> Object:
    """Return a Deployment whose pods refer to the originals instead of the copies."""
    return _renamed(deployment, {Reference(one.kind, copy_name(one)): one.name for one in copied})


def copy_name(one: Reference) -> str:
    """Return the name of a copy.

    Raises:
        InputError: the name would be too long for Kubernetes.
    """
    name = one.name + _SUFFIX
    if len(name) > LONGEST_NAME:
        raise InputError(
            f"{one}: the name of the canary's copy would have {len(name)} characters (the limit is {LONGEST_NAME}): "
            f"give it a name of at most {LONGEST_NAME - len(_SUFFIX)}"
        )
    return name


def references_as_text(copied: Iterable[Reference]) -> str:
    """Return references as text for an annotation."""
    return " ".join(sorted(f"{one.kind}/{one.name}" for one in copied))


def references_from_text(text: str) -> frozenset[Reference]:
    """Return the references from the text of an annotation."""
    return frozenset(Reference(*one.split("/", 1)) for one in text.split() if "/" in one)


def _renamed(deployment: Object, names: Mapping[Reference, str]) -> Object:
    copy = deepcopy(deployment)
    for kind, holder, field in list(_fields(copy["spec"]["template"]["spec"])):
        holder[field] = names.get(Reference(kind, holder[field]), holder[field])
    return copy


def _fields(spec: Object) -> Iterator[tuple[str, Object, str]]:
    """Yield each place that names a ConfigMap or Secret: kind, mapping and field. Invalid values are skipped."""
    for kind, holder, field in _places(spec):
        if isinstance(holder.get(field), str):
            yield kind, holder, field


def _places(spec: Object) -> Iterator[tuple[str, Object, str]]:
    for volume in _items(spec, "volumes"):
        yield "ConfigMap", _mapping(volume, "configMap"), "name"
        yield "Secret", _mapping(volume, "secret"), "secretName"
        for source in _items(_mapping(volume, "projected"), "sources"):
            yield "ConfigMap", _mapping(source, "configMap"), "name"
            yield "Secret", _mapping(source, "secret"), "name"
    for secret in _items(spec, "imagePullSecrets"):
        yield "Secret", secret, "name"
    for container in (*_items(spec, "initContainers"), *_items(spec, "containers")):
        for source in _items(container, "envFrom"):
            yield "ConfigMap", _mapping(source, "configMapRef"), "name"
            yield "Secret", _mapping(source, "secretRef"), "name"
        for variable in _items(container, "env"):
            source = _mapping(variable, "valueFrom")
            yield "ConfigMap", _mapping(source, "configMapKeyRef"), "name"
            yield "Secret", _mapping(source, "secretKeyRef"), "name"


def _mapping(value: Object, key: str) -> Object:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _items(value: Object, key: str) -> list[Object]:
    found = value.get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
