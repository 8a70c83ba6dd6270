"""The headline of a release."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.observe.deployments import Workload
from canary.release.headline import headline
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
