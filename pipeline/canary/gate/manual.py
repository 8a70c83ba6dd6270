"""A gate that waits for a decision from elsewhere: `canary promote`, `canary reject` or a console."""

from collections.abc import Callable
from dataclasses import dataclass

from canary.errors import TimedOutError
from canary.events import Answer, Listener, Note
from canary.gate import POLL
from canary.ports import Clock
from canary.verdict.comparison import Decision, Verdict


@dataclass(frozen=True)
class ManualGate:
    """Waits for a decision from elsewhere.

    Attributes:
        clock: time.
        listen: is told what the gate waits for.
        timeout: seconds to wait.
        promote: the command that promotes.
        reject: the command that rejects.
        advice: where else a person can decide, in a sentence; empty if nowhere.
        name: of the gate, as `--gate` has it.
    """

    clock: Clock
    listen: Listener
    timeout: float
    promote: str
    reject: str
    advice: str = ""
    name: str = "manual"

    def decide(self, verdict: Verdict, elsewhere: Callable[[], Answer | None]) -> Answer:
        """Return what somebody decides elsewhere.

        Raises:
            TimedOutError: none decides in time.
        """
        began = self.clock.monotonic()
        advice = f"{self.advice}. " if self.advice else ""
        promote = f"To promote, run elsewhere: {self.promote}"
        if verdict.decision is Decision.REJECT:
            promote = f"To promote against the verdict, run elsewhere: {self.promote} --unproven"
        if decided := elsewhere():  # from now on others can decide; only then are they told to
            return decided
        self.listen(
            Note(f"waiting up to {self.timeout:g} s for a decision. {advice}{promote}. To reject: {self.reject}")
        )
        while (decided := elsewhere()) is None:
            if self.clock.monotonic() - began >= self.timeout:
                raise TimedOutError(f"--gate {self.name}: nobody decided within {self.timeout:g} s (--gate-timeout)")
            self.clock.sleep(POLL)
        return decided
