"""A gate that asks a person at the terminal."""

from __future__ import annotations

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
        questions: where the question is shown.
        person: who that is.
        release: its name, which who promotes against the verdict has to type.
    """

    answers: TextIO
    questions: TextIO
    person: str
    release: str

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

    def decide(self, verdict: Verdict) -> Decided | None:
        """Return what the person answers; the verdict itself, with its numbers, was shown just before.

        A promote against the verdict takes more than one key: the name of the release.

        Raises:
            InterruptedReleaseError: the person ends the input (Ctrl-D). Ctrl-C is raised as KeyboardInterrupt.
        """
        is_first = not verdict.comparisons and verdict.decision is Decision.UNDECIDED
        says = "there is nothing to compare" if is_first else f"the verdict is {verdict.decision}"
        while True:
            answer = self._ask(f"{says}: promote, reject or keep watching? [p/r/w] ").lower()
            if answer in _WATCH:
                return None
            if answer in _REJECT:
                return Decided(promote=False, by=self.person)
            if answer not in _PROMOTE:
                self._say(f"{_KEYS}\n")
            elif verdict.decision is not Decision.REJECT or self._insists():
                return Decided(promote=True, by=self.person)

    def _insists(self) -> bool:
        """Return whether the person promotes against the verdict."""
        typed = self._ask(
            "This promotes against the verdict, and stable records that. To do so, type the name of the release "
            f"({self.release}): "
        )
        if typed != self.release:
            self._say(f"{typed!r} is not {self.release}: nothing was decided\n")
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
