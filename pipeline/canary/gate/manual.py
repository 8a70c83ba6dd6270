"""A gate that waits for a decision from elsewhere: `canary promote`, `canary reject` or a console."""

from collections.abc import Callable
from dataclasses import dataclass

from canary.errors import TimedOutError
from canary.events import Answer, Listener, Note
from canary.gate import POLL
from canary.ports import Clock
from canary.verdict.comparison import Verdict


@dataclass(frozen=True)
class ManualGate:
    """Waits for a decision from elsewhere.

    Attributes:
        clock: time.
        listen: is told what the gate waits for.
        advice: the commands that decide, in a sentence.
        timeout: seconds to wait.
        name: of the gate, as `--gate` has it.
    """

    clock: Clock
    listen: Listener
    advice: str
    timeout: float
    name: str = "manual"

    def decide(self, verdict: Verdict, elsewhere: Callable[[], Answer | None]) -> Answer:  # noqa: ARG002 - of `Gate`
        """Return what somebody decides elsewhere.

        Raises:
            TimedOutError: none decides in time.
        """
        began = self.clock.monotonic()
        self.listen(Note(f"waiting up to {self.timeout:g} s for a decision. {self.advice}"))
        while (decided := elsewhere()) is None:
            if self.clock.monotonic() - began >= self.timeout:
                raise TimedOutError(f"--gate {self.name}: nobody decided within {self.timeout:g} s (--gate-timeout)")
            self.clock.sleep(POLL)
        return decided
