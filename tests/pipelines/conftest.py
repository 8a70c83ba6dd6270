"""A localcluster for the pipelines' tests, one for each process of the test run."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.cluster import ROOT, Namespace
from tests.pipelines.workbench import FORTIO, Workbench, localcluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the LOCALCLUSTER_HOME of a running localcluster, which has the image of Fortio."""
    home = tmp_path_factory.mktemp("localcluster")
    try:
        localcluster(home, "up", "--end-with", str(os.getpid()))
        fortio = yaml.safe_load((ROOT / "misc/fortio-deploy.yml").read_text())
        localcluster(home, "build", str(FORTIO), "-t", fortio["spec"]["template"]["spec"]["containers"][0]["image"])
        yield home
    finally:
        localcluster(home, "down")


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Give the folder that an agent keeps between jobs, after a first job has installed the driver's packages.

    All processes of the test run share the packages, because their installation takes long.
    """
    own = tmp_path_factory.mktemp("tools")
    shared = own if worker_id == "master" else tmp_path_factory.getbasetemp().parent / "tools"
    python = Path(sys.executable).resolve().parent  # the agents' own
    offline = {"PYTHONPATH": sysconfig.get_path("purelib"), "PIP_NO_INDEX": "1"}
    environment = os.environ | {"PATH": f"{python}{os.pathsep}{os.environ['PATH']}"} | offline
    with (shared.parent / "tools.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([ROOT / "pipeline/install", shared], env=environment, check=True)
    for place in {own / "canary"} | {own} - {shared}:  # in Azure Pipelines and on GitHub
        place.mkdir(exist_ok=True)
        (place / "venv").symlink_to(shared / "venv")
        shutil.copy(shared / "made-from", place)
    return own


@pytest.fixture
def workbench(cluster: Path, tools: Path, tmp_path: Path) -> Iterator[Workbench]:
    """Give a namespace of the cluster, and everything that a pipeline works with."""
    kubeconfig = Path(localcluster(cluster, "kubeconfig").strip())
    namespace = Namespace(f"pipeline-{uuid.uuid4().hex[:8]}", kubeconfig, tmp_path)
    namespace.kubectl(
        "create",
        "--raw",
        "/api/v1/namespaces",
        "-f",
        "-",
        stdin=f'{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{namespace.name}"}}}}',
    )
    yield Workbench(namespace, tmp_path / "agent", tools, cluster)
    namespace.kubectl("delete", "namespace", namespace.name, "--wait=false")
