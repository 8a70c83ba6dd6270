"""A cluster as the e2e tests use it: a kubeconfig, kubectl and the commands of this repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from e2e.forked import run_canary

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
T = TypeVar("T")
Objects = list[dict[str, Any]]
Images = list[str]


def command(name: str) -> str:
    """Return the path of a command from this environment, or from the machine."""
    found = shutil.which(name, path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
    assert found, f"{name} is not installed"
    return found


@dataclass(frozen=True)
class Result:
    """How a command ended.

    Attributes:
        code: exit code.
        out: standard output.
        err: standard error.
    """

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return standard output, parsed."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Namespace:
    """One namespace of the cluster under test.

    Attributes:
        name: of the namespace.
        kubeconfig: path of the kubeconfig.
        folder: working folder of the commands, empty at first.
    """

    name: str
    kubeconfig: Path
    folder: Path

    def environment(self) -> dict[str, str]:
        """Return the environment for commands: this cluster, and no settings of the machine."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CANARY_")}
        own = {"KUBECONFIG": str(self.kubeconfig), "XDG_STATE_HOME": str(self.folder / "state")}
        return kept | own | {"NO_COLOR": "1", "COLUMNS": "160"}

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl in the namespace and return its standard output."""
        done = subprocess.run(
            [command("kubectl"), "--namespace", self.name, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment(),
            cwd=self.folder,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0 or not check, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return an object, or None when there is none."""
        out = self.kubectl("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(out) if out.strip() else None

    def list(self, kind: str, selector: str = "") -> Objects:
        """Return the objects of a kind."""
        items: Objects = json.loads(self.kubectl("get", kind, "-l", selector, "-o", "json"))["items"]
        return items

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects as a person with kubectl does."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `canary` in the namespace, with pipes."""
        return subprocess.Popen(
            [command("canary"), arguments[0], "--namespace", self.name, *arguments[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
            cwd=self.folder,
        )

    def canary(self, *arguments: str, code: int | None = 0, stdin: str | None = None) -> Result:
        """Run `canary` in the namespace to its end; `code` is the exit code it must have (None: any)."""
        line = (arguments[0], "--namespace", self.name, *arguments[1:])
        result = Result(*run_canary(line, self.folder, self.environment(), stdin))
        assert code in (None, result.code), (
            f"canary {' '.join(arguments)}: exit {result.code}, not {code}\n{result.out}{result.err}"
        )
        assert "Traceback" not in result.err, result.err
        return result

    def images(self, deployment: str) -> Images | None:
        """Return the images of a Deployment, None when there is none."""
        found = self.get("deployment", deployment)
        return [c["image"] for c in found["spec"]["template"]["spec"]["containers"]] if found else None

    def pods_of(self, deployment: str) -> Objects:
        """Return the pods that a Deployment owns through its ReplicaSets (not those that its selector matches)."""
        sets = {
            s["metadata"]["uid"]
            for s in self.list("replicasets")
            if any(o["name"] == deployment for o in s["metadata"].get("ownerReferences", []))
        }
        pods = self.list("pods")
        return [p for p in pods if any(o["uid"] in sets for o in p["metadata"].get("ownerReferences", []))]
