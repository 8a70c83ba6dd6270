"""Secrets are written and used, and never shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from e2e.cluster import Namespace

PASSWORD = "correct horse battery staple"


def test_a_registry_secret_is_made_from_stdin_and_never_printed(namespace: Namespace) -> None:
    make = ("secret", "registry", "--server", "registry.example", "--username", "robot")
    for expected in ("created", "unchanged"):
        result = namespace.canary(*make, stdin=PASSWORD)
        assert expected in result.err
        assert PASSWORD not in result.out + result.err
    secret = namespace.get("secret", "registry") or {}
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    config = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
    assert config["auths"]["registry.example"]["password"] == PASSWORD


def test_a_dry_run_masks_secret_values(namespace: Namespace, manifests: Path) -> None:
    (manifests / "secret.yml").write_text(
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: token}}\nstringData: {{token: {PASSWORD}}}\n"
    )
    result = namespace.canary("deploy", str(manifests), "--image", "sampleapp:10", "--dry-run")
    assert "kind: Deployment" in result.out
    assert f"<{len(PASSWORD)} bytes>" in result.out
    assert PASSWORD not in result.out + result.err
    assert namespace.list("deployments") == []


def test_pull_secrets_reach_the_pods_once(namespace: Namespace, manifests: Path) -> None:
    namespace.canary(
        "apply",
        str(manifests),
        "--image",
        "sampleapp:10",
        "--image-pull-secret",
        "registry",
        "--image-pull-secret",
        "registry",
    )
    deployment = namespace.get("deployment", "sampleapp") or {}
    assert deployment["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "registry"}]
