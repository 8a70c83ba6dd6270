"""Helpers for pods: the statuses of their containers, their logs and their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.localcluster.cluster import Namespace

Object = dict[str, Any]


def state(obj: Object, name: str = "main") -> Object:
    statuses = obj["status"].get("containerStatuses", []) + obj["status"].get("initContainerStatuses", [])
    return dict(next((s for s in statuses if s["name"] == name), {"state": {}, "lastState": {}}))


def is_ready(obj: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in obj["status"].get("conditions", []))


def waiting_reason(obj: Object, name: str = "main") -> str:
    return str(state(obj, name)["state"].get("waiting", {}).get("reason"))


def logs(namespace: Namespace, name: str) -> str:
    found = namespace.get("pod", name)
    running = any("running" in s["state"] or s["lastState"] for s in found["status"].get("containerStatuses", []))
    return namespace.kubectl("logs", name) if running else ""


def workdir(namespace: Namespace, found: Object, name: str = "main") -> Path:
    """Return the real path of /srv, the WORKDIR of a container."""
    meta = found["metadata"]
    folder = f"{namespace.name}_{meta['name']}_{meta['uid']}"
    return (
        namespace.cluster.command.home / namespace.cluster.name / "pods" / folder / "containers" / name / "root" / "srv"
    )
