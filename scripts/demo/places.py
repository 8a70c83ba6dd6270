"""Where the demo runs: a localcluster of its own, a kind cluster, or the cluster of a kubeconfig's context.

A place builds images, names a kubeconfig, and says where the Service can be reached from here.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from scripts.demo.children import Children, CommandError
from scripts.demo.cluster import delete_namespace, make_namespace

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

NAME = "demo"


class Place(Protocol):
    """Where the demo runs.

    Attributes:
        title: for people.
        namespace: of the release.
        kubeconfig: of the cluster; it is there after `up`.
        rate: requests per second that it can bear beside all the rest on two cores.
    """

    title: str
    namespace: str
    kubeconfig: Path
    rate: float

    def up(self) -> None:
        """Have a cluster."""

    def build(self, contexts: Mapping[str, Path]) -> None:
        """Make an image of each build context, named by its tag, that the cluster can run."""

    def image(self, tag: str) -> str:
        """Return what `canary release --image` is to be given for an image."""

    def address(self) -> str | None:
        """Return the URL under which the Service answers, None while there is none."""

    def keep(self) -> list[str]:
        """Return the lines to type for using the cluster afterwards, and for ending it."""

    def down(self) -> None:
        """Leave nothing behind."""


class Localcluster:
    """The stand-in of this repository: pods are processes of this machine."""

    title = "localcluster, whose pods are processes of this machine"
    namespace = "default"
    rate = 200.0

    def __init__(self, children: Children, home: Path | None = None) -> None:
        """Run it in a folder of its own, for as long as we live, or else where the user has other localclusters."""
        self._children = children
        self._options = ["--end-with", str(os.getpid())] if home else []
        if home:
            children.environment["LOCALCLUSTER_HOME"] = str(home)
        self.kubeconfig = Path()

    def up(self) -> None:
        """Start it, afresh."""
        self._children.run("localcluster", "down", "--name", NAME, quietly=True)
        self._children.run("localcluster", "up", "--name", NAME, *self._options)
        self.kubeconfig = Path(self._children.run("localcluster", "kubeconfig", "--name", NAME, quietly=True).strip())

    def build(self, contexts: Mapping[str, Path]) -> None:
        """Take snapshots of the build contexts."""
        for tag, context in contexts.items():
            self._children.run("localcluster", "build", str(context), "--tag", tag)

    def image(self, tag: str) -> str:
        """Return the tag: images have no other name here."""
        return tag

    def address(self) -> str | None:
        """Return where the Service listens."""
        command = ("localcluster", "status", "--name", NAME, "--output", "json")
        services = json.loads(self._children.run(*command, quietly=True))["services"]
        where = services.get(f"{self.namespace}/sampleapp", {}).get("8080")
        return f"http://{where}/" if where else None

    def keep(self) -> list[str]:
        """Return what to type."""
        return [f"export KUBECONFIG=$(localcluster kubeconfig --name {NAME})", f"localcluster down --name {NAME}"]

    def down(self) -> None:
        """Stop it, and all pods with it."""
        self._children.run("localcluster", "down", "--name", NAME)


class Remote:
    """What kind and other clusters have in common: a namespace, Docker's images, and a way through the API server."""

    title = ""
    namespace = f"canary-demo-{os.getpid()}"
    rate = 60.0  # each request passes kubectl proxy and the API server

    def __init__(self, children: Children, folder: Path) -> None:
        """Keep the kubeconfig in the folder."""
        self._children = children
        self.kubeconfig = folder / "kubeconfig"
        self._proxy: subprocess.Popen[str] | None = None
        self._url = os.environ.get("TARGET")  # an address of your own: a NodePort, a load balancer
        self._made = False

    def _use(self, kubeconfig: str) -> None:
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(kubeconfig)
        make_namespace(self.kubeconfig, self.namespace)
        self._made = True

    def _docker_build(self, tag: str, context: Path) -> None:
        arguments = shlex.split(os.environ.get("DOCKER_BUILD_FLAGS", ""))
        if base := os.environ.get("BASE_IMAGE"):
            arguments += ["--build-arg", f"BASE_IMAGE={base}"]
        self._children.run("docker", "build", "--quiet", *arguments, "--tag", tag, str(context))

    def address(self) -> str | None:
        """Return the Service's URL in the API server, behind a `kubectl proxy` that knows who we are."""
        if self._url is None:
            flags = ("--kubeconfig", str(self.kubeconfig), "--port", "0")
            self._proxy = self._children.start("kubectl", "proxy", *flags, stdout=-1)
            assert self._proxy.stdout
            said = self._proxy.stdout.readline()
            if "Starting to serve on" not in said:
                raise CommandError(f"kubectl proxy did not start: {said.strip() or self._children.log.read_text()}")
            path = f"/api/v1/namespaces/{self.namespace}/services/sampleapp:http/proxy/"
            self._url = f"http://{said.split()[-1]}{path}"
        return self._url

    def keep(self) -> list[str]:
        """Return what to type."""
        return [f"kubectl config set-context --current --namespace {self.namespace}", self._ending()]

    def _ending(self) -> str:
        return f"kubectl delete namespace {self.namespace}"

    def down(self) -> None:
        """Delete the namespace."""
        if self._made:
            delete_namespace(self.kubeconfig, self.namespace)


class Kind(Remote):
    """A kind cluster: the one named by KIND_CLUSTER if there is one, else one of the demo's own."""

    def __init__(self, children: Children, folder: Path) -> None:
        """Use $KIND_CLUSTER, or `canary-demo`."""
        super().__init__(children, folder)
        self._name = os.environ.get("KIND_CLUSTER", "canary-demo")
        self._created = False
        self.title = f"{self._name}, by kind"

    def up(self) -> None:
        """Create the cluster unless it is there; $KIND_NODE_IMAGE and $KIND_CONFIG are passed on to kind."""
        if self._name not in self._children.run("kind", "get", "clusters", quietly=True).split():
            given = {"--image": os.environ.get("KIND_NODE_IMAGE"), "--config": os.environ.get("KIND_CONFIG")}
            flags = [word for flag, value in given.items() if value for word in (flag, value)]
            self._created = True
            self._children.run("kind", "create", "cluster", "--name", self._name, "--wait", "120s", *flags)
        self._use(self._children.run("kind", "get", "kubeconfig", "--name", self._name, quietly=True))

    def build(self, contexts: Mapping[str, Path]) -> None:
        """Build with Docker and load into the node."""
        for tag, context in contexts.items():
            self._docker_build(tag, context)
        self._children.run("kind", "load", "docker-image", "--name", self._name, *contexts)

    def image(self, tag: str) -> str:
        """Return the tag: what is loaded keeps its name."""
        return tag

    def _ending(self) -> str:
        return f"kind delete cluster --name {self._name}" if self._created else super()._ending()

    def down(self) -> None:
        """Delete what the demo made: its cluster, or its namespace in another's."""
        if self._created:
            self._children.run("kind", "delete", "cluster", "--name", self._name)
        else:
            super().down()


class Context(Remote):
    """The cluster of a kubeconfig's context, with images pushed to $REGISTRY."""

    def __init__(self, children: Children, folder: Path, context: str) -> None:
        """Use a context; raises CommandError without a registry that the cluster can pull from."""
        super().__init__(children, folder)
        self._context = context
        self._registry = os.environ.get("REGISTRY", "")
        if not self._registry:
            raise CommandError("CONTEXT needs REGISTRY=…, a registry to push to that the cluster can pull from")
        self.title = f"context {context}"

    def up(self) -> None:
        """Take a copy of what the kubeconfig says of the context."""
        command = ("kubectl", "config", "view", "--minify", "--flatten", "--context", self._context)
        self._use(self._children.run(*command, quietly=True))

    def build(self, contexts: Mapping[str, Path]) -> None:
        """Build with Docker and push."""
        for tag, context in contexts.items():
            self._docker_build(f"{self._registry}/{tag}", context)
            self._children.run("docker", "push", "--quiet", f"{self._registry}/{tag}")

    def image(self, tag: str) -> str:
        """Return a new name for the manifests' image."""
        return f"{tag.partition(':')[0]}={self._registry}/{tag}"
