"""Image references."""

from __future__ import annotations

import pytest

from localcluster.images.reference import normal_name, problem


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("app", "app:latest"),
        ("docker.io/library/app:1", "app:1"),
        ("host:5000/app", "host:5000/app:latest"),
        ("team/app:1@sha256:abc", "team/app:1"),
    ],
)
def test_references_are_normalised_as_docker_does(reference: str, name: str) -> None:
    assert normal_name(reference) == name


@pytest.mark.parametrize(
    "reference", ["app", "host:5000/team/app_x--y:1", "Host/app", "[::1]:5/a", f"app@sha256:{'a' * 64}", "a" * 255]
)
def test_a_valid_reference_is_accepted(reference: str) -> None:
    assert problem(reference) == ""
