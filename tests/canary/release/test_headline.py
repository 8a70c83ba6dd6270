"""The headline of a release."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.observe.deployments import Workload
from canary.release.headline import headline, worst_first
from canary.release.overview import Phase
from canary.verdict.comparison import Comparison, Decision, Verdict
from canary.verdict.evidence import Evidence
from canary.verdict.rule import compare
from canary.verdict.tolerance import Multiple, Tolerance
from tests.canary.story import deployment


def compared(good: int, tolerance: Tolerance) -> Comparison:
    """Return a comparison with 40 of 400 good answers of the baseline."""
    return replace(compare(Evidence(40, 400), Evidence(good, 400), tolerance=tolerance), decision=Decision.PROMOTE)


@pytest.mark.parametrize(
    ("good", "tolerance", "says"),
    [
        (39, 0.05, "app:2 is as good as app:1, within the tolerance"),
        (59, 0.05, "app:2 is as good as app:1, within the tolerance"),
        (62, 0.05, "app:2 looks better than app:1"),
        (62, 0.1, "app:2 is as good as app:1, within the tolerance"),
        (40, Multiple(1.05), "app:2 is as good as app:1, within the tolerance"),
        (45, Multiple(1.05), "app:2 is as good as app:1, within the tolerance"),
        (62, Multiple(1.05), "app:2 looks better than app:1"),
        (200, 0.05, "app:2 is better than app:1"),
    ],
)
def test_a_promoted_version_looks_better_if_it_gains_more_than_it_might_lose(
    good: int, tolerance: Tolerance, says: str
) -> None:
    one = compared(good, tolerance)
    stable, canary = deployment("app:1"), deployment("app:2")
    workload = Workload("app", stable, stable, canary)
    assert headline(workload, Phase.WAITING, Verdict(Decision.PROMOTE, (one,), "")) == says


@pytest.mark.parametrize(
    ("interval", "says"),
    [
        ((1.2, 9.0), "app:2 is worse than app:1; how much is uncertain"),
        ((0.2, 0.9), "app:2 is better than app:1 so far"),
        ((0.8, 1.3), "No clear difference between app:2 and app:1 yet"),
    ],
)
def test_more_errors_than_the_baseline_s_are_worse(interval: tuple[float, float], says: str) -> None:
    one = replace(compared(40, Multiple(1.05)), decision=Decision.UNDECIDED, ratio_interval=interval)
    stable, canary = deployment("app:1"), deployment("app:2")
    verdict = Verdict(Decision.UNDECIDED, (one,), "")
    assert headline(Workload("app", stable, stable, canary), Phase.COMPARING, verdict) == says


def test_what_speaks_most_against_a_canary_comes_first() -> None:
    worse, much_worse = compared(36, 0.05), compared(30, 0.05)
    decided = [replace(compared(80, 0.05), decision=one, metric=str(one)) for one in Decision]
    assert [one.metric for one in worst_first(decided)] == ["REJECT", "UNDECIDED", "PROMOTE"]
    assert worst_first([worse, much_worse]) == [much_worse, worse]


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (compared(30, 0.2), compared(36, 0.01)),
        (compared(30, 0.2), compared(36, Multiple(1.01))),
        (compared(36, Multiple(3)), compared(36, Multiple(1.01))),
        (compared(40, 0.0), compared(39, 0.0)),
    ],
)
def test_how_bad_a_loss_is_depends_on_what_is_tolerated(less: Comparison, more: Comparison) -> None:
    assert worst_first([less, more]) == [more, less]


def test_a_headline_about_a_canary_without_a_version_begins_with_a_capital() -> None:
    stable = deployment("app:1")
    workload = Workload("app", stable, None, None)
    assert (
        headline(workload, Phase.PROMOTING, Verdict(Decision.PROMOTE, (), ""))
        == "The canary is being rolled out to stable"
    )
    assert headline(Workload("app", stable, stable, stable), Phase.STARTING, Verdict(Decision.UNDECIDED, (), "")) == (
        "The canary is starting next to the baseline"
    )
