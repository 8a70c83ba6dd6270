"""Expressions are evaluated as GitHub documents it, and what is unknown is an error."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipelines.github.expressions import ExpressionError, Scope, Strict

SCOPE = Scope(
    {
        "github": Strict({"run_id": "7", "actor": "root"}),
        "vars": {"USER": "robot", "EMPTY": ""},
        "needs": Strict({"build": Strict({"result": "success", "outputs": {"image": "app@sha256:1"}})}),
    },
    {"always": lambda: True, "success": lambda: False},
)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'it''s'", "it's"),
        ("vars.MISSING || '15m'", "15m"),
        ("vars.USER && 'ghcr'", "ghcr"),
        ("vars.EMPTY && 'ghcr'", ""),
        ("needs.build.result == 'SUCCESS'", True),
        ("needs.build.outputs.image != 'app'", True),
        ("needs['build'].outputs.missing", None),
        ("!vars.EMPTY && (null == 0)", True),
        ("'a' == 0", False),
        ("fromJSON('{\"a\": {\"b\": 1}}').a['b']", 1),
        ("toJSON(vars.USER)", '"robot"'),
        ("true && 1.5", 1.5),
    ],
)
def test_an_expression_has_the_value_that_github_gives_it(expression: str, value: Any) -> None:
    assert SCOPE.evaluate(expression) == value


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("matrix.os", "no context 'matrix'"),
        ("github.sha", "no github.sha"),
        ("needs.deploy.result", "no needs.deploy"),
        ("hashFiles('a')", "unknown function hashFiles()"),
        ("needs.*.result", "unknown sign"),
        ("fromJSON('[1]')[0]", "an item of the list"),
        ("vars.A <= 1", "unexpected '<='"),
        ("vars.A ==", "ends too early"),
        ("(true", "')' expected"),
    ],
)
def test_what_is_unknown_is_an_error(expression: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        SCOPE.evaluate(expression)
    assert reason in str(raised.value)


def test_a_condition_without_a_function_of_the_status_also_needs_success() -> None:
    assert not SCOPE.holds("${{ vars.USER }}")
    assert not SCOPE.holds(None)
    assert SCOPE.holds("always() && vars.USER == 'robot'")


def test_a_text_gets_the_values_of_its_expressions_and_no_expression_from_a_value() -> None:
    assert SCOPE.interpolate("${{ github.actor }}/${{ vars.MISSING }}:${{ github.run_id }}") == "root/:7"
    assert Scope({"vars": {"A": "${{ github.token }}"}}, {}).interpolate("${{ vars.A }}") == "${{ github.token }}"
    with pytest.raises(ExpressionError):
        SCOPE.interpolate("${{ github.actor")
    with pytest.raises(ExpressionError):
        SCOPE.interpolate("${{ vars }}")
