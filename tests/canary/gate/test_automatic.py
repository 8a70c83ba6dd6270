"""The automatic gate does what the verdict says."""

from __future__ import annotations

import pytest

from canary.errors import TimedOutError
from canary.events import Decided
from canary.gate.automatic import AutoGate
from canary.verdict.comparison import Decision, Verdict
from canary.verdict.evidence import Evidence
from canary.verdict.rule import combine, compare


def nobody() -> None:
    """Say that nobody has decided elsewhere."""


WORSE = combine([compare(Evidence(900, 1000), Evidence(500, 1000), tolerance=0.05)])
BETTER = combine([compare(Evidence(500, 1000), Evidence(900, 1000), tolerance=0.05)])
UNCLEAR = combine([compare(Evidence(9, 10), Evidence(9, 10), tolerance=0.05)])
FIRST = Verdict(Decision.UNDECIDED, (), "nothing to compare with: there is no stable yet")


def test_a_clear_verdict_is_carried_out() -> None:
    assert AutoGate().decide(BETTER, nobody) == Decided(promote=True, by="auto")
    assert AutoGate().decide(WORSE, nobody) == Decided(promote=False, by="auto")


def test_a_first_release_is_promoted() -> None:
    assert AutoGate().decide(FIRST, nobody) == Decided(promote=True, by="auto")


def test_unclear_evidence_decides_nothing() -> None:
    with pytest.raises(TimedOutError, match="the verdict is undecided"):
        AutoGate().decide(UNCLEAR, nobody)
