"""`make lesson`: brings cluster and app to the start of a lesson, wherever they are."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.workshop.cluster import APP, Cluster, WorkshopError, run
from scripts.workshop.page import sections

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripts.workshop.lessons import Lesson, Start

LINE = re.compile(r"^success_rate = .*$", re.MULTILINE)
OWN = re.compile(rf"{APP}(-.*)?|load|fortio-deploy|locust-.*|prometheus")
"""Deployments and pods that the workshop makes."""
TRAFFIC = 3
"""The lesson that starts the load."""
SECONDS = "120s"


@dataclass(frozen=True)
class Workshop:
    """A clone of the repository and a cluster.

    Attributes:
        folder: the repository's top folder.
        cluster: with the namespace of the lessons.
        say: tells a person what is done.
    """

    folder: Path
    cluster: Cluster
    say: Callable[[str], object]

    def prepare(self, lesson: Lesson) -> None:
        """Bring everything to the start of a lesson; raises WorkshopError."""
        start = lesson.start
        self.refuse_others()
        self.set_line(start.rate)
        if not start.load:
            self.stop_load()
        self.clean(everything=not start.stable)
        self.use_namespace(start)
        if start.stable:
            self.deploy(start)
        if start.load:
            self.start_load()
        elif start.stable:
            self.expect_no_load()
        if start.canary:
            self.say(f"deploying {APP}:{start.canary} as a canary")
            run("canary", "deploy", "manifests/", *self.image(start.canary), *self.own(), folder=self.folder)
        if start.verdict:
            self.say("comparing it with the baseline")
            run("canary", "watch", APP, "--max-duration", "5m", *self.own(), folder=self.folder)

    def own(self) -> tuple[str, ...]:
        """Return the option that names the namespace."""
        return ("--namespace", self.cluster.namespace)

    def image(self, tag: str) -> tuple[str, str]:
        """Return the option that names an image, in $REGISTRY if there is one."""
        return ("--image", with_registry(f"{APP}:{tag}"))

    def refuse_others(self) -> None:
        """Raise WorkshopError if the namespace is also used for something else."""
        if not self.cluster.exists():
            return
        names = [one["metadata"]["name"] for one in self.cluster.listed("deployments")]
        if others := [name for name in names if not OWN.fullmatch(name)]:
            raise WorkshopError(
                f"Namespace {self.cluster.namespace} has Deployments that are not the workshop's: {', '.join(others)}. "
                "A lesson deletes what is in its way, so use another namespace: make lesson N=1 NAMESPACE=workshop"
            )

    def set_line(self, rate: int) -> None:
        """Make app/app.py the committed one again, with another line `success_rate`."""
        file = self.folder / "app/app.py"
        text = file.read_text(encoding="utf-8")
        committed = self.committed("app/app.py")
        base = text if committed is None else committed
        if committed is not None and LINE.sub("", text) != LINE.sub("", committed):
            kept = self.folder / ".cache/workshop" / f"app-{time.strftime('%H%M%S')}.py"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(text, encoding="utf-8")
            self.say(f"app/app.py is as committed again; yours is saved to {kept.relative_to(self.folder)}")
        if len(LINE.findall(base)) != 1:
            raise WorkshopError("app/app.py has no line 'success_rate = …'. Restore it: git checkout app/app.py")
        file.write_text(LINE.sub(f"success_rate = {rate}", base), encoding="utf-8")
        self.say(f"app/app.py has the line: success_rate = {rate}")

    def committed(self, path: str) -> str | None:
        """Return a file as it was committed; None without git."""
        if shutil.which("git") is None:
            return None
        done = subprocess.run(
            ["git", "show", f"HEAD:./{path}"], cwd=self.folder, capture_output=True, text=True, check=False
        )
        return None if done.returncode else done.stdout

    def clean(self, *, everything: bool) -> None:
        """Delete what earlier lessons left: at least the Deployments, and what belongs to a release."""
        if not self.cluster.exists():
            return
        kinds = (
            "deployments,configmaps,leases,secrets,services" if everything else "deployments,configmaps,leases,secrets"
        )
        names = self.cluster.kubectl("get", kinds, "-o", "name").split()
        kubernetes, events = "kube-root-ca.crt", self.cluster.kubectl("get", "events", "-o", "name").split()
        doomed = [one for one in names if one.partition("/")[2].startswith(APP) and kubernetes not in one]
        doomed += [one for one in events if one.partition("/")[2].startswith(APP)]
        if doomed:
            self.say(f"deleting what is in namespace {self.cluster.namespace} of earlier lessons")
            self.cluster.kubectl("delete", "--ignore-not-found", *doomed)
        self.cluster.kubectl("wait", "--for=delete", "pods", "-l", f"app={APP}", "--timeout", SECONDS)

    def use_namespace(self, start: Start) -> None:
        """Create the namespace, and let kubectl and canary use it; or delete it."""
        name = self.cluster.namespace
        if not start.namespace:
            if self.cluster.exists() and name != "default":
                run("kubectl", "delete", "namespace", name, "--timeout", SECONDS)
            return
        if not self.cluster.exists():
            made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            run("kubectl", "apply", "-f", "-", stdin=json.dumps(made))
        run("kubectl", "config", "set-context", "--current", "--namespace", name)

    def deploy(self, start: Start) -> None:
        """Build the versions, and deploy stable."""
        for tag in sorted({tag for tag in (start.stable, start.canary) if tag}):
            self.build(tag)
        assert start.stable
        self.say(f"deploying {APP}:{start.stable}")
        run("canary", "apply", "manifests/", *self.image(start.stable), *self.own(), folder=self.folder)

    def build(self, tag: str) -> None:
        """Build a version from app/, with its own line, and bring it to the cluster."""
        if self.cluster.place == "other":
            return  # the facilitator has pushed it
        with tempfile.TemporaryDirectory() as temporary:
            context = Path(temporary, "app")
            shutil.copytree(self.folder / "app", context, ignore=shutil.ignore_patterns("__pycache__"))
            file = context / "app.py"
            file.write_text(LINE.sub(f"success_rate = {tag}", file.read_text(encoding="utf-8")), encoding="utf-8")
            self.say(f"building {APP}:{tag}")
            if self.cluster.place == "localcluster":
                run("localcluster", "build", str(context), "-t", f"{APP}:{tag}")
                return
            flags = shlex.split(os.environ.get("DOCKER_BUILD_FLAGS", ""))
            if base := os.environ.get("BASE_IMAGE"):
                flags += ["--build-arg", f"BASE_IMAGE={base}"]
            run("docker", "build", "--quiet", *flags, "--tag", f"{APP}:{tag}", str(context))
            run("kind", "load", "docker-image", "--name", self.cluster.kind_name, f"{APP}:{tag}")

    def start_load(self) -> None:
        """Start the load of lesson 3 in the background, unless requests arrive already."""
        if sum(self.cluster.measure().values()) > 0:
            return
        self.stop_load()
        command = self.load_command()
        log = self.load_file(".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=self.folder,
                env=os.environ | {"PATH": path()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.load_file(".pid").write_text(str(process.pid))
        self.say(
            f"the load of lesson {TRAFFIC} runs in the background; its output is in {log.relative_to(self.folder)}"
        )
        end = time.monotonic() + 60
        while sum(self.cluster.counted().values()) == 0:
            if process.poll() or time.monotonic() > end:
                raise WorkshopError(f"no requests arrive; the load says:\n{log.read_text()[-2000:]}")
            time.sleep(0.5)

    def stop_load(self) -> None:
        """Stop the load that a lesson has started."""
        file = self.load_file(".pid")
        if file.exists():
            number = file.read_text()
            shown = subprocess.run(
                ["ps", "-o", "args=", "-p", number], capture_output=True, text=True, check=False
            ).stdout
            if "locust" in shown:  # else it has ended by itself, and the number may be another's
                os.killpg(int(number), signal.SIGTERM)
            file.unlink()
        if self.cluster.place != "localcluster" and self.cluster.exists():
            self.cluster.kubectl("delete", "pod", "load", "--ignore-not-found", "--grace-period=1")

    def expect_no_load(self) -> None:
        """Raise WorkshopError if something else sends requests."""
        if sum(self.cluster.measure().values()) > 0:
            raise WorkshopError(
                "Requests still arrive. Press Ctrl-C in the terminal that sends them, then run this again."
            )

    def load_command(self) -> str:
        """Return the block of lesson 3 that starts the load."""
        for section in sections(self.folder / "docs/tutorial.md"):
            for block in section.blocks:
                if "load" in block.words and block.applies(self.place, os.environ):
                    return block.text
        raise WorkshopError("docs/tutorial.md does not say how to start load")

    @property
    def place(self) -> str:
        """The kind of cluster, as blocks name it."""
        return "localcluster" if self.cluster.place == "localcluster" else "kind"

    def load_file(self, ending: str) -> Path:
        """Return the file with the load's output or process id."""
        return self.folder / ".cache/workshop" / f"load-{self.cluster.namespace}{ending}"


def with_registry(image: str) -> str:
    """Return the value of `--image` for an image: from $REGISTRY if that is set."""
    registry = os.environ.get("REGISTRY")
    return f"{APP}={registry}/{image}" if registry else image


def path() -> str:
    """Return a PATH with the commands of this environment."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
