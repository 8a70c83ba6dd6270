"""A gate that waits for `canary promote` or `canary reject` from elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass

from canary.errors import TimedOutError
from canary.events import Decided, Listener, Note
from canary.gate import POLL
from canary.ports import Clock
from canary.verdict.comparison import Verdict


@dataclass(frozen=True)
class ManualGate:
    """Waits for the decision of another driver.

    Attributes:
        clock: time.
        listen: is told what the gate waits for.
        advice: the commands that decide, in a sentence.
        timeout: seconds to wait.
    """

    clock: Clock
    listen: Listener
    advice: str
    timeout: float

    def decide(self, verdict: Verdict, elsewhere: Callable[[], Decided | None]) -> Decided:  # noqa: ARG002 - of `Gate`
        """Return what another driver decides.

        Raises:
            TimedOutError: none decides in time.
        """
        began = self.clock.monotonic()
        self.listen(Note(f"waiting up to {self.timeout:g} s for a decision. {self.advice}"))
        while (decided := elsewhere()) is None:
            if self.clock.monotonic() - began >= self.timeout:
                raise TimedOutError(f"--gate manual: nobody decided within {self.timeout:g} s (--gate-timeout)")
            self.clock.sleep(POLL)
        return decided
