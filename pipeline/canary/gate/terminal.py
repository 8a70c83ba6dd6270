"""A gate that asks a person at the terminal."""

from dataclasses import dataclass
from typing import TextIO

from canary.errors import InputError, InterruptedReleaseError
from canary.events import Decided
from canary.verdict.rule import Decision, Verdict

_PROMOTE, _REJECT, _WATCH = ("p", "promote"), ("r", "reject"), ("w", "watch")
_KEYS = "p promotes, r rejects, w keeps watching and asks again later"


@dataclass(frozen=True)
class TerminalGate:
    """Asks a person at the terminal.

    Attributes:
        answers: where the person types.
        questions: where the questions are shown.
        person: the name of the person.
        release: the name of the release. To promote against the verdict, the person types it.
    """

    answers: TextIO
    questions: TextIO
    person: str
    release: str

    def __post_init__(self) -> None:
        """Check that a person can answer.

        Raises:
            InputError: `answers` is not a terminal.
        """
        if not self.answers.isatty():
            raise InputError(
                "--gate terminal: stdin is not a terminal, so nobody can answer; pass --gate auto with a --tolerance, "
                "or run canary deploy and canary watch, then canary promote or canary reject"
            )

    def decide(self, verdict: Verdict) -> Decided | None:
        """Return the person's answer. The verdict with its numbers was shown just before.

        To promote against the verdict, the person types the name of the release.

        Raises:
            InterruptedReleaseError: the person ends the input (Ctrl-D). Ctrl-C is raised as KeyboardInterrupt.
        """
        is_first = not verdict.comparisons and verdict.decision is Decision.UNDECIDED
        situation = "there is nothing to compare" if is_first else f"the verdict is {verdict.decision}"
        while True:
            answer = self._ask(f"{situation}: promote, reject or keep watching? [p/r/w] ").lower()
            if answer in _WATCH:
                return None
            if answer in _REJECT:
                return Decided(promote=False, by=self.person)
            if answer not in _PROMOTE:
                self._say(f"{_KEYS}\n")
            elif verdict.decision is not Decision.REJECT or self._confirms():
                return Decided(promote=True, by=self.person)

    def _confirms(self) -> bool:
        """Return whether the person confirms a promote against the verdict."""
        typed = self._ask(
            "This promotes against the verdict, and stable records that. To confirm, type the name of the release "
            f"({self.release}): "
        )
        if typed != self.release:
            self._say(f"{typed!r} is not {self.release}: nothing is decided yet\n")
        return typed == self.release

    def _ask(self, question: str) -> str:
        self._say(question)
        line = self.answers.readline()
        if not line:
            self._say("\n")
            raise InterruptedReleaseError("no answer")
        return line.strip()

    def _say(self, text: str) -> None:
        self.questions.write(text)
        self.questions.flush()
