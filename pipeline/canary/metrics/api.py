"""What reading samples needs of the API server."""

from collections.abc import Mapping
from typing import Protocol


class Api(Protocol):
    """Reads from pods and Services through the API server's proxy."""

    def get_text(self, path: str, *, params: Mapping[str, str] | None = None, timeout: float) -> str:
        """Return the answer to a GET.

        Raises:
            NotAnsweringError: the pod or Service behind the proxy does not answer, or not with 200.
            ForbiddenError: the API server forbids the request.
        """
