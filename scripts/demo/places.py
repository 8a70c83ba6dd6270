"""Where the demo runs: a new localcluster, a kind cluster, or the cluster of a kubeconfig context.

A place builds images, has a kubeconfig, and knows the URL at which this machine reaches the Service.
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
        title: shown on the screen.
        namespace: of the release.
        kubeconfig: of the cluster; exists after `up`.
        rate: requests per second that two cores can handle in addition to everything else.
    """

    title: str
    namespace: str
    kubeconfig: Path
    rate: float

    def up(self) -> None:
        """Start the cluster, or connect to it."""

    def build(self, contexts: Mapping[str, Path]) -> None:
        """Build an image from each build context, by tag, and bring it to the cluster."""

    def image(self, tag: str) -> str:
        """Return the value of `canary release --image` for an image."""

    def address(self) -> str | None:
        """Return the URL of the Service, or None while it has none."""

    def keep(self) -> list[str]:
        """Return two commands: one to use the cluster afterwards, and one to delete it."""

    def down(self) -> None:
        """Delete everything that the demo made."""


class Localcluster:
    """This repository's stand-in for Kubernetes: pods are processes on this machine."""

    title = "localcluster (its pods are processes on this machine)"
    namespace = "default"
    rate = 200.0

    def __init__(self, children: Children, home: Path | None = None) -> None:
        """Keep it in the folder `home` until this process ends, or without one where the user's localclusters are."""
        self._children = children
        self._options = ["--end-with", str(os.getpid())] if home else []
        if home:
            children.environment["LOCALCLUSTER_HOME"] = str(home)
        self.kubeconfig = Path()

    def up(self) -> None:
        """Start it, empty."""
        self._children.run("localcluster", "down", "--name", NAME, quietly=True)
        self._children.run("localcluster", "up", "--name", NAME, *self._options)
        self.kubeconfig = Path(self._children.run("localcluster", "kubeconfig", "--name", NAME, quietly=True).strip())

    def build(self, contexts: Mapping[str, Path]) -> None:
        """Build the images."""
        for tag, context in contexts.items():
            self._children.run("localcluster", "build", str(context), "--tag", tag)

    def image(self, tag: str) -> str:
        """Return the tag, which is the image's name here."""
        return tag

    def address(self) -> str | None:
        """Return the URL at which the Service listens."""
        command = ("localcluster", "status", "--name", NAME, "--output", "json")
        services = json.loads(self._children.run(*command, quietly=True))["services"]
        where = services.get(f"{self.namespace}/sampleapp", {}).get("8080")
        return f"http://{where}/" if where else None

    def keep(self) -> list[str]:
        """Return the two commands."""
        return [f"export KUBECONFIG=$(localcluster kubeconfig --name {NAME})", f"localcluster down --name {NAME}"]

    def down(self) -> None:
        """Stop it, with all its pods."""
        self._children.run("localcluster", "down", "--name", NAME)


class Remote:
    """What kind and other clusters share: a namespace, images built by Docker, and requests through the API server."""

    title = ""
    namespace = f"canary-demo-{os.getpid()}"
    rate = 60.0  # each request goes through kubectl proxy and the API server

    def __init__(self, children: Children, folder: Path) -> None:
        """Keep the kubeconfig in the folder."""
        self._children = children
        self.kubeconfig = folder / "kubeconfig"
        self._proxy: subprocess.Popen[str] | None = None
        self._url = os.environ.get("TARGET")  # an address that reaches the Service: a NodePort, a load balancer
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
        """Return the Service's URL in the API server, through a `kubectl proxy` that adds the credentials."""
        if self._url is None:
            flags = ("--kubeconfig", str(self.kubeconfig), "--port", "0")
            self._proxy = self._children.start("kubectl", "proxy", *flags, stdout=-1)
            assert self._proxy.stdout
            line = self._proxy.stdout.readline()
            if "Starting to serve on" not in line:
                raise CommandError(f"kubectl proxy did not start: {line.strip() or self._children.log.read_text()}")
            path = f"/api/v1/namespaces/{self.namespace}/services/sampleapp:http/proxy/"
            self._url = f"http://{line.split()[-1]}{path}"
        return self._url

    def keep(self) -> list[str]:
        """Return the two commands."""
        return [f"kubectl config set-context --current --namespace {self.namespace}", self._ending()]

    def _ending(self) -> str:
        return f"kubectl delete namespace {self.namespace}"

    def down(self) -> None:
        """Delete the namespace."""
        if self._made:
            delete_namespace(self.kubeconfig, self.namespace)


class Kind(Remote):
    """The kind cluster that KIND_CLUSTER names, or a new one."""

    def __init__(self, children: Children, folder: Path) -> None:
        """Use $KIND_CLUSTER, or `canary-demo`."""
        super().__init__(children, folder)
        self._name = os.environ.get("KIND_CLUSTER", "canary-demo")
        self._created = False
        self.title = f"kind ({self._name})"

    def up(self) -> None:
        """Create the cluster unless it exists; $KIND_NODE_IMAGE and $KIND_CONFIG are passed to kind."""
        if self._name not in self._children.run("kind", "get", "clusters", quietly=True).split():
            given = {"--image": os.environ.get("KIND_NODE_IMAGE"), "--config": os.environ.get("KIND_CONFIG")}
            flags = [word for flag, value in given.items() if value for word in (flag, value)]
            self._created = True
            self._children.run("kind", "create", "cluster", "--name", self._name, "--wait", "120s", *flags)
        self._use(self._children.run("kind", "get", "kubeconfig", "--name", self._name, quietly=True))

    def build(self, contexts: Mapping[str, Path]) -> None:
        """Build with Docker and load the images into the node."""
        for tag, context in contexts.items():
            self._docker_build(tag, context)
        self._children.run("kind", "load", "docker-image", "--name", self._name, *contexts)

    def image(self, tag: str) -> str:
        """Return the tag, which a loaded image keeps."""
        return tag

    def _ending(self) -> str:
        return f"kind delete cluster --name {self._name}" if self._created else super()._ending()

    def down(self) -> None:
        """Delete what the demo made: the cluster, or only its namespace in a cluster that existed."""
        if self._created:
            self._children.run("kind", "delete", "cluster", "--name", self._name)
        else:
            super().down()


class Context(Remote):
    """The cluster of a kubeconfig context, with images pushed to $REGISTRY."""

    def __init__(self, children: Children, folder: Path, context: str) -> None:
        """Use a context; raises CommandError if $REGISTRY is not set."""
        super().__init__(children, folder)
        self._context = context
        self._registry = os.environ.get("REGISTRY", "")
        if not self._registry:
            raise CommandError("CONTEXT needs REGISTRY, which this machine can push to and the cluster can pull from")
        self.title = f"context {context}"

    def up(self) -> None:
        """Copy the context from the kubeconfig."""
        command = ("kubectl", "config", "view", "--minify", "--flatten", "--context", self._context)
        self._use(self._children.run(*command, quietly=True))

    def build(self, contexts: Mapping[str, Path]) -> None:
        """Build with Docker and push."""
        for tag, context in contexts.items():
            self._docker_build(f"{self._registry}/{tag}", context)
            self._children.run("docker", "push", "--quiet", f"{self._registry}/{tag}")

    def image(self, tag: str) -> str:
        """Return the replacement of the manifests' image."""
        return f"{tag.partition(':')[0]}={self._registry}/{tag}"
