"""Checks that a Deployment has the fields that a release needs. The API server checks the rest."""

from collections.abc import Mapping
from typing import Any

from canary.errors import InputError

_MAPPINGS = (
    ("spec",),
    ("spec", "selector"),
    ("spec", "template"),
    ("spec", "template", "metadata"),
    ("spec", "template", "metadata", "labels"),
    ("spec", "template", "spec"),
)


def check_deployment(item: Mapping[str, Any], source: str) -> None:
    """Refuse a Deployment without selector, template or containers.

    Raises:
        InputError: `file:line`, the Deployment and the field.
    """
    what = f"{source}: Deployment {item['metadata']['name']}"
    for path in _MAPPINGS:
        if not isinstance(_at(item, path), dict):
            raise InputError(f"{what}: {'.'.join(path)} must be a mapping")
    labels, expressions = (_at(item, ("spec", "selector", key)) for key in ("matchLabels", "matchExpressions"))
    if not isinstance({} if labels is None else labels, dict) or not (labels or expressions):
        raise InputError(f"{what}: spec.selector must match labels")
    containers = _at(item, ("spec", "template", "spec", "containers"))
    if not isinstance(containers, list) or not containers or not all(isinstance(one, dict) for one in containers):
        raise InputError(f"{what}: spec.template.spec.containers must be a list of containers")
    replicas = _at(item, ("spec", "replicas"))
    if replicas is not None and (isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0):
        raise InputError(f"{what}: spec.replicas must be a whole number, 0 or more")


def _at(value: Any, path: tuple[str, ...]) -> object:  # noqa: ANN401
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
