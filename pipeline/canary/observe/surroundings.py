"""Finds what else in the cluster affects a canary release of a workload, and says what to do about it.

Autoscalers and disruption budgets that count the variants' pods as stable's; tools that would undo a promote; Services
that do not reach the canary; pods that would not fit on any node. Nothing is changed. What this account may not read is
a finding, too.
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
from canary.plurals import counted
from canary.ports import Cluster
from canary.variants.sizes import replicas

OF_PODS = ("Resource", "ContainerResource", "Pods")
"""Types of metrics for which a HorizontalPodAutoscaler looks at pods."""


@dataclass(frozen=True)
class Finding:
    """Something that a person should know before a release, or while it lasts.

    Attributes:
        text: what was found, and what it does.
        advice: what to do.
    """

    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.text}: {self.advice}"


@dataclass(frozen=True)
class Planned:
    """A release before it starts.

    Attributes:
        name: of the workload.
        stable: as the API server has it, None on a first release.
        canary: its Deployment, whether it exists already or not.
        label: key of the label that marks the variants.
        services: those of the manifests.
    """

    name: str
    stable: Object | None
    canary: Object
    label: str
    services: tuple[Object, ...] = ()


def findings(cluster: Cluster, planned: Planned) -> tuple[Finding, ...]:
    """Return what a person should know about the surroundings of a workload.

    Raises:
        ClusterError: the cluster is unreachable. A missing permission is a finding instead.
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
    """Return the objects of a kind, none if the cluster does not serve it. Yield a finding if they may not be read."""
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
        is_counted = planned.stable and selects(planned.stable["spec"]["selector"], pod_labels(planned.canary))
        of_pods = any(metric.get("type") in OF_PODS for metric in metrics)
        if is_counted and of_pods and _targets(one["spec"].get("scaleTargetRef"), planned):
            yield Finding(
                f"HorizontalPodAutoscaler {one['metadata']['name']} counts the variants' pods as stable's, because "
                f"{planned.name}'s selector matches them too. So it may scale stable more than stable's own pods need",
                "accept that during the release, or set its minReplicas and maxReplicas to the current number of pods "
                "until the release is over",
            )


def _vertical_autoscalers(cluster: Cluster, planned: Planned) -> Iterator[Finding]:
    found = yield from _list(cluster, VERTICAL_POD_AUTOSCALER, "changes the variants' pods")
    for one in found:
        mode = (one["spec"].get("updatePolicy") or {}).get("updateMode") or "Auto"
        if _targets(one["spec"].get("targetRef"), planned) and mode not in ("Off", "Initial"):
            yield Finding(
                f"VerticalPodAutoscaler {one['metadata']['name']} (updateMode {mode}) learns from the variants' pods "
                "as if they were stable's, and may evict pods during the comparison",
                'set its updatePolicy.updateMode to "Off" or "Initial" until the release is over',
            )


def _disruption_budgets(cluster: Cluster, planned: Planned) -> Iterator[Finding]:
    found = yield from _list(cluster, POD_DISRUPTION_BUDGET, "counts the variants' pods")
    stable = pod_labels(planned.stable) if planned.stable else {}
    for one in found:
        selector = one["spec"].get("selector")
        if planned.stable and selects(selector, stable) and selects(selector, pod_labels(planned.canary)):
            yield Finding(
                f"PodDisruptionBudget {one['metadata']['name']} counts the variants' pods as stable's. So it "
                "allows more evictions of stable's pods than intended, as long as the release lasts",
                "drain no nodes during the release, or exclude the variants in its selector "
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
        advice = (
            "pause its automatic sync during the release, and put the new image into its source before it syncs again"
        )
    elif name := labels.get("helm.toolkit.fluxcd.io/name"):
        by = f"Flux's HelmRelease {name}"
        advice = f"flux suspend helmrelease {name}, and resume it when its values have the new image"
    elif name := labels.get("kustomize.toolkit.fluxcd.io/name"):
        by = f"Flux's Kustomization {name}"
        advice = f"flux suspend kustomization {name}, and resume it when its source has the new image"
    elif labels.get("app.kubernetes.io/managed-by") == "Helm" or "meta.helm.sh/release-name" in annotations:
        release = annotations.get("meta.helm.sh/release-name")
        by = f"Helm (release {release})" if release else "Helm"
        undoes = "next upgrade"
        advice = "put the new image into the chart's values before the next helm upgrade"
    if by:
        yield Finding(f"{planned.name} is managed by {by}, whose {undoes} undoes what promote writes", advice)


def _strategy(planned: Planned) -> Iterator[Finding]:
    if planned.stable is not None and (planned.canary["spec"].get("strategy") or {}).get("type") == "Recreate":
        pods = 2 * replicas(planned.canary)
        yield Finding(
            f"{planned.name} has strategy Recreate. So promote stops all of stable's pods before it starts new ones. "
            f"Until then, only the {pods} pods of the variants answer requests",
            "use RollingUpdate (two versions run at the same time in a canary release anyway), or promote at a time "
            "with few requests",
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
                f"Service {name} selects {planned.name}'s pods, but not the canary's, which do not have {differ}. "
                "So none of its requests reach the canary",
                "use only labels in its selector that both versions have",
            )
            reached = True
    if not reached:
        yield Finding(
            f"no Service selects the pods of {planned.canary['metadata']['name']}, so it gets no requests through one",
            "give a Service a selector that matches the pods of both versions, unless they get their work elsewhere",
        )


def _anti_affinity(cluster: Cluster, planned: Planned) -> Iterator[Finding]:
    affinity = (planned.canary["spec"]["template"]["spec"].get("affinity") or {}).get("podAntiAffinity") or {}
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or []
    labels = pod_labels(planned.canary)
    # a term that matches by the template's hash or the version applies only to pods of the same Deployment
    own = ("pod-template-hash", planned.label)
    apart = [
        term
        for term in terms
        if selects(term.get("labelSelector"), labels) and not set(term.get("matchLabelKeys") or ()) & set(own)
    ]
    if not apart:
        return
    pods = 2 * replicas(planned.canary) + replicas(planned.stable) if planned.stable else replicas(planned.canary)
    nodes = yield from _list(cluster, NODE, "is free for each of the variants' pods, which have required anti-affinity")
    for key in dict.fromkeys(term["topologyKey"] for term in apart):
        usable = [node for node in nodes if not (node.get("spec") or {}).get("unschedulable")]
        places = {labels_of(node).get(key) for node in usable} - {None}
        if nodes and pods > len(places):
            yield Finding(
                f"{planned.name} requires anti-affinity between its pods. With the variants there are {pods} pods, but "
                f"{counted(len(places), 'place')} ({key}) for them, so some pods stay Pending",
                "make the anti-affinity a preference (preferredDuringSchedulingIgnoredDuringExecution), choose a "
                "smaller --percentage, or add nodes",
            )
