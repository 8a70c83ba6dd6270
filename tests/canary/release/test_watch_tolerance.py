"""What a watch says of its tolerance: a share, a multiple of the baseline's errors, or none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.errors import TimedOutError
from canary.events import Judged, Looked, Note
from canary.marks import Variant
from canary.verdict.comparison import Decision
from canary.verdict.measures import Measures, Metric
from canary.verdict.tolerance import Multiple
from tests.canary.release.looks import requests
from tests.canary.story import SUCCESS, Story


def test_without_a_tolerance_the_numbers_are_left_to_a_person(deployed: Story) -> None:
    nobody_said = Measures.of([Metric.share("success", str(SUCCESS.good), str(SUCCESS.total))])
    verdict = deployed.release(names=("app",), measures=nobody_said).watch()
    assert verdict.decision is Decision.UNDECIDED
    assert verdict.comparisons[0].difference is not None


def test_what_the_tolerance_lets_pass_is_said_once_before_the_verdict(deployed: Story) -> None:
    deployed.counts.each = 10
    deployed.release(names=("app",), min_requests=50).watch()
    [note] = deployed.heard(Note)
    assert note.text == (
        "note: with a tolerance of 5.0 points a canary with up to 1.5 times the baseline's errors is still promoted"
    )
    before = [event for event in deployed.events[: deployed.events.index(note)] if isinstance(event, Looked)]
    assert max(requests(look, Variant.BASELINE) for look in before) < 50
    assert len(deployed.heard(Looked)) > len(before) + 1


def test_that_every_canary_is_promoted_is_not_said_after_a_few_requests(deployed: Story) -> None:
    deployed.counts.each, deployed.counts.good = 50, dict.fromkeys(Variant, 0.02)
    deployed.release(names=("app",), min_requests=50, min_duration=60).watch()
    [note] = deployed.heard(Note)
    assert note.text == (
        "note: with a tolerance of 5.0 points every canary is promoted, because only 2.0 % of the baseline's requests "
        "are good"
    )
    before = [event for event in deployed.events[: deployed.events.index(note)] if isinstance(event, Looked)]
    assert max(requests(look, Variant.BASELINE) for look in before) > 300


def test_another_tolerance_is_told_at_the_first_look_of_a_watch_that_continues(deployed: Story) -> None:
    deployed.release(names=("app",)).watch()
    deployed.events.clear()
    wider = replace(SUCCESS, tolerance=0.2)
    deployed.release(names=("app",), measures=Measures.of([wider])).watch()
    [note] = deployed.heard(Note)
    assert note.text.startswith("note: with a tolerance of 20.0 points a canary with up to 3.0 times")
    assert deployed.events.index(note) < deployed.events.index(deployed.heard(Looked)[0])
    deployed.events.clear()
    deployed.release(names=("app",), measures=Measures.of([wider])).watch()
    assert deployed.heard(Note) == []


def test_a_relative_tolerance_is_told_as_a_share_of_errors_and_rejects_a_canary_beyond_it(deployed: Story) -> None:
    deployed.counts.good[Variant.CANARY] = 0.4
    doubled = replace(SUCCESS, tolerance=Multiple(2.0))
    deployed.counts.each = 20
    verdict = deployed.release(names=("app",), measures=Measures.of([doubled])).watch()
    assert verdict.decision is Decision.REJECT
    assert verdict.sentence.startswith("canary 60.0 % failed vs baseline 10.0 %: 6.0 times the errors (at least ")


def test_a_relative_tolerance_on_a_baseline_without_errors_says_what_can_decide(deployed: Story) -> None:
    deployed.counts.good = dict.fromkeys(Variant, 1.0)
    doubled = replace(SUCCESS, tolerance=Multiple(2.0))
    with pytest.raises(TimedOutError, match=r"^undecided after 20 s: a decision needs more requests with errors"):
        deployed.release(names=("app",), measures=Measures.of([doubled]), max_duration=20).watch()
    [judged] = deployed.heard(Judged)
    assert judged.verdict.sentence.startswith("no errors of canary or baseline, so a tolerance of 2x cannot decide; an")
    [note] = deployed.heard(Note)
    assert note.text == (
        "note: with a tolerance of 2x nothing is promoted while the baseline has no errors: so far it has none; an "
        "absolute tolerance, such as 0.001, can decide without errors"
    )
