"""An API server without a runtime: store, registry and API alone, in a thread of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.localcluster.api.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a server that holds the namespaces `default` and `other`, and nothing else."""
    with Server() as running:
        yield running
