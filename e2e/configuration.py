"""A workload with its own configuration, and the state that a release can change."""

from __future__ import annotations

from typing import Any

from e2e.cluster import Namespace

WRITTEN = (("deployment", "sampleapp"), ("service", "sampleapp"), ("configmap", "settings"))


def settings(colour: str) -> dict[str, Any]:
    """Return the manifest of a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": colour}}


def state(namespace: Namespace) -> list[Any]:
    """Return the current state of everything that a release can change."""
    objects = (namespace.get(kind, name) for kind, name in WRITTEN)
    return [{key: found[key] for key in ("spec", "data") if key in found} for found in objects if found]
