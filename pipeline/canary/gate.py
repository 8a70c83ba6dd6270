"""Gates: who turns a verdict into an action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from canary.errors import InputError, InterruptedReleaseError, TimedOutError
from canary.events import Decided
from canary.verdict import Decision, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANSWERS: Mapping[str, bool] = {"p": True, "promote": True, "r": False, "reject": False}


@dataclass(frozen=True)
class AutoGate:
    """Does what the verdict says."""

    def decide(self, verdict: Verdict) -> Decided:
        """Return promote for PROMOTE, reject for REJECT.

        A first release has nothing to compare: it is promoted, as the release asks only once the canary is ready and
        has answered.

        Raises:
            TimedOutError: the verdict is undecided; nothing is promoted, or rejected, on no evidence.
        """
        if verdict.decision is Decision.UNDECIDED and verdict.comparisons:
            raise TimedOutError(f"the verdict is undecided: {verdict.sentence}")
        return Decided(promote=verdict.decision is not Decision.REJECT, by="auto")


@dataclass(frozen=True)
class TerminalGate:
    """Asks a person at the terminal.

    Attributes:
        answers: where the person types.
        questions: where the question is shown.
        person: who that is.
    """

    answers: TextIO
    questions: TextIO
    person: str

    def __post_init__(self) -> None:
        """Refuse to be asked where nobody can answer.

        Raises:
            InputError: it is not a terminal.
        """
        if not self.answers.isatty():
            raise InputError(
                "--gate terminal: nobody can be asked, this is not a terminal; pass --gate auto with a --tolerance, "
                "or run canary deploy and canary watch, then canary promote or canary reject"
            )

    def decide(self, verdict: Verdict) -> Decided:
        """Return what the person answers; the verdict itself, with its numbers, was shown just before.

        Raises:
            InterruptedReleaseError: the person ends the input (Ctrl-D). Ctrl-C is raised as KeyboardInterrupt.
        """
        says = f"the verdict is {verdict.decision}" if verdict.comparisons else "there is nothing to compare"
        while True:
            self._say(f"{says}: promote or reject? [p/r] ")
            line = self.answers.readline()
            if not line:
                self._say("\n")
                raise InterruptedReleaseError("no answer")
            answer = _ANSWERS.get(line.strip().lower())
            if answer is not None:
                return Decided(promote=answer, by=self.person)

    def _say(self, text: str) -> None:
        self.questions.write(text)
        self.questions.flush()
