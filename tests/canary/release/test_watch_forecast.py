"""Which decision a watch expects, and how long it takes at this traffic."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from canary.errors import TimedOutError
from canary.events import Looked
from canary.marks import Variant
from canary.verdict.comparison import Decision
from canary.verdict.measures import Measures
from canary.verdict.scrapes import Pod, Scrape
from tests.canary.release.looks import requests
from tests.canary.story import SUCCESS, Story


def test_each_look_says_how_long_a_decision_takes_at_this_traffic(deployed: Story) -> None:
    deployed.counts.each = 10
    assert deployed.release(names=("app",), min_duration=0, min_requests=0).watch().decision is Decision.PROMOTE
    *looks, last = deployed.heard(Looked)
    assert (looks[3].forecast, last.forecast) == (None, None)  # too few scrapes; decided
    halfway = looks[len(looks) // 2]
    assert halfway.forecast
    assert halfway.forecast.decision is Decision.PROMOTE
    assert halfway.forecast.seconds == pytest.approx(last.elapsed - halfway.elapsed, rel=0.5)


def test_what_is_expected_regards_the_minimum_of_time_and_requests(deployed: Story) -> None:
    deployed.counts.each = 20
    for min_duration, min_requests in ((300, 0), (0, 6000)):
        least = deployed.release(names=("app",), max_duration=24, min_duration=min_duration, min_requests=min_requests)
        with pytest.raises(TimedOutError):
            least.watch()
    looks = [look for look in deployed.heard(Looked) if look.forecast and look.forecast.seconds]
    assert looks
    for look in looks:
        assert look.forecast
        rest = (6000 - requests(look)) / 20 if "requests" in look.waiting_for else 300 - look.elapsed
        assert look.forecast.seconds == pytest.approx(rest, abs=4)


def test_without_traffic_no_decision_is_expected(deployed: Story) -> None:
    deployed.counts.each, read, reads = 20, deployed.counts.read, itertools.count(1)

    def dries_up(pods: Sequence[Pod], since: float) -> list[Scrape]:
        deployed.counts.each = 20 if next(reads) < 12 else 0
        return read(pods, since)

    deployed.counts.read = dries_up  # type: ignore[method-assign]
    with pytest.raises(TimedOutError):
        deployed.release(names=("app",), min_duration=0, max_duration=100).watch()
    looks = deployed.heard(Looked)
    assert looks[10].forecast
    assert looks[-1].forecast is None


def test_no_decision_is_expected_while_a_canary_leaves_requests_unanswered(deployed: Story) -> None:
    deployed.counts.each, deployed.counts.answered[Variant.CANARY] = 1000, 0.05
    strict = Measures.of([replace(SUCCESS, tolerance=0.006)])
    with pytest.raises(TimedOutError, match=r"after 200 s: the canary answered 10,000 requests, the baseline 200,000,"):
        deployed.release(names=("app",), measures=strict, max_duration=200, min_duration=0).watch()
    [*_, last] = deployed.heard(Looked)
    assert [one.decision for one in last.verdict.comparisons] == [Decision.UNDECIDED]
    assert last.verdict.withheld
    assert last.forecast is None


def test_what_is_expected_regards_the_minimum_of_requests_before_anything_is_decided(deployed: Story) -> None:
    deployed.counts.each = 20
    with pytest.raises(TimedOutError):
        deployed.release(names=("app",), max_duration=24, min_duration=0, min_requests=6000).watch()
    looks = [look for look in deployed.heard(Looked) if look.forecast]
    assert looks
    for look in looks:
        assert look.forecast
        assert look.forecast.seconds == pytest.approx((6000 - requests(look)) / 20, abs=4)
