"""A gate that asks a person at the terminal."""

import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from canary.errors import InputError, InterruptedReleaseError
from canary.events import Answer, Decided, KeepsWatching
from canary.gate import POLL
from canary.verdict.comparison import Decision, Verdict

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

    def decide(self, verdict: Verdict, elsewhere: Callable[[], Answer | None]) -> Answer:
        """Return the person's answer, or what somebody decides elsewhere. The verdict was shown just before.

        To promote against the verdict, the person types the name of the release.

        Raises:
            InterruptedReleaseError: the person ends the input (Ctrl-D). Ctrl-C is raised as KeyboardInterrupt.
        """
        is_first = not verdict.comparisons and verdict.decision is Decision.UNDECIDED
        situation = "there is nothing to compare" if is_first else f"the verdict is {verdict.decision}"
        while True:
            answer = self._ask(f"{situation}: promote, reject or keep watching? [p/r/w] ", elsewhere)
            if not isinstance(answer, str):
                return answer
            answer = answer.lower()
            if answer in _WATCH:
                return KeepsWatching(self.person)
            if answer in _REJECT:
                return Decided(promote=False, by=self.person)
            if answer not in _PROMOTE:
                self._say(f"{_KEYS}\n")
                continue
            if verdict.decision is not Decision.REJECT:
                return Decided(promote=True, by=self.person)
            typed = self._ask(
                "This promotes against the verdict, and stable records that. To confirm, type the name of the release "
                f"({self.release}): ",
                elsewhere,
            )
            if not isinstance(typed, str):
                return typed
            if typed == self.release:
                return Decided(promote=True, by=self.person)
            self._say(f"{typed!r} is not {self.release}: nothing is decided yet\n")

    def _ask(self, question: str, elsewhere: Callable[[], Answer | None]) -> str | Answer:
        """Return what the person types, or what somebody decides elsewhere before that."""
        self._say(question)
        while not select.select([self.answers], [], [], POLL)[0]:
            if decided := elsewhere():
                self._say("\n")
                return decided
        line = self.answers.readline()
        if not line:
            self._say("\n")
            raise InterruptedReleaseError("no answer")
        return line.strip()

    def _say(self, text: str) -> None:
        self.questions.write(text)
        self.questions.flush()
