"""The kubectl commands of the pipelines' canary steps: what other tools do to the same objects.

The order is that of Azure Pipelines' KubernetesManifest@1 task and of GitHub's Azure/k8s-deploy action (whose label is
`workflow/version`), with traffic split by pods: `deploy` reads stable and applies everything in one go; `promote`
applies the manifests and then deletes canary and baseline; `reject` only deletes them.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from e2e.cluster import Namespace

Object = dict[str, Any]
OF_THE_SERVER = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")


@dataclass(frozen=True)
class Task:
    """One of the tools.

    Attributes:
        namespace: where it works.
        objects: the manifests, a Deployment named `sampleapp` among them.
        label: key of the label that marks variants.
    """

    namespace: Namespace
    objects: tuple[Object, ...]
    label: str

    def deploy(self, image: str, replicas: int = 1) -> None:
        """Make canary and, where there is a stable, baseline; other objects are applied as they are."""
        wanted = []
        for obj in self._with_image(image):
            if obj["kind"] != "Deployment":
                wanted.append(obj)
                continue
            wanted.append(self._variant(obj, "canary", replicas))
            live = self.namespace.get("deployment", "sampleapp")
            if live is not None:
                wanted.append(self._variant(_bare(live), "baseline", replicas))
        self.namespace.apply(*wanted)
        for obj in wanted:
            if obj["kind"] == "Deployment":
                self._ready(obj["metadata"]["name"])
                self._remark(obj["metadata"]["name"])

    def promote(self, image: str) -> None:
        """Make stable what the canary was."""
        self.namespace.apply(*self._with_image(image))
        self._ready("sampleapp")
        self._remark("sampleapp")
        self.reject()

    def reject(self) -> None:
        """Delete canary and baseline; one that is not there is no error, as in the tools."""
        for variant in ("canary", "baseline"):
            self.namespace.kubectl("delete", "deployment", f"sampleapp-{variant}", "--ignore-not-found")

    def _with_image(self, image: str) -> list[Object]:
        objects = copy.deepcopy(list(self.objects))
        for obj in objects:
            if obj["kind"] == "Deployment":
                obj["spec"]["template"]["spec"]["containers"][0]["image"] = image
        return objects

    def _variant(self, deployment: Object, variant: str, replicas: int) -> Object:
        made = copy.deepcopy(deployment)
        mark = {self.label: variant}
        made["metadata"]["name"] += f"-{variant}"
        for field in ("labels", "annotations"):
            made["metadata"][field] = (made["metadata"].get(field) or {}) | mark
        made["spec"]["selector"]["matchLabels"] |= mark
        made["spec"]["template"]["metadata"]["labels"] |= mark
        made["spec"]["replicas"] = replicas
        return made

    def _ready(self, name: str) -> None:
        self.namespace.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")

    def _remark(self, name: str) -> None:
        """Say which run made it."""
        self.namespace.kubectl("annotate", "deployment", name, "azure-pipelines/run=7", "--overwrite")
        self.namespace.kubectl("label", "deployment", name, "workflow=release", "--overwrite")


def _bare(live: Object) -> Object:
    """Return a live object without the fields that only the API server sets."""
    metadata = {key: value for key, value in live["metadata"].items() if key not in OF_THE_SERVER}
    return {**{key: value for key, value in live.items() if key != "status"}, "metadata": metadata}
