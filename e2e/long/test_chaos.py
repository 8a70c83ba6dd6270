"""Many releases under heavy chaos end as without chaos, with any seed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from e2e.chaos import BETTER, WORSE, Home, release

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif("E2E_KUBECONFIG" in os.environ, reason="a real cluster does not fail on purpose"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Give a home with the app's images."""
    made = Home(tmp_path_factory.mktemp("chaos"))
    made.build()
    return made


@pytest.mark.parametrize("seed", range(10, 20))
def test_a_release_under_heavy_chaos_ends_as_without_chaos(
    home: Home, tmp_path: Path, manifests: Path, seed: int
) -> None:
    with home.chaotic(seed, tmp_path, rate=0.15) as namespace:
        release(namespace, manifests, [BETTER, WORSE][seed % 2])
