"""The manual gate waits for a decision from elsewhere, and says how to make it."""

from __future__ import annotations

import pytest

from canary.cli.clock import SystemClock
from canary.events import Decided, Event, Note
from canary.gate.manual import ManualGate
from canary.verdict.comparison import Verdict
from canary.verdict.evidence import Evidence
from canary.verdict.rule import combine, compare

WORSE = combine([compare(Evidence(900, 1000), Evidence(500, 1000), tolerance=0.05)])
BETTER = combine([compare(Evidence(500, 1000), Evidence(900, 1000), tolerance=0.05)])


@pytest.mark.parametrize(
    ("verdict", "promote"),
    [
        (BETTER, "To promote, run elsewhere: canary promote m"),
        (WORSE, "To promote against the verdict, run elsewhere: canary promote m --unproven"),
    ],
)
def test_its_commands_work_for_the_verdict(verdict: Verdict, promote: str) -> None:
    heard: list[Event] = []
    gate = ManualGate(SystemClock(), heard.append, 60, "canary promote m", "canary reject app", "Ask Ada")
    decided = Decided(promote=True, by="bob")
    asked: list[int] = []

    def elsewhere() -> Decided | None:
        asked.append(len(heard))
        return decided if heard else None

    assert gate.decide(verdict, elsewhere) == decided
    assert asked == [0, 1]  # others can decide before they are told to
    text = f"waiting up to 60 s for a decision. Ask Ada. {promote}. To reject: canary reject app"
    assert heard == [Note(text)]
