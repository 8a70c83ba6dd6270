"""What a look of a watch has seen."""

from __future__ import annotations

from canary.events import Looked
from canary.marks import Variant


def requests(event: Looked, variant: Variant = Variant.CANARY) -> float:
    """Return the requests to a variant so far."""
    return next(state.total for state in event.variants if state.variant is variant)
