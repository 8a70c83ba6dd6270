"""What else in the cluster a canary release of a workload has to do with, and what to do about it.

Autoscalers and disruption budgets that count the variants' pods as stable's; tools that would undo a promote; Services
that do not reach the canary; pods that would find no node. Nothing is changed, and what may not be read is said.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from canary.errors import ForbiddenError
from canary.objects import (
    HORIZONTAL_POD_AUTOSCALER,
    NODE,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    VERTICAL_POD_AUTOSCALER,
    Kind,
    Object,
    labels_of,
    pod_labels,
    selects,
)
from canary.ports import Cluster
from canary.variants.sizes import replicas

OF_PODS = ("Resource", "ContainerResource", "Pods")
"""Metrics of a HorizontalPodAutoscaler that are taken from pods; the others do not count any."""


@dataclass(frozen=True)
class Finding:
    """Something that a person should know before a release, or while it lasts.

    Attributes:
        text: what there is, and what it does.
        advice: what to do.
    """

    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.text}: {self.advice}"


@dataclass(frozen=True)
class Planned:
    """A release as it is about to be.

    Attributes:
        name: of the workload.
        stable: as the API server has it, None on a first release.
        canary: its Deployment, made or about to be.
        label: key of the label that marks the variants.
        services: those of the manifests.
    """

    name: str
    stable: Object | None
    canary: Object
    label: str
    services: tuple[Object, ...] = ()


def findings(cluster: Cluster, planned: Planned) -> tuple[Finding, ...]:
    """Return what there is to know of a workload's surroundings.

    Raises:
        ClusterError: the cluster cannot be reached. What it forbids is a finding that names the permission.
    """
    return (
        *_autoscalers(cluster, planned),
        *_vertical_autoscalers(cluster, planned),
        *_disruption_budgets(cluster, planned),
        *_managers(planned),
        *_strategy(planned),
        *_services(cluster, planned),
        *_anti_affinity(cluster, planned),
    )


def _list(cluster: Cluster, kind: Kind, does: str) -> Generator[Finding, None, list[Object]]:
    """Return the objects of a kind, none where the cluster knows no such kind; where they may not be seen, say so."""
    if not cluster.serves(kind):
        return []
    try:
        return cluster.find(kind)
    except ForbiddenError as error:
        yield Finding(
            f"cannot check whether a {kind.kind} {does} ({error})", "check it yourself, or grant that permission"
        )
        return []


def _targets(reference: Object | None, planned: Planned) -> bool:
    wanted = {"kind": "Deployment", "name": planned.name}
    return reference is not None and {key: reference.get(key) for key in wanted} == wanted


def _autoscalers(cluster: Cluster, planned: Planned) -> Iterator[Finding]:
    found = yield from _list(cluster, HORIZONTAL_POD_AUTOSCALER, "scales stable by pods of the variants")
    for one in found:
        metrics = one["spec"].get("metrics") or [{"type": "Resource"}]
        counted = planned.stable and selects(planned.stable["spec"]["selector"], pod_labels(planned.canary))
        of_pods = any(metric.get("type") in OF_PODS for metric in metrics)
        if counted and of_pods and _targets(one["spec"].get("scaleTargetRef"), planned):
            yield Finding(
                f"HorizontalPodAutoscaler {one['metadata']['name']} takes the variants' pods for stable's, as "
                f"{planned.name}'s selector matches them too, and may scale stable further than its own pods ask for",
                "expect it while the release lasts, or set its minReplicas and maxReplicas to the present number until "
                "the release is over",
            )


def _vertical_autoscalers(cluster: Cluster, planned: Planned) -> Iterator[Finding]:
    found = yield from _list(cluster, VERTICAL_POD_AUTOSCALER, "changes the variants' pods")
    for one in found:
        mode = (one["spec"].get("updatePolicy") or {}).get("updateMode") or "Auto"
        if _targets(one["spec"].get("targetRef"), planned) and mode not in ("Off", "Initial"):
            yield Finding(
                f"VerticalPodAutoscaler {one['metadata']['name']} (updateMode {mode}) learns from the variants' pods "
                "as if they were stable's, and may evict pods in the middle of the comparison",
                'set its updatePolicy.updateMode to "Off" or "Initial" until the release is over',
            )


def _disruption_budgets(cluster: Cluster, planned: Planned) -> Iterator[Finding]:
    found = yield from _list(cluster, POD_DISRUPTION_BUDGET, "counts the variants' pods")
    stable = pod_labels(planned.stable) if planned.stable else {}
    for one in found:
        selector = one["spec"].get("selector")
        if planned.stable and selects(selector, stable) and selects(selector, pod_labels(planned.canary)):
            yield Finding(
                f"PodDisruptionBudget {one['metadata']['name']} counts the variants' pods as stable's: while the "
                "release lasts, more of stable's pods may be evicted than it is meant to allow",
                "drain no nodes meanwhile, or let its selector leave the variants out "
                f"(matchExpressions: [{{key: {planned.label}, operator: DoesNotExist}}])",
            )


def _managers(planned: Planned) -> Iterator[Finding]:
    if planned.stable is None:
        return
    metadata = planned.stable["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    marks = labels | annotations
    by, advice, undoes = "", "", "next sync"
    if any(key.startswith("argocd.argoproj.io/") for key in marks):
        by = "Argo CD"
        advice = "pause its automatic sync for the release, and let its source say the new image before it syncs again"
    elif name := labels.get("helm.toolkit.fluxcd.io/name"):
        by = f"Flux's HelmRelease {name}"
        advice = f"flux suspend helmrelease {name}, and resume it once its values say the new image"
    elif name := labels.get("kustomize.toolkit.fluxcd.io/name"):
        by = f"Flux's Kustomization {name}"
        advice = f"flux suspend kustomization {name}, and resume it once its source says the new image"
    elif labels.get("app.kubernetes.io/managed-by") == "Helm" or "meta.helm.sh/release-name" in annotations:
        release = annotations.get("meta.helm.sh/release-name")
        by = f"Helm (release {release})" if release else "Helm"
        undoes = "next upgrade"
        advice = "let the chart's values say the new image before the next helm upgrade"
    if by:
        yield Finding(f"{planned.name} is managed by {by}, whose {undoes} undoes what promote writes", advice)


def _strategy(planned: Planned) -> Iterator[Finding]:
    if planned.stable is not None and (planned.canary["spec"].get("strategy") or {}).get("type") == "Recreate":
        pods = 2 * replicas(planned.canary)
        yield Finding(
            f"{planned.name} has strategy Recreate: promote ends all of stable's pods before it starts new ones, and "
            f"the {pods} pods of the variants answer alone meanwhile",
            "use RollingUpdate if two versions may run side by side, which they do in a canary release anyway; else "
            "promote when little is asked",
        )


def _services(cluster: Cluster, planned: Planned) -> Iterator[Finding]:
    found = yield from _list(cluster, SERVICE, "selects the canary's pods")
    live = {one["metadata"]["name"]: one for one in found}
    every = {one["metadata"]["name"]: one for one in planned.services} | live  # a change is held until promote
    selectors = {name: one["spec"].get("selector") or {} for name, one in every.items()}
    canary = pod_labels(planned.canary)
    stable = pod_labels(planned.stable) if planned.stable else {}
    reached = False
    for name, selector in selectors.items():
        if not selector:
            continue
        if selects({"matchLabels": selector}, canary):
            reached = True
        elif planned.stable and selects({"matchLabels": selector}, stable):
            differ = ", ".join(f"{key}={value}" for key, value in selector.items() if canary.get(key) != value)
            yield Finding(
                f"Service {name} selects {planned.name}'s pods, but not the canary's, which are not {differ}: "
                "so none of its requests reach the canary",
                "let its selector ask only for labels that both versions have",
            )
            reached = True
    if not reached:
        yield Finding(
            f"no Service selects the pods of {planned.canary['metadata']['name']}: no Service sends requests to it",
            "give a Service a selector that both versions' pods match, unless they get their work from elsewhere",
        )


def _anti_affinity(cluster: Cluster, planned: Planned) -> Iterator[Finding]:
    affinity = (planned.canary["spec"]["template"]["spec"].get("affinity") or {}).get("podAntiAffinity") or {}
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or []
    labels = pod_labels(planned.canary)
    # a term that matches by the template's hash or the version keeps pods of one Deployment apart alone
    own = ("pod-template-hash", planned.label)
    apart = [
        term
        for term in terms
        if selects(term.get("labelSelector"), labels) and not set(term.get("matchLabelKeys") or ()) & set(own)
    ]
    if not apart:
        return
    pods = 2 * replicas(planned.canary) + replicas(planned.stable) if planned.stable else replicas(planned.canary)
    nodes = yield from _list(cluster, NODE, "is free for the variants' pods, which required anti-affinity keeps apart")
    for key in dict.fromkeys(term["topologyKey"] for term in apart):
        usable = [node for node in nodes if not (node.get("spec") or {}).get("unschedulable")]
        places = {labels_of(node).get(key) for node in usable} - {None}
        if nodes and pods > len(places):
            yield Finding(
                f"{planned.name} requires anti-affinity between its pods: with the variants they are {pods}, and of "
                f"{key} this cluster has {len(places)}, so that pods stay Pending",
                "prefer it instead (preferredDuringSchedulingIgnoredDuringExecution), make the variants smaller "
                "(--percentage), or add nodes",
            )
