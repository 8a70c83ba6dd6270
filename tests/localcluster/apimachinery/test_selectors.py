"""Label and field selectors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.resources import EVENT, POD, SERVICE
from localcluster.apimachinery.selectors import as_text, field_selector, label_selector, matches

WEB = {"app": "web", "tier": "front", "example.com/size": "3"}


@pytest.mark.parametrize(
    ("selector", "selects"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=front", True),
        ("app = web", True),
        ("app!=web", False),
        ("nope!=web", True),
        ("app in (web, api)", True),
        ("app in (api),tier", False),
        ("app notin (api)", True),
        ("nope notin (api)", True),
        ("app", True),
        ("nope", False),
        ("!nope,app in (web,x),tier!=back", True),
        ("!app", False),
        ("example.com/size=3", True),
        ("example.com/size>2", True),
        ("example.com/size<3", False),
        ("app=", False),
    ],
)
def test_a_label_selector_selects_by_its_requirements(selector: str, selects: bool) -> None:
    assert label_selector(selector)(WEB) is selects


@pytest.mark.parametrize("selector", ["a===b", "a in b", "in (a)", "a in (b", "-a=b", "a b", "a=b=c", ",a"])
def test_an_invalid_label_selector_is_a_bad_request(selector: str) -> None:
    with pytest.raises(ApiError) as refused:
        label_selector(selector)
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("selector", "selects"),
    [
        ("metadata.name=a", True),
        ("metadata.name!=a", False),
        ("status.phase=Running,spec.nodeName=here", True),
        ("status.podIP=", True),
        ("spec.nodeName!=", True),
    ],
)
def test_a_field_selector_selects_by_field_values(selector: str, selects: bool) -> None:
    pod = {"metadata": {"name": "a"}, "spec": {"nodeName": "here"}, "status": {"phase": "Running"}}
    assert field_selector(POD, selector)(pod) is selects


def test_events_are_selected_by_their_involved_object() -> None:
    event = {"metadata": {"name": "e"}, "involvedObject": {"name": "a", "uid": "1"}, "type": "Normal"}
    assert field_selector(EVENT, "involvedObject.name=a,involvedObject.uid=1")(event)
    assert not field_selector(EVENT, "type=Warning")(event)


@pytest.mark.parametrize(
    ("resource", "selector", "message"),
    [
        (SERVICE, "foo=bar", '"foo" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        (POD, "foo=bar", "field label not supported: foo"),
    ],
)
def test_a_field_that_cannot_be_selected_is_a_bad_request(resource: Any, selector: str, message: str) -> None:
    with pytest.raises(ApiError, match=message):
        field_selector(resource, selector)


_keys = st.sampled_from(["app", "tier", "x"])
_values = st.sampled_from(["web", "api", ""])
# Kubernetes refuses In and NotIn without values.
_expressions = st.fixed_dictionaries(
    {
        "key": _keys,
        "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
        "values": st.lists(_values, min_size=1),
    }
)


@given(st.dictionaries(_keys, _values), st.lists(_expressions, max_size=3), st.dictionaries(_keys, _values))
def test_a_selector_object_and_its_text_select_the_same(
    labels: dict[str, str], expressions: list[dict[str, Any]], of_object: dict[str, str]
) -> None:
    selector = {"matchLabels": labels, "matchExpressions": expressions}
    assert matches(selector, of_object) == label_selector(as_text(selector))(of_object)
