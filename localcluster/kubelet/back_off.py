"""Back-off: waiting times that double."""

LONGEST_BACK_OFF = 300.0  # seconds


class BackOff:
    """Waiting times that double: 10 s, 20 s, … 5 min."""

    def __init__(self, first: float) -> None:
        self._first = first
        self._next = 0.0

    def next(self) -> float:
        """Return the seconds to wait now: nothing the first time."""
        wait = self._next
        self._next = min(max(self._first, 2 * wait), LONGEST_BACK_OFF)
        return wait

    def reset(self) -> None:
        """Begin again with no wait."""
        self._next = 0.0
