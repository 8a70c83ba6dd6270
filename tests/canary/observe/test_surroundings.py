"""What else in the cluster affects a release is reported before any pod starts, once, with what to do."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from canary.errors import ForbiddenError
from canary.events import Note, Written
from canary.marks import VERSION_LABEL
from canary.objects import Kind
from canary.observe.surroundings import Planned, findings
from canary.variants import derive as variants
from tests.canary.story import Story, deployment, service

Object = dict[str, Any]
LABEL = VERSION_LABEL


def hpa(*metrics: str, target: str = "app") -> Object:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "scaler"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "maxReplicas": 10,
            "metrics": [{"type": one, **METRICS[one]} for one in metrics],
        },
    }


METRICS: dict[str, Object] = {
    "Resource": {"resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
    "External": {"external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "5"}}},
}


def pdb(**selector: Any) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "budget"},
        "spec": {"minAvailable": 3, "selector": selector},
    }


def vpa(mode: str | None, target: str = "app") -> Object:
    policy = {"updatePolicy": {"updateMode": mode}} if mode else {}
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    return {
        "apiVersion": "autoscaling.k8s.io/v1",
        "kind": "VerticalPodAutoscaler",
        "metadata": {"name": "sizer"},
        "spec": {"targetRef": reference, **policy},
    }


def node(name: str, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": spec,
    }


class There:
    """A cluster in which there are these objects."""

    def __init__(self, *objects: Object, forbidden: tuple[str, ...] = ()) -> None:
        self.objects, self.forbidden = objects, forbidden

    def serves(self, kind: Kind) -> bool:
        return True

    def find(self, kind: Kind, *, labels: Any = None) -> list[Object]:
        if kind.kind in self.forbidden:
            raise ForbiddenError(f"list {kind.kind}s: User x cannot list resource {kind.kind.lower()}s")
        return [one for one in self.objects if Kind.of(one) == kind]


def around(*objects: Object, stable: Object | None = None, incoming: Object | None = None, **there: Any) -> list[str]:
    """Return the findings beside a Service that selects the variants."""
    incoming = incoming or deployment("app:2")
    canary = variants.canary(incoming, replicas=1)
    planned = Planned("app", stable or deployment("app:1"), canary, LABEL)
    cluster: Any = There(service(), *objects, **there)
    return [str(one) for one in findings(cluster, planned)]


def test_nothing_is_found_where_there_is_nothing() -> None:
    assert around() == []


def test_an_autoscaler_that_counts_the_variants_pods_is_found() -> None:
    [found] = around(hpa("Resource"))
    assert found.startswith("HorizontalPodAutoscaler scaler counts the variants' pods as stable's")
    assert "minReplicas and maxReplicas" in found
    assert len(around(hpa())) == 1, "without metrics it goes by CPU"


@pytest.mark.parametrize("one", [hpa("External"), hpa("Resource", target="other")])
def test_an_autoscaler_that_counts_none_of_them_is_not(one: Object) -> None:
    assert around(one) == []


def test_a_stable_whose_selector_leaves_the_variants_out_has_no_trouble_with_its_autoscaler() -> None:
    stable = deployment("app:1")
    stable["spec"]["selector"]["matchExpressions"] = [{"key": LABEL, "operator": "DoesNotExist"}]
    assert around(hpa("Resource"), stable=stable) == []


@pytest.mark.parametrize(
    ("selector", "covers"),
    [
        ({"matchLabels": {"app": "app"}}, True),
        ({}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["app", "b"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchLabels": {"app": "other"}}, False),
        ({"matchLabels": {"app": "app"}, "matchExpressions": [{"key": LABEL, "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": LABEL, "operator": "NotIn", "values": ["canary", "baseline"]}]}, False),
        ({"matchLabels": {LABEL: "canary"}}, False),
    ],
)
def test_a_disruption_budget_is_found_where_it_counts_the_variants_as_stable(selector: Object, covers: bool) -> None:
    found = around(pdb(**selector))
    assert len(found) == covers
    assert all(
        "PodDisruptionBudget budget" in one and f"{{key: {LABEL}, operator: DoesNotExist}}" in one for one in found
    )


@pytest.mark.parametrize(("mode", "meets"), [(None, True), ("Recreate", True), ("Off", False), ("Initial", False)])
def test_a_vertical_autoscaler_is_found_where_it_evicts(mode: str | None, meets: bool) -> None:
    assert len(around(vpa(mode))) == meets
    assert around(vpa(mode, target="other")) == []


@pytest.mark.parametrize(
    ("labels", "annotations", "who", "advice"),
    [
        ({}, {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/app"}, "Argo CD", "automatic sync"),
        ({"argocd.argoproj.io/instance": "shop"}, {}, "Argo CD", "automatic sync"),
        ({"kustomize.toolkit.fluxcd.io/name": "shop"}, {}, "Flux's Kustomization shop", "flux suspend kustomization"),
        (
            {"helm.toolkit.fluxcd.io/name": "shop", "app.kubernetes.io/managed-by": "Helm"},
            {"meta.helm.sh/release-name": "shop"},
            "Flux's HelmRelease shop",
            "flux suspend helmrelease shop",
        ),
        (
            {"app.kubernetes.io/managed-by": "Helm"},
            {"meta.helm.sh/release-name": "shop"},
            "Helm (release shop)",
            "values",
        ),
        ({"app.kubernetes.io/managed-by": "Helm"}, {}, "Helm", "values"),
        ({"app.kubernetes.io/instance": "shop", "app.kubernetes.io/managed-by": "kustomize"}, {}, "", ""),
    ],
)
def test_a_tool_that_would_undo_the_promote_is_named(
    labels: dict[str, str], annotations: dict[str, str], who: str, advice: str
) -> None:
    stable = deployment("app:1")
    stable["metadata"] |= {"labels": labels, "annotations": annotations}
    found = around(stable=stable)
    assert len(found) == bool(who)
    assert all(f"app is managed by {who}, whose next" in one and advice in one for one in found)


def test_recreate_is_found_as_the_promote_leaves_the_variants_alone() -> None:
    [found] = around(incoming=deployment("app:2", strategy={"type": "Recreate"}))
    assert "Until then, only the 2 pods of the variants answer requests" in found


def test_a_service_that_asks_for_a_label_that_the_canary_lacks_is_found_with_the_label() -> None:
    old, new = deployment("app:1"), deployment("app:2")
    for one, version in ((old, "1"), (new, "2")):
        one["spec"]["template"]["metadata"]["labels"]["version"] = version
    pinned = service("pinned")
    pinned["spec"]["selector"] = {"app": "app", "version": "1"}
    [found] = around(pinned, stable=old, incoming=new)
    assert "Service pinned selects app's pods, but not the canary's, which do not have version=1" in found


def test_a_canary_that_no_service_selects_is_found_unless_the_manifests_bring_one() -> None:
    canary = variants.canary(deployment("app:2"), replicas=1)
    nobody: Any = There()
    [found] = findings(nobody, Planned("app", None, canary, LABEL))
    assert str(found).startswith("no Service selects the pods of app-canary")
    assert findings(nobody, Planned("app", None, canary, LABEL, (service(),))) == ()


def apart(**more: Any) -> Object:
    term = {"labelSelector": {"matchLabels": {"app": "app"}}, "topologyKey": "kubernetes.io/hostname", **more}
    one = deployment("app:2")
    one["spec"]["template"]["spec"]["affinity"] = {
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    }
    return one


def test_required_anti_affinity_is_found_where_the_variants_find_no_node() -> None:
    nodes = [node(f"node-{n}") for n in range(6)]  # stable's 4 pods, and 1 of each variant
    assert around(*nodes, incoming=apart()) == []
    [found] = around(*nodes[:5], node("drained", unschedulable=True), incoming=apart())
    assert "With the variants there are 6 pods, but 5 places (kubernetes.io/hostname) for them" in found
    assert around(*nodes[:5], incoming=apart(matchLabelKeys=["pod-template-hash"])) == []
    assert around(*nodes[:5], incoming=apart(labelSelector={"matchLabels": {"app": "other"}})) == []


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "VerticalPodAutoscaler", "PodDisruptionBudget", "Service"])
def test_what_may_not_be_listed_is_said_with_the_right_that_is_missing(kind: str) -> None:
    found = around(forbidden=(kind,))
    assert f"whether a {kind}" in found[0]
    assert f"cannot list resource {kind.lower()}s" in found[0]


def test_nodes_that_may_not_be_listed_are_said_where_they_matter() -> None:
    assert around(forbidden=("Node",)) == []
    [found] = around(forbidden=("Node",), incoming=apart())
    assert "cannot list resource nodes" in found


def warnings(story: Story) -> list[str]:
    return [note.text for note in story.heard(Note) if note.warning]


def test_deploy_warns_before_a_pod_starts_and_a_rerun_does_not_again(story: Story) -> None:
    story.stable(service(), deployment("app:1"), hpa("Resource"), pdb(matchLabels={"app": "app"}))
    objects = (service(), deployment("app:2"))

    story.release(*objects).deploy()

    said = warnings(story)
    assert [one.split()[0] for one in said] == ["HorizontalPodAutoscaler", "PodDisruptionBudget"]
    first = next(n for n, event in enumerate(story.events) if isinstance(event, Written))
    assert not any(isinstance(event, Note) and event.warning for event in story.events[first:])
    story.events.clear()
    story.release(*deepcopy(objects)).deploy()
    assert warnings(story) == []


def test_the_manifests_own_service_counts_before_it_is_made(story: Story) -> None:
    story.release(service(), deployment("app:1")).deploy()
    assert warnings(story) == []
