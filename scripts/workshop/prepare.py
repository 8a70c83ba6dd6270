"""`make lesson`: brings cluster and app to the start of a lesson, wherever they are."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.workshop.cluster import APP, DEFAULT, IMAGE, Cluster, WorkshopError, follow, run
from scripts.workshop.load import BackgroundLoad
from scripts.workshop.page import sections

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripts.workshop.lessons import Lesson, Start

LINE = re.compile(r"^success_rate = .*$", re.MULTILINE)
OWN = re.compile(rf"{APP}(-.*)?|load|fortio-deploy(-.*)?|locust-.*")
"""Deployments and pods that the workshop makes."""
OLD = "10"
"""The version before a promote."""
SECONDS = "120s"
NOT_READY = re.compile(r"[\w-]+: \d+ of \d+ pods ready: .+")
"""What `canary` says when it knows why pods are not ready."""


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
        start, load = lesson.start, BackgroundLoad(self.folder, self.cluster, self.say)
        self.refuse_others()
        if not start.namespace:
            self.refuse_to_delete()
        self.set_line(start.rate)
        if not start.load:
            load.stop()
            self.refuse_load(lesson, load)  # before anything is deleted, which takes long
        self.clean(everything=not start.stable)
        self.use_namespace(start)
        if start.stable:
            self.deploy(start)
        if start.load:
            load.start(self.load_command())
        else:
            self.refuse_load(lesson, load)  # it may have met no pod before
        if start.canary:
            self.say(f"deploying {IMAGE}:{start.canary} as a canary, and waiting for its pods")
            self.canary("deploy", "manifests/", *self.image(start.canary))
        if start.verdict:
            self.say("comparing it with the baseline, which takes at least 10 seconds")
            self.canary("watch", APP, "--max-duration", "5m")

    def canary(self, *arguments: str) -> None:
        """Run `canary` in the namespace, and pass on why pods are not ready; raises WorkshopError."""

        def hear(line: str) -> None:
            if found := NOT_READY.search(line):
                self.say(found[0])

        where = ("--namespace", self.cluster.namespace)
        follow("canary", arguments[0], *where, *arguments[1:], folder=self.folder, hear=hear)

    def image(self, tag: str) -> tuple[str, str]:
        """Return the option that names an image, in $REGISTRY if there is one."""
        return ("--image", with_registry(tag))

    def refuse_load(self, lesson: Lesson, load: BackgroundLoad) -> None:
        """Raise WorkshopError if a lesson needs silence, and somebody sends requests."""
        if lesson.start.stable and self.cluster.exists() and load.flows():
            how = "Press Ctrl-C in the terminal that sends them"
            raise WorkshopError(f"Requests still arrive. {how}, then repeat: make lesson N={lesson.number}")

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

    def refuse_to_delete(self) -> None:
        """Raise WorkshopError if the namespace is not to be deleted: nobody has named it, or others use it."""
        name = self.cluster.namespace
        if not self.cluster.exists() or name == "default":
            return
        if name not in (DEFAULT, os.environ.get("NAMESPACE")):
            raise WorkshopError(
                f"Lesson 1 begins without a namespace, and kubectl uses {name}. If it is yours to delete: "
                f"make lesson N=1 NAMESPACE={name}"
            )
        kinds = run("kubectl", "api-resources", "--namespaced", "--verbs=list,delete", "-o", "name").split()
        found = self.cluster.kubectl("get", ",".join(kinds), "--ignore-not-found", "-o", "name").split()
        if others := [one for one in found if not is_made_here(one)]:
            raise WorkshopError(
                f"Lesson 1 begins without a namespace, and {name} also has what is not the workshop's: "
                f"{', '.join(others[:5])}. Use another namespace: make lesson N=1 NAMESPACE=workshop-2"
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
        doomed = [one for one in names if is_ours(one.partition("/")[2]) and kubernetes not in one]
        doomed += [one for one in events if is_ours(one.partition("/")[2])]
        if doomed:
            self.say(f"deleting what is in namespace {self.cluster.namespace} of earlier lessons")
            self.cluster.kubectl("delete", "--ignore-not-found", *doomed)
            self.say("waiting until their pods have ended")
        self.cluster.kubectl("wait", "--for=delete", "pods", "-l", f"app={APP}", "--timeout", SECONDS)

    def use_namespace(self, start: Start) -> None:
        """Create the namespace, and let kubectl and canary use it; or delete it."""
        name = self.cluster.namespace
        if not start.namespace:
            if self.cluster.exists() and name != "default":
                self.say(f"deleting the namespace {name}")
                run("kubectl", "delete", "namespace", name, "--timeout", SECONDS)
            return
        if not self.cluster.exists():
            made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            run("kubectl", "apply", "-f", "-", stdin=json.dumps(made))
        run("kubectl", "config", "set-context", "--current", "--namespace", name)

    def deploy(self, start: Start) -> None:
        """Build the versions, and deploy stable."""
        assert start.stable
        first = OLD if start.promoted else start.stable
        for tag in sorted({first, start.stable, start.canary or first, *start.builds}):
            self.build(tag)
        self.say(f"deploying {IMAGE}:{first}, and waiting for its pods")
        manifests = (self.configured(), "manifests/service.yml") if start.configured else ("manifests/",)
        self.canary("apply", *manifests, *self.image(first))
        if start.promoted:
            self.say(f"deploying {IMAGE}:{start.stable} as a canary, and promoting it")
            self.canary("deploy", "manifests/", *self.image(start.stable))
            self.canary("promote", "manifests/", *self.image(start.stable), "--unproven")

    def configured(self) -> str:
        """Write manifests whose app takes its success rate from a ConfigMap; return their folder."""
        folder = self.folder / ".cache/configured"
        folder.mkdir(parents=True, exist_ok=True)
        source = [{"configMapRef": {"name": APP}}]
        patch = [{"op": "add", "path": "/spec/template/spec/containers/0/envFrom", "value": source}]
        deployment = str(self.folder / "manifests/deployment.yml")
        local = (
            "kubectl",
            "patch",
            "--local",
            "-f",
            deployment,
            "--type",
            "json",
            "-p",
            json.dumps(patch),
            "-o",
            "yaml",
        )
        (folder / "deployment.yml").write_text(run(*local))
        (folder / "configmap.yml").write_text(
            'apiVersion: v1\ndata:\n  SUCCESS_RATE: "20"\nkind: ConfigMap\nmetadata:\n  name: sampleapp\n'
        )
        return ".cache/configured/"

    def build(self, tag: str) -> None:
        """Build a version from app/, with its own line, and bring it to the cluster."""
        if self.cluster.place == "other":
            return  # the facilitator has pushed it
        with tempfile.TemporaryDirectory() as temporary:
            context = Path(temporary, "app")
            shutil.copytree(self.folder / "app", context, ignore=shutil.ignore_patterns("__pycache__"))
            file = context / "app.py"
            file.write_text(LINE.sub(f"success_rate = {tag}", file.read_text(encoding="utf-8")), encoding="utf-8")
            self.say(f"building {IMAGE}:{tag}")
            if self.cluster.place == "localcluster":
                run("localcluster", "build", str(context), "-t", f"{IMAGE}:{tag}")
                return
            flags = shlex.split(os.environ.get("DOCKER_BUILD_FLAGS", ""))
            if base := os.environ.get("BASE_IMAGE"):
                flags += ["--build-arg", f"BASE_IMAGE={base}"]
            run("docker", "build", "--quiet", *flags, "--tag", f"{IMAGE}:{tag}", str(context))
            run("kind", "load", "docker-image", "--name", self.cluster.kind_name, f"{IMAGE}:{tag}")

    def load_command(self) -> str:
        """Return the block of lesson 3 that starts the load."""
        for section in sections(self.folder / "docs/tutorial.md"):
            for block in section.blocks:
                if "load" in block.words and block.applies(self.cluster.place_on_page, os.environ):
                    return block.text
        raise WorkshopError("docs/tutorial.md does not say how to start load")


def is_made_here(listed: str) -> bool:
    """Return whether an object, as `kubectl get -o name` lists it, is the workshop's or in every namespace."""
    kind, _, name = listed.partition("/")
    in_every_namespace = listed in ("configmap/kube-root-ca.crt", "serviceaccount/default")
    return in_every_namespace or kind.startswith("event") or is_ours(name) or OWN.fullmatch(name) is not None


def is_ours(name: str) -> bool:
    """Return whether an object is the app's or belongs to it, by its name; an Event's has a dot after the object's."""
    return name == APP or name.startswith((f"{APP}-", f"{APP}."))


def with_registry(tag: str) -> str:
    """Return the value of `--image` for a version: from $REGISTRY if that is set."""
    registry = os.environ.get("REGISTRY")
    return f"{IMAGE}={registry}/{APP}:{tag}" if registry else f"{IMAGE}:{tag}"
