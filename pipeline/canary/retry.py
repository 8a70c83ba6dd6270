"""Optimistic concurrency: a write that depends on what was read is tried again when others write the same object."""

from collections.abc import Callable
from typing import TypeVar

from canary.errors import ConflictError

ATTEMPTS = 20
"""How often: an object may change all the time. The status of a rollout counts as a change, too."""

T = TypeVar("T")


def retry_on_conflict(attempt: Callable[[], T | None], what: str) -> T:
    """Return what an attempt gives; None says that it met a conflict, and so it is repeated.

    Args:
        attempt: reads the object and writes it on the condition that nobody has written it since.
        what: it does, for the message: `replace Deployment app`.

    Raises:
        ConflictError: every attempt met a conflict.
    """
    for _ in range(ATTEMPTS):
        if (result := attempt()) is not None:
            return result
    raise ConflictError(f"{what}: others keep writing it at the same time; run the command again")
