"""A workload with configuration of its own, and what a release can change of it."""

from __future__ import annotations

from typing import Any

from e2e.cluster import Namespace

WRITTEN = (("deployment", "sampleapp"), ("service", "sampleapp"), ("configmap", "settings"))


def settings(colour: str) -> dict[str, Any]:
    """Return a ConfigMap as a manifest has it."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": colour}}


def state(namespace: Namespace) -> list[Any]:
    """Return what a release can change, as it is now."""
    objects = (namespace.get(kind, name) for kind, name in WRITTEN)
    return [{key: found[key] for key in ("spec", "data") if key in found} for found in objects if found]
