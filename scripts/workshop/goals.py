"""What should be true of the cluster at the end of a lesson, each as a sentence: what is right, or what is missing.

A goal is a function of the cluster. The functions here return goals.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scripts.workshop.cluster import APP, IMAGE, VARIANT, Cluster

FEW = 5
"""Requests per second below which hardly any verdict comes."""


@dataclass(frozen=True)
class Finding:
    """What a look at the cluster has found.

    Attributes:
        is_right: whether it is as it should be.
        sentence: what is right, or what is missing.
        advice: what to do about it; empty if nothing is missing.
    """

    is_right: bool
    sentence: str
    advice: str = ""

    @property
    def text(self) -> str:
        """The sentence and the advice."""
        return f"{self.sentence} {self.advice}".strip()


Goal = Callable[[Cluster], Finding]


def right(sentence: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(True, sentence)


def missing(sentence: str, advice: str = "") -> Finding:
    """Return that something is missing, and what to do."""
    return Finding(False, sentence, advice)


def own_namespace(cluster: Cluster) -> Finding:
    """Return whether kubectl and canary work in the workshop's namespace."""
    name = cluster.namespace
    if not cluster.exists():
        create = f"kubectl create namespace {name} --dry-run=client -o yaml | kubectl apply -f -"
        return missing(f"The namespace {name} does not exist.", f"Create it: {create}")
    if cluster.used != name:
        use = f"kubectl config set-context --current --namespace {name}"
        return missing(f"kubectl and canary use the namespace {cluster.used}, not {name}.", f"Change that: {use}")
    return right(f"kubectl and canary use the namespace {name} of your cluster ({cluster.place}).")


def runs(tag: str, how: str) -> Goal:
    """Return the goal that stable runs a version with all its pods; `how` says what leads there."""

    def look(cluster: Cluster) -> Finding:
        stable = cluster.get("deployment", APP)
        if stable is None:
            return missing(f"There is no Deployment {APP}.", how)
        if not is_version(stable, tag):
            return missing(f"Stable runs {image(stable)}, not {IMAGE}:{tag}.", how)
        wanted, status = stable["spec"]["replicas"], stable["status"]
        ready = min(status.get("readyReplicas", 0), status.get("updatedReplicas", 0))
        if ready < wanted:
            return missing(f"Only {ready} of {wanted} pods of stable are ready.", why_not_ready(cluster, "stable"))
        return right(f"Stable runs {IMAGE}:{tag} in {ready} ready pods.")

    return look


def answers(percent: int, variant: str = "", how: str = "") -> Goal:
    """Return the goal that the pods of a variant answer this percentage well; `how` leads there if not a new image."""
    name = variant or "stable"

    def look(cluster: Cluster) -> Finding:
        logs = [cluster.kubectl("logs", pod["metadata"]["name"]) for pod in cluster.pods(variant)]
        shares = sorted({int(share) for log in logs for share in re.findall(r"^app: (\d+) % good", log, re.MULTILINE)})
        if not shares:
            return missing(f"No pod of {name} is ready, so none says which version it is.")
        if shares != [percent]:
            return missing(
                f"The pods of {name} answer {' and '.join(map(str, shares))} % of requests well, not {percent} %.",
                how
                or f"Set success_rate = {percent} in app/app.py, build the image again, then: "
                f"kubectl rollout restart deployment {APP}{variant and '-'}{variant}",
            )
        return right(f"The pods of {name} answer {percent} % of requests well, as their log says.")

    return look


def load_flows(cluster: Cluster) -> Finding:
    """Return whether requests arrive at the Service's pods."""
    if sum(cluster.rates.values()) < FEW:
        return missing("No requests arrive.", "Start the load in the second terminal, as lesson 3 shows.")
    return right("Requests arrive at the pods.")


def no_load(cluster: Cluster) -> Finding:
    """Return whether no requests arrive yet."""
    if sum(cluster.rates.values()):
        return missing("Requests already arrive.", "Press Ctrl-C in the terminal that sends them.")
    return right("No requests arrive yet.")


def load_reaches_canary(cluster: Cluster) -> Finding:
    """Return whether requests also arrive at canary and baseline."""
    silent = [
        variant
        for variant in ("canary", "baseline")
        if not sum(cluster.rates.get(pod["metadata"]["name"], 0) for pod in cluster.pods(variant))
    ]
    if silent:
        start = "Start load that opens a new connection for each request, as lesson 3 shows."
        return missing(f"No requests arrive at {' and '.join(silent)}.", start)
    return right("Requests arrive at canary and baseline too.")


def variants_run(canary: str, baseline: str) -> Goal:
    """Return the goal that canary and baseline run beside stable, with these tags."""

    def look(cluster: Cluster) -> Finding:
        for variant, tag in (("canary", canary), ("baseline", baseline)):
            found = cluster.get("deployment", f"{APP}-{variant}")
            if found is None:
                how = f"Deploy a canary: canary deploy manifests/ --image {IMAGE}:{canary}"
                return missing(f"There is no Deployment {APP}-{variant}.", how)
            if not is_version(found, tag):
                how = f"Reject it, then deploy again: canary reject {APP}"
                return missing(f"The {variant} runs {image(found)}, not {IMAGE}:{tag}.", how)
            if not found["status"].get("readyReplicas"):
                return missing(f"The pod of the {variant} is not ready.", why_not_ready(cluster, variant))
        return right(f"A canary of {IMAGE}:{canary} and a baseline of {IMAGE}:{baseline} run beside stable.")

    return look


def no_variants(cluster: Cluster) -> Finding:
    """Return whether canary and baseline are gone."""
    deployments = cluster.listed("deployments")
    left = [one["metadata"]["name"] for one in deployments if VARIANT in one["metadata"].get("labels", {})]
    if left:
        return missing(f"{' and '.join(left)} still run: the release has not ended.")
    return right("No canary and no baseline are left.")


def verdict_is(decision: str) -> Goal:
    """Return the goal that the last verdict, which the cluster stores, is this one."""

    def look(cluster: Cluster) -> Finding:
        found = cluster.status.get("verdict", "")
        if not found:
            return missing("The canary has no verdict yet.", f"Compare it: canary watch {APP}")
        if found != decision:
            return missing(f"The verdict is {found}, not {decision}.", f"Go on: canary watch {APP}")
        return right(f"The verdict is {found}.")

    return look


def happened(reason: str, words: str, sentence: str, otherwise: str, *, times: int = 1) -> Goal:
    """Return the goal that the driver has left Events with this reason and these words."""

    def look(cluster: Cluster) -> Finding:
        found = [message for message in cluster.events(reason) if words in message]
        return right(sentence) if len(found) >= times else missing(otherwise)

    return look


def why_not_ready(cluster: Cluster, variant: str) -> str:
    """Return what keeps the pods of a variant from being ready, as `canary status` knows it, or how to look."""
    found = (one["reason"] for one in cluster.status.get("variants", []) if one["variant"] == variant)
    return next(found, "") or "If that stays so, look why: canary status"


def image(deployment: dict[str, Any]) -> str:
    """Return the image of a Deployment."""
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def is_version(deployment: dict[str, Any], tag: str) -> bool:
    """Return whether a Deployment runs a version: the image of manifests/, or the same name in $REGISTRY."""
    return image(deployment) == f"{IMAGE}:{tag}" or image(deployment).endswith(f"/{APP}:{tag}")
