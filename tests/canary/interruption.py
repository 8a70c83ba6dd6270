"""A promote whose driver is stopped in the middle."""

from __future__ import annotations

import pytest

from canary.errors import InterruptedReleaseError
from tests.canary.ghosts import unready
from tests.canary.story import Story, deployment


def interrupt_promote(story: Story, *, decided: str = "", unproven: bool = False) -> None:
    """Promote app:2, and stop the driver while its pods, which do not get ready, are waited for."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    story.ghosts.script["app:2"] = unready
    story.clock.after(2, interrupt)
    with pytest.raises(InterruptedReleaseError):
        story.release(deployment("app:2"), unproven=unproven).promote(decided=decided)
