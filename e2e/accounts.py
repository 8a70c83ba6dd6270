"""The accounts of pipeline/rbac.yml, and a Secret that needs its optional rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml

from e2e.cluster import ROOT, Namespace

RBAC = ROOT / "pipeline/rbac.yml"
ROLES = {d["metadata"]["name"]: d for d in yaml.safe_load_all(RBAC.read_text()) if d["kind"] == "Role"}
DEPLOY, PROMOTE = "sampleapp-deploy", "sampleapp-promote"
ROUTE = "sampleapp-route"  # releases by a route alone need it; it repeats permissions of other Roles
SECRET = "sampleapp-settings"
WATCH = ("--tolerance", "0.05", "--warm-up", "0s", "--min-duration", "1s", "--interval", "1s")
"""A watch at a test's pace."""


def log_in(namespace: Namespace, account: str) -> Namespace:
    """Return the namespace with the token of a service account."""
    kubeconfig = yaml.safe_load(namespace.kubectl("config", "view", "--raw", "--minify", "--flatten"))
    kubeconfig["users"] = [
        {"name": user["name"], "user": {"token": namespace.kubectl("create", "token", account).strip()}}
        for user in kubeconfig["users"]
    ]
    path = namespace.folder / f"{account}.kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig))
    return replace(namespace, kubeconfig=path)


def secret(colour: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": {"COLOUR": colour}}
