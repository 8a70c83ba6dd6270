"""Answers that refuse a request, as errors for a person."""

from __future__ import annotations

import json

import pytest

from canary.errors import ClusterError, ForbiddenError, InputError
from canary.kube.transport import Answer, refusal


def status(code: int, message: str, **details: object) -> Answer:
    return Answer(code, json.dumps({"kind": "Status", "message": message, "details": details}).encode())


def test_every_invalid_field_is_in_the_message() -> None:
    causes = [{"field": "spec.a", "message": "Required"}, {"field": "spec.b", "message": "Too long"}]
    error = refusal(status(422, "invalid", causes=causes), "create Thing x")
    assert isinstance(error, InputError)
    assert str(error) == "create Thing x: spec.a: Required; spec.b: Too long"


@pytest.mark.parametrize("words", ["failed to create typed patch object (x)", 'duplicate entries for key [name="A"]'])
def test_a_server_error_about_bad_input_is_an_input_error(words: str) -> None:
    assert isinstance(refusal(status(500, words), "apply Deployment app"), InputError)


def test_other_server_errors_are_cluster_errors() -> None:
    error = refusal(Answer(500, b"<html>oops</html>"), "apply Deployment app")
    assert isinstance(error, ClusterError)
    assert "answered 500: <html>oops" in str(error)


@pytest.mark.parametrize(
    ("user", "request_", "right"),
    [
        ("x", 'patch resource "deployments" in API group "apps" in the namespace "shop"', "patch deployments.apps"),
        ("a:b", 'create resource "secrets" in API group "" in the namespace "shop"', "create secrets"),
        ("x", 'patch resource "deployments/scale" in API group "apps"', "patch deployments/scale.apps"),
        ("system:anonymous", 'get path "/api"', "get /api"),
    ],
)
def test_a_missing_right_is_reported_in_the_words_of_the_server(user: str, request_: str, right: str) -> None:
    words = f'it is forbidden: User "{user}" cannot {request_}'
    error = refusal(status(403, words), "create Deployment app-canary")
    assert isinstance(error, ForbiddenError)
    assert error.right == right
    assert error.exit_code == 3
    assert str(error) == f"create Deployment app-canary: {words}"


def test_a_refusal_by_admission_is_not_a_missing_right() -> None:
    words = 'deployments.apps "app" is forbidden: admission webhook "policy.example" denied the request: no'
    error = refusal(status(403, words), "apply Deployment app")
    assert isinstance(error, InputError)
    assert str(error) == f"apply Deployment app: {words}"
