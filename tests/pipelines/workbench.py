"""What a pipeline under test works with: a cluster, checkouts of this repository, images, and an agent's tools.

    workbench.checkout(version)     a folder as an agent's checkout has it, with `success_rate = version` in app/app.py
    workbench.environment()         variables for steps: PATH has python3 and kubectl, but no `canary`; no kubeconfig
    workbench.build(context, name)  what a pipeline's build does on localcluster; a real cluster already has the image
    workbench.namespace             the test's own namespace, with `kubectl`, `get`, `list` and `images(deployment)`
    workbench.deployments()         the images of each Deployment of the app, by name

`pipeline/install` runs for real in the steps, but offline: pip finds the packages of this environment in PYTHONPATH.
The image is docker.io/library/sampleapp, which is what a real cluster calls the image sampleapp.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import yaml

from e2e.app_versions import write_version
from e2e.cluster import ROOT, Namespace, command

REGISTRY, REPOSITORY = "docker.io", "library/sampleapp"
FORTIO = Path(__file__).parent / "fortio"
LINKED = ("pipeline", "requirements")
COPIED = ("canary.yml", "azure-pipelines.yml")


def localcluster(home: Path, *arguments: str) -> str:
    """Return the output of the command `localcluster`."""
    done = subprocess.run(
        [command("localcluster"), *arguments],
        env=os.environ | {"LOCALCLUSTER_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"localcluster {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Workbench:
    """One test's share of a cluster.

    Attributes:
        namespace: the test's own.
        folder: for checkouts and files, empty at first.
        tools: the folder that an agent keeps between jobs; several tests may share it.
        home: LOCALCLUSTER_HOME, None on a real cluster.
        login: kubeconfig that a pipeline logs in with; None for the administrator's.
    """

    namespace: Namespace
    folder: Path
    tools: Path
    home: Path | None
    login: Path | None = None

    def checkout(self, version: int) -> Path:
        """Return a new checkout of the commit that sets the success rate to `version`, at two replicas."""
        place = self.folder / f"checkout-{version}-{len(list(self.folder.glob('checkout-*')))}"
        place.mkdir(parents=True)
        write_version(ROOT / "app", place / "app", version)
        for name in ("manifests", "misc"):
            shutil.copytree(ROOT / name, place / name)
        for name in LINKED:
            (place / name).symlink_to(ROOT / name)
        for name in COPIED:
            if (ROOT / name).exists():
                shutil.copy(ROOT / name, place / name)
        file = place / "manifests" / "deployment.yml"
        deployment = yaml.safe_load(file.read_text())
        deployment["spec"]["replicas"] = 2
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        container["image"] = f"{REGISTRY}/{REPOSITORY}"
        container["resources"]["requests"]["cpu"] = "10m"
        file.write_text(yaml.safe_dump(deployment, sort_keys=False))
        return place

    def copy_pipeline(self, checkout: Path) -> None:
        """Give a checkout its own copy of pipeline/, so that a test can edit it."""
        (checkout / "pipeline").unlink()
        shutil.copytree(ROOT / "pipeline", checkout / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))

    def environment(self) -> dict[str, str]:
        """Return the environment of an agent's processes."""
        tools = self.folder / "bin"
        if not tools.exists():
            tools.mkdir(parents=True)
            (tools / "python3").symlink_to(Path(sys.executable).resolve())
            if self.home is None:
                (tools / "kubectl").symlink_to(command("kubectl"))
            else:
                shim = tools / "kubectl"
                shim.write_text(f'#!/bin/sh\nexec python3 "{Path(__file__).with_name("kubectl.py")}" "$@"\n')
                shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
        return {
            "PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "REAL_KUBECTL": command("kubectl"),
            "PYTHONPATH": sysconfig.get_path("purelib"),
            "PIP_NO_INDEX": "1",  # offline
        }

    def build(self, context: Path, image: str) -> str:
        """Build an image on localcluster, and return its digest.

        A real cluster has it already: `make e2e` loads sampleapp:5, :10 and :20. There the digest is empty.
        """
        return "" if self.home is None else localcluster(self.home, "build", str(context), "-t", image).split()[-1]

    def deployments(self) -> dict[str, str]:
        """Return the images of the app's Deployments, by name."""
        found = self.namespace.list("deployments", "app=sampleapp")
        return {
            one["metadata"]["name"]: " ".join(c["image"] for c in one["spec"]["template"]["spec"]["containers"])
            for one in found
        }


def image(version: int) -> str:
    """Return the full name of the app's image."""
    return f"{REGISTRY}/{REPOSITORY}:{version}"
