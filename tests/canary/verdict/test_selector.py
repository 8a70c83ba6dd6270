"""Selectors of series, as in PromQL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import InputError
from canary.verdict.selector import Matcher, Selector


@pytest.mark.parametrize(
    ("text", "labels", "selected"),
    [
        ("requests_total", {}, True),
        ("requests_total{}", {"any": "thing"}, True),
        ('requests_total{custom_status="good"}', {"custom_status": "good"}, True),
        ('requests_total{custom_status="good"}', {"custom_status": "bad"}, False),
        ('requests_total{custom_status!="bad"}', {}, True),
        ("requests_total{code=~'2..|304'}", {"code": "204"}, True),
        ("requests_total{code=~'2..|304'}", {"code": "2044"}, False),
        ('requests_total{code!~"5.."}', {"code": "503"}, False),
        ('requests_total{code!~"5..", path="/",}', {"code": "200", "path": "/"}, True),
        ('requests_total{code!~"5..", path="/"}', {"code": "200", "path": "/x"}, False),
        (r'requests_total{path="a\"b\\c\n"}', {"path": 'a"b\\c\n'}, True),
        ('requests_total{path="a,b}c"}', {"path": "a,b}c"}, True),
        ('requests_total{missing=""}', {}, True),
    ],
)
def test_a_selector_matches_as_prometheus_would(text: str, labels: dict[str, str], selected: bool) -> None:
    assert Selector.parse(text).matches("requests_total", labels) is selected
    assert not Selector.parse(text).matches("requests", labels)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "9total",
        "a b",
        'a{b="c"',
        'a{b="c"}[5m]',
        "a{b=c}",
        'a{b=="c"}',
        'a{b="c" d="e"}',
        'a{,b="c"}',
        "sum(a)",
    ],
)
def test_an_invalid_selector_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match=r"selector .*: .*(such as|with =, !=, =~ or !~)"):
        Selector.parse(text)


def test_a_broken_regular_expression_is_refused() -> None:
    with pytest.raises(InputError, match=r"'2\(' is not a regular expression"):
        Selector.parse('a{code=~"2("}')


@given(st.lists(st.tuples(st.sampled_from(["=", "!="]), st.text())))
def test_a_selector_reads_back_as_it_was_written(conditions: list[tuple[str, str]]) -> None:
    selector = Selector("a", tuple(Matcher("label", operator, value) for operator, value in conditions))
    assert Selector.parse(str(selector)) == selector
