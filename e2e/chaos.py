"""A localcluster whose API fails on purpose, and a kubectl that retries."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.app_versions import write_version
from e2e.cluster import ROOT, Namespace, command
from e2e.polling import poll
from e2e.traffic import Traffic

RATE = 0.05
RELEASE = (
    "--percentage", "100", "--tolerance", "0.05", "--warm-up", "1s", "--min-duration", "3s", "--interval", "500ms",
    "--gate", "auto",
)  # fmt: skip
VERSIONS = (5, 10, 20)


@dataclass(frozen=True)
class Patient(Namespace):
    """A namespace in which kubectl is retried until it succeeds."""

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl until it succeeds, and return its standard output."""
        refusals: list[str] = []

        def answered() -> list[str] | None:
            try:
                return [super(Patient, self).kubectl(*arguments, stdin=stdin, check=check)]
            except AssertionError as error:
                refusals.append(str(error))
                return None

        (out,) = poll(f"kubectl {' '.join(arguments)}", answered)
        return out


class Home:
    """A home of localclusters with the app's images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"LOCALCLUSTER_HOME": str(folder)}

    def __call__(self, *arguments: str) -> str:
        """Run localcluster and return what it prints."""
        line = [command("localcluster"), *arguments]
        done = subprocess.run(line, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"localcluster {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def build(self) -> None:
        """Build the app's versions."""
        for version in VERSIONS:
            context = write_version(ROOT / "app", self.folder / f"app-{version}", version)
            self("build", str(context), "-t", f"sampleapp:{version}")

    @contextmanager
    def chaotic(self, seed: int, folder: Path, rate: float = RATE) -> Iterator[Patient]:
        """Give a namespace of a cluster with chaos; the cluster goes with the block."""
        name = f"chaos-{seed}"
        chaos = ("--chaos", str(seed), "--chaos-rate", str(rate))
        self("up", "--name", name, "--end-with", str(os.getpid()), *chaos)
        try:
            yield Patient("default", Path(self("kubeconfig", "--name", name).strip()), folder)
        finally:
            self("down", "--name", name)


BETTER, WORSE = (10, 20, 0), (20, 5, 1)


def release(namespace: Patient, manifests: Path, story: tuple[int, int, int]) -> None:
    """Run a release and check the result. The story is stable's version, the canary's version and the exit code."""
    stable, version, code = story
    namespace.canary("apply", str(manifests), "--image", f"sampleapp:{stable}")
    before = namespace.get("deployment", "sampleapp")
    with Traffic(namespace):
        namespace.canary("release", str(manifests), "--image", f"sampleapp:{version}", *RELEASE, code=code)
    after = namespace.get("deployment", "sampleapp")
    assert before is not None
    assert after is not None
    if code:
        assert after["spec"] == before["spec"]
        assert after["metadata"]["generation"] == before["metadata"]["generation"]
    else:
        assert namespace.images("sampleapp") == [f"sampleapp:{version}"]
        assert after["status"]["availableReplicas"] == after["spec"]["replicas"] == before["spec"]["replicas"]
    names = {item["metadata"]["name"] for item in namespace.list("deployments")}
    assert names == {"sampleapp"}
