"""Taking fields over from those who wrote them before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.apply.managed_fields import LONGEST_ANNOTATIONS, take_over, with_last_applied
from canary.objects import LAST_APPLIED

Object = dict[str, Any]


def entry(manager: str, operation: str = "Update", *, subresource: str = "", **fields: Any) -> Object:
    made = {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1"}
    return made | {"fieldsV1": {"f:spec": fields}} | ({"subresource": subresource} if subresource else {})


def owned(*entries: Object) -> Object:
    return {"metadata": {"name": "app", "resourceVersion": "7", "managedFields": list(entries)}}


def taken(*entries: Object) -> list[Object]:
    patch = take_over(owned(*entries))
    assert patch is not None
    assert patch[1] == {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    value: list[Object] = patch[0]["value"]
    return value


@pytest.mark.parametrize(
    "manager", ["kubectl-client-side-apply", "kubectl", "kubectl-edit", "kubectl-set", "helm", "Helm", "canary"]
)
def test_what_a_predecessor_wrote_becomes_ours(manager: str) -> None:
    [ours] = taken(entry(manager, a={}))
    assert (ours["manager"], ours["operation"]) == ("canary", "Apply")
    assert ours["fieldsV1"] == {"f:spec": {"a": {}}}


def test_what_was_ours_stays_ours_beside_what_was_taken_over() -> None:
    [ours] = taken(entry("canary", "Apply", a={}, b={"c": {}}), entry("kubectl-edit", b={"d": {}}))
    assert ours["fieldsV1"] == {"f:spec": {"a": {}, "b": {"c": {}, "d": {}}}}


@pytest.mark.parametrize(
    "other",
    [
        entry("kube-controller-manager", subresource="status", a={}),
        entry("kubectl", subresource="scale", a={}),
        entry("kube-controller-manager", a={}),
        entry("keel", a={}),
    ],
)
def test_what_belongs_to_others_is_left_to_them(other: Object) -> None:
    assert take_over(owned(other)) is None
    assert other in taken(entry("kubectl-client-side-apply", b={}), other)


def test_nothing_is_written_where_all_is_ours_already() -> None:
    assert take_over(owned(entry("canary", "Apply", a={}))) is None
    assert take_over({"metadata": {"resourceVersion": "7"}}) is None


FIELDS: st.SearchStrategy[Object] = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', "."]), inner),
    max_leaves=8,
)


def paths(fields: Object) -> set[tuple[str, ...]]:
    return {(key, *rest) for key, value in fields.items() for rest in [(), *paths(value)]}


@given(FIELDS, FIELDS)
def test_no_field_is_lost_and_none_is_won(left: Object, right: Object) -> None:
    [ours] = taken(entry("canary", "Apply", **left), entry("kubectl", **right))
    assert paths(ours["fieldsV1"]["f:spec"]) == paths(left) | paths(right)


def test_last_applied_repeats_the_manifest_but_not_itself() -> None:
    manifest: Object = {"kind": "Service", "metadata": {"name": "app", "annotations": {"a": "b"}}, "spec": {"x": 1}}
    once = with_last_applied(manifest)
    text = once["metadata"]["annotations"][LAST_APPLIED]
    assert json.loads(text) == manifest
    assert with_last_applied(once) == once
    assert LAST_APPLIED not in manifest["metadata"]["annotations"]


@pytest.mark.parametrize(
    "manifest",
    [
        {"kind": "Secret", "metadata": {"name": "app"}, "data": {"password": "aHVudGVyMg=="}},
        {"kind": "ConfigMap", "metadata": {"name": "app"}, "data": {"big": "x" * LONGEST_ANNOTATIONS}},
    ],
)
def test_secrets_and_what_is_too_large_carry_no_last_applied(manifest: Object) -> None:
    assert LAST_APPLIED not in with_last_applied(manifest)["metadata"]["annotations"]
