"""A gate that does what the verdict says."""

from collections.abc import Callable
from dataclasses import dataclass

from canary.errors import TimedOutError
from canary.events import Answer, Decided
from canary.verdict.comparison import Decision, Verdict


@dataclass(frozen=True)
class AutoGate:
    """Promotes or rejects by the verdict alone."""

    def decide(self, verdict: Verdict, elsewhere: Callable[[], Answer | None]) -> Decided:  # noqa: ARG002 - of `Gate`
        """Return promote for PROMOTE, reject for REJECT.

        A first release has nothing to compare and is promoted: the gate is only asked once the canary is ready and has
        answered requests.

        Raises:
            TimedOutError: the verdict is undecided. Without evidence nothing is promoted or rejected.
        """
        if verdict.decision is Decision.UNDECIDED and verdict.comparisons:
            raise TimedOutError(f"the verdict is undecided: {verdict.sentence}")
        return Decided(promote=verdict.decision is not Decision.REJECT, by="auto")
