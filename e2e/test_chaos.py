"""Releases end as usual although every twentieth API request fails: same exit code, same objects."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from e2e.chaos import BETTER, WORSE, Home, release

pytestmark = pytest.mark.skipif("E2E_KUBECONFIG" in os.environ, reason="a real cluster does not fail on purpose")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Give a home with the app's images."""
    made = Home(tmp_path_factory.mktemp("chaos"))
    made.build()
    return made


def test_a_better_canary_is_promoted_under_chaos(home: Home, tmp_path: Path, manifests: Path) -> None:
    with home.chaotic(1, tmp_path) as namespace:
        release(namespace, manifests, BETTER)


def test_a_worse_canary_is_rejected_under_chaos(home: Home, tmp_path: Path, manifests: Path) -> None:
    with home.chaotic(2, tmp_path) as namespace:
        release(namespace, manifests, WORSE)
