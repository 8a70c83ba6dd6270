"""The cluster of the tests: the one of E2E_KUBECONFIG, or a new localcluster.

Your own cluster must have the images sampleapp:5, :10 and :20 (`make e2e` loads them into kind).
"""

from __future__ import annotations

import copy
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.app_versions import write_version
from e2e.cluster import ROOT, Namespace, command
from e2e.configuration import settings

VERSIONS = (5, 10, 20)


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the kubeconfig of a cluster with three versions of the app."""
    if given := os.environ.get("E2E_KUBECONFIG"):
        yield Path(given).resolve()
        return
    home = tmp_path_factory.mktemp("localcluster")
    environment = os.environ | {"LOCALCLUSTER_HOME": str(home)}

    def localcluster(*arguments: str) -> str:
        done = subprocess.run(
            [command("localcluster"), *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"localcluster {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    try:
        localcluster("up", "--end-with", str(os.getpid()))  # even if this process is killed
        for version in VERSIONS:
            context = write_version(ROOT / "app", home / f"app-{version}", version)
            localcluster("build", str(context), "-t", f"sampleapp:{version}")
        yield Path(localcluster("kubeconfig").strip())
    finally:
        localcluster("down")


@pytest.fixture
def namespace(kubeconfig: Path, tmp_path: Path) -> Iterator[Namespace]:
    """Give a namespace for one test, and delete it afterwards."""
    own = Namespace(f"e2e-{uuid.uuid4().hex[:8]}", kubeconfig, tmp_path)
    own.kubectl(
        "create",
        "-f",
        "-",
        stdin=f'{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{own.name}","labels":{{"pod-security.kubernetes.io/enforce":"restricted"}}}}}}',
    )
    yield own
    own.kubectl("delete", "namespace", own.name, "--wait=false")


@pytest.fixture(scope="session")
def sample() -> dict[str, dict[str, Any]]:
    """Give the objects of manifests/, by kind, with smaller CPU requests, because many tests share a small node."""
    documents = [d for f in sorted((ROOT / "manifests").glob("*.yml")) for d in yaml.safe_load_all(f.read_text())]
    objects = {d["kind"]: d for d in documents}
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    container["resources"]["requests"]["cpu"] = "10m"
    return objects


@pytest.fixture
def manifests(sample: dict[str, dict[str, Any]], tmp_path: Path) -> Path:
    """Give a folder with the sample's manifests at two replicas: enough to compare, and fast."""
    objects = copy.deepcopy(sample)
    objects["Deployment"]["spec"]["replicas"] = 2
    folder = tmp_path / "manifests"
    folder.mkdir()
    for kind, obj in objects.items():
        (folder / f"{kind.lower()}.yml").write_text(yaml.safe_dump(obj, sort_keys=False))
    return folder


@pytest.fixture
def stable(namespace: Namespace, manifests: Path) -> Namespace:
    """Give a namespace in which sampleapp:10 is stable."""
    namespace.canary("apply", str(manifests), "--image", "sampleapp:10")
    return namespace


@pytest.fixture
def configured(namespace: Namespace, manifests: Path) -> Namespace:
    """Give a stable with a ConfigMap whose content differs from the manifests."""
    (manifests / "configmap.yml").write_text(yaml.safe_dump(settings("red")))
    namespace.canary("apply", str(manifests), "--image", "sampleapp:10")
    (manifests / "configmap.yml").write_text(yaml.safe_dump(settings("blue")))
    return namespace
