"""Undoes a promote or a rollback that failed, and says how it ended."""

from collections.abc import Callable, Sequence

from canary.errors import CanaryError, InterruptedReleaseError, LockLostError, PromoteError, TimedOutError


def undo(
    action: str,
    cause: str,
    put_back: Callable[[], str],
    *,
    retry: str,
    config_maps: Sequence[str],
    passed_on: tuple[type[CanaryError], ...] = (LockLostError,),
) -> PromoteError:
    """Put everything back as it was, and return the error to raise.

    Args:
        action: that failed: `promote`, `rollback`.
        cause: why it failed.
        put_back: puts everything back, and returns what to do next.
        retry: the command that tries the undo again.
        config_maps: names of the ConfigMaps that hold the objects as they were.
        passed_on: errors with which no undo can go on; they are raised as they are. Once another driver has the lock,
            the undo is up to that one.

    Raises:
        InterruptedReleaseError: somebody stopped this driver meanwhile.
    """
    try:
        advice = put_back()
    except KeyboardInterrupt:
        raise InterruptedReleaseError(
            f"interrupted while the {action} was being undone ({cause}). To finish the undo: {retry}"
        ) from None
    except passed_on:
        raise
    except TimedOutError as error:
        return PromoteError(
            f"{action} failed ({cause}). Everything is put back as it was, but is not ready again ({error}). "
            f"To wait for it: {retry}"
        )
    except CanaryError as error:
        return PromoteError(
            f"{action} failed ({cause}) and could not be undone ({error}). To try again: {retry}. "
            f"ConfigMap {', '.join(config_maps)} holds the objects as they were before"
        )
    return PromoteError(f"{action} failed and was undone: {cause}. {advice}")
