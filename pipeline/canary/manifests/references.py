"""Which ConfigMaps and Secrets a Deployment's pods refer to, and the same pods with copies of some in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import NamedTuple

from canary.errors import InputError
from canary.objects import Object

LONGEST_NAME = 253
"""Characters that the name of a ConfigMap or a Secret may have."""

_SUFFIX = "-canary"


class Reference(NamedTuple):
    """A piece of configuration that pods refer to.

    Attributes:
        kind: `ConfigMap` or `Secret`.
        name: of the object.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def references(deployment: Object) -> frozenset[Reference]:
    """Return what a Deployment's pods refer to: in volumes, variables and pull secrets of all their containers."""
    spec = _mapping(_mapping(deployment["spec"], "template"), "spec")
    return frozenset(Reference(kind, holder[field]) for kind, holder, field in _fields(spec))


def with_copies(deployment: Object, copied: Iterable[Reference]) -> Object:
    """Return a Deployment whose pods refer to the copies of these, and else to what they did."""
    return _renamed(deployment, {one: copy_name(one) for one in copied})


def without_copies(deployment: Object, copied: Iterable[Reference]) -> Object:
    """Return a Deployment whose pods refer to these instead of to their copies."""
    return _renamed(deployment, {Reference(one.kind, copy_name(one)): one.name for one in copied})


def copy_name(one: Reference) -> str:
    """Return the name of a copy.

    Raises:
        InputError: it would be longer than Kubernetes takes.
    """
    name = one.name + _SUFFIX
    if len(name) > LONGEST_NAME:
        raise InputError(
            f"{one}: the name of the canary's copy would have {len(name)} characters, more than {LONGEST_NAME}: "
            f"give it a name of at most {LONGEST_NAME - len(_SUFFIX)}"
        )
    return name


def written(copied: Iterable[Reference]) -> str:
    """Return references as an annotation has them."""
    return " ".join(sorted(f"{one.kind}/{one.name}" for one in copied))


def read(text: str) -> frozenset[Reference]:
    """Return the references that an annotation names."""
    return frozenset(Reference(*one.split("/", 1)) for one in text.split() if "/" in one)


def _renamed(deployment: Object, names: Mapping[Reference, str]) -> Object:
    copy = deepcopy(deployment)
    for kind, holder, field in list(_fields(copy["spec"]["template"]["spec"])):
        holder[field] = names.get(Reference(kind, holder[field]), holder[field])
    return copy


def _fields(spec: Object) -> Iterator[tuple[str, Object, str]]:
    """Yield each place that names a ConfigMap or a Secret: kind, the mapping and its field. Nonsense is passed over."""
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
