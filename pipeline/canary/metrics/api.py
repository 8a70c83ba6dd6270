"""The API server, as far as samples need it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Api(Protocol):
    """Reads from pods and Services through the API server's proxy."""

    def get_text(self, path: str, *, params: Mapping[str, str] | None = None, timeout: float) -> str:
        """Return what a GET of a path answers.

        Raises:
            NotAnsweringError: what lies behind the proxy does not answer, or not with 200.
            ForbiddenError: the API server forbids it.
        """
