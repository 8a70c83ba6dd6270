"""How canary and baseline are made of a Deployment."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import InputError
from canary.marks import VERSION_LABEL, Variant, variant_name
from canary.variants.derive import baseline, canary, stable, template_differences
from canary.variants.sizes import variant_replicas

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def deployment(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "sampleapp", "namespace": "lab", "labels": {"app": "sampleapp"}},
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "sampleapp"}},
            "template": {
                "metadata": {"labels": {"app": "sampleapp"}, "annotations": {"team": "a"}},
                "spec": {
                    "containers": [{"name": "app", "image": "sampleapp:10", "env": [{"name": "A", "value": "1"}]}]
                },
            },
        }
        | spec,
    }


def live() -> dict[str, Any]:
    """Return a stable Deployment as an API server has it that Helm, Argo CD and Flux know, too."""
    found = deployment(paused=True, progressDeadlineSeconds=600)
    found["metadata"] |= {
        "uid": "1",
        "resourceVersion": "2",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": "kubectl"}],
        "ownerReferences": [{"kind": "App"}],
        "selfLink": "/x",
        "labels": {
            "app": "sampleapp",
            "app.kubernetes.io/managed-by": "Helm",
            "kustomize.toolkit.fluxcd.io/name": "apps",
            "helm.toolkit.fluxcd.io/name": "apps",
        },
        "annotations": {
            "team": "a",
            LAST_APPLIED: "{}",
            "deployment.kubernetes.io/revision": "7",
            "meta.helm.sh/release-name": "apps",
            "argocd.argoproj.io/tracking-id": "apps:apps/Deployment:lab/sampleapp",
            "kustomize.toolkit.fluxcd.io/checksum": "1",
            "canary-lab/digest": "sha256:1",
        },
    }
    return found | {"status": {"replicas": 4}}


def as_the_task_makes_it(source: dict[str, Any], variant: str, replicas: int) -> dict[str, Any]:
    """Return what the KubernetesManifest task's canary strategy makes, written down from its documentation."""
    made = copy.deepcopy(source)
    mark = {"azure-pipelines/version": variant}
    made["metadata"]["name"] += f"-{variant}"
    made["metadata"].setdefault("labels", {}).update(mark)
    made["metadata"].setdefault("annotations", {}).update(mark)
    made["spec"]["selector"]["matchLabels"].update(mark)
    made["spec"]["template"]["metadata"]["labels"].update(mark)
    made["spec"]["replicas"] = replicas
    return made


def test_variants_are_the_same_objects_as_those_of_the_task() -> None:
    assert canary(deployment(), replicas=2) == as_the_task_makes_it(deployment(), "canary", 2)
    assert baseline(deployment(), replicas=2) == as_the_task_makes_it(deployment(), "baseline", 2)


def test_the_source_is_not_changed() -> None:
    source, before = live(), live()
    made = baseline(source, replicas=1)
    made["spec"]["template"]["spec"]["containers"][0]["env"].clear()
    made["metadata"]["labels"].clear()
    assert source == before


def test_marks_of_other_tools_are_not_copied() -> None:
    for made, variant in ((baseline(live(), replicas=1), "baseline"), (canary(live(), replicas=1), "canary")):
        assert made["metadata"] == {
            "name": f"sampleapp-{variant}",
            "namespace": "lab",
            "labels": {"app": "sampleapp", VERSION_LABEL: variant},
            "annotations": {"team": "a", VERSION_LABEL: variant},
        }
        assert set(made) == {"apiVersion", "kind", "metadata", "spec"}
        assert "paused" not in made["spec"]
        assert made["spec"]["progressDeadlineSeconds"] == 600


def test_the_version_label_can_be_changed() -> None:
    made = canary(deployment(), replicas=1, label="workflow/version")
    assert made["metadata"]["labels"] == {"app": "sampleapp", "workflow/version": "canary"}
    assert made["spec"]["selector"]["matchLabels"] == {"app": "sampleapp", "workflow/version": "canary"}
    assert made["spec"]["template"]["metadata"]["labels"] == {"app": "sampleapp", "workflow/version": "canary"}


def test_expressions_of_a_selector_are_kept() -> None:
    expressions = [{"key": "tier", "operator": "In", "values": ["web"]}]
    made = canary(deployment(selector={"matchExpressions": expressions}), replicas=1)
    assert made["spec"]["selector"] == {"matchExpressions": expressions, "matchLabels": {VERSION_LABEL: "canary"}}


def test_names_end_with_the_variant() -> None:
    assert [variant_name("sampleapp", variant) for variant in Variant] == [
        "sampleapp",
        "sampleapp-baseline",
        "sampleapp-canary",
    ]


@pytest.mark.parametrize("make", [canary, baseline])
def test_a_name_too_long_for_the_variants_is_refused(make: Any) -> None:
    def made(name: str) -> None:
        source = deployment()
        make({**source, "metadata": source["metadata"] | {"name": name}}, replicas=1)

    made("a" * 54)
    with pytest.raises(InputError) as error:
        made("a" * 55)
    assert str(error.value) == (
        f"Deployment {'a' * 55}: the name of its baseline would have 64 characters (the limit is 63): "
        "give the Deployment a name of at most 54"
    )


@pytest.mark.parametrize(
    ("replicas", "percentage", "pods"),
    [
        (4, 25, 1),
        (4, 37, 1),
        (4, 38, 2),
        (2, 25, 1),
        (10, 25, 3),
        (6, 25, 2),
        (1, 1, 1),
        (0, 100, 1),
        (3, 100, 3),
        (5, 50, 3),
    ],
)
def test_variants_are_a_percentage_of_stable_rounded_half_up(replicas: int, percentage: int, pods: int) -> None:
    assert variant_replicas(replicas, percentage) == pods


@given(st.integers(0, 10_000), st.integers(1, 100))
def test_variants_have_at_least_one_pod_and_at_most_as_many_as_stable(replicas: int, percentage: int) -> None:
    pods = variant_replicas(replicas, percentage)
    assert 1 <= pods <= max(1, replicas)
    assert pods == max(1, math.floor(replicas * percentage / 100 + 0.5))


@given(st.integers(0, 1000), st.integers(1, 99))
def test_a_higher_percentage_never_makes_fewer_pods(replicas: int, percentage: int) -> None:
    assert variant_replicas(replicas, percentage) <= variant_replicas(replicas, percentage + 1)


def test_stable_is_the_manifest_without_fields_of_the_api_server() -> None:
    incoming = live()
    made = stable(incoming, replicas=7)
    assert set(made) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(made["metadata"]) == {"name", "namespace", "labels", "annotations"}
    assert made["metadata"]["labels"] == incoming["metadata"]["labels"]
    assert LAST_APPLIED not in made["metadata"]["annotations"]
    assert made["metadata"]["annotations"]["meta.helm.sh/release-name"] == "apps"
    assert made["spec"] == incoming["spec"] | {"replicas": 7}
    assert stable(deployment(), replicas=None)["spec"]["replicas"] == 4


def test_stable_and_its_canary_differ_only_in_marks() -> None:
    assert template_differences(deployment(), canary(deployment(), replicas=1)) == ()
    other = canary(deployment(), replicas=1, label="workflow/version")
    assert template_differences(deployment(), other) == ()
    assert template_differences(deployment(), other, label="team/version") == ("metadata.labels.workflow/version",)
    assert template_differences(deployment(), other, label="workflow/version") == ()


def test_differences_of_templates_are_named_by_their_path() -> None:
    left, right = deployment(), deployment()
    container = right["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "sampleapp:20"
    container["env"].append({"name": "B", "value": "2"})
    right["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    right["spec"]["template"]["metadata"]["annotations"]["team"] = "b"
    assert template_differences(left, right) == (
        "metadata.annotations.team",
        "spec.containers[app].image",
        "spec.containers[app].env",
        "spec.restartPolicy",
    )


json_values = st.recursive(  # without null, which is the same to Kubernetes as a field that is not there
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(json_values, json_values)
def test_templates_have_no_differences_if_and_only_if_they_are_equal(left: Any, right: Any) -> None:
    def of(value: Any) -> dict[str, Any]:
        made = deployment()
        made["spec"]["template"]["spec"]["x"] = value
        return made

    assert template_differences(of(left), of(left)) == ()
    assert (template_differences(of(left), of(right)) == ()) == (left == right)
