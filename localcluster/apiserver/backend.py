"""What the API asks of the runtime: it alone knows where processes listen and what they wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from localcluster.apimachinery.objects import Object


class Backend(Protocol):
    """The runtime as the API sees it."""

    def pod_log(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool = False,
        tail_lines: int | None = None,
        since_seconds: int | None = None,
        previous: bool = False,
        timestamps: bool = False,
    ) -> AsyncIterator[bytes]:
        """Yield a container's output (an async generator); raises ApiError where there is none."""
        ...

    def pod_address(self, pod: Object, port: int) -> tuple[str, int]:
        """Return host and port where a pod's container port really listens; raises ApiError 503."""
        ...

    def service_address(self, service: Object, port: str) -> tuple[str, int]:
        """Return host and port of a ready pod behind a Service's port (name, number or ""); raises ApiError 503."""
        ...
