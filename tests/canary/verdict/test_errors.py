"""How often the verdict errs: beside an exact test, and by simulation."""

from __future__ import annotations

import math
import random

import pytest

from canary.verdict.comparison import Decision
from canary.verdict.evidence import Evidence
from canary.verdict.rule import compare


def log_likelihood(evidence: Evidence, share: float) -> float:
    bad = evidence.total - evidence.good
    return (evidence.good * math.log(share) if evidence.good else 0) + (bad * math.log1p(-share) if bad else 0)


def log_evidence_against(baseline: Evidence, canary: Evidence, difference: float) -> float:
    """Return the log of an exact e-process against `canary − baseline = difference` or further towards it.

    The likelihood is mixed over uniform priors of both shares, which gives beta functions, and divided by its largest
    value under the hypothesis (universal inference: Wasserman, Ramdas and Balakrishnan 2020). It exceeds 1/α at any
    time with probability α at most, exactly, whatever n and the shares.
    """
    mixture = sum(
        math.lgamma(one.good + 1) + math.lgamma(one.total - one.good + 1) - math.lgamma(one.total + 2)
        for one in (baseline, canary)
    )
    tiny = 1e-12
    low, high = max(tiny, tiny - difference), min(1 - tiny, 1 - tiny - difference)
    for _ in range(200):  # the likelihood is log-concave along the edge of the hypothesis
        left, right = low + (high - low) / 3, high - (high - low) / 3
        at_left, at_right = (
            log_likelihood(baseline, p) + log_likelihood(canary, p + difference) for p in (left, right)
        )
        low, high = (left, high) if at_left < at_right else (low, right)
    return mixture - (log_likelihood(baseline, low) + log_likelihood(canary, low + difference))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("ratio", [0.25, 1, 4])
@pytest.mark.parametrize("total", [200, 2_000, 20_000, 200_000])
def test_the_verdict_decides_what_an_exact_test_is_sure_of(share: float, ratio: float, total: int) -> None:
    """The exact test needs more requests, by a known price; where it decides, so does the verdict, the same way."""
    tolerance = 0.05 if share < 0.99 else 0.01
    decided = set()
    for difference in (step * tolerance / 4 for step in range(-16, 5)):
        if not 0 <= share + difference <= 1:
            continue
        baseline = Evidence(round(total * share), total)
        canary = Evidence(round(total * ratio * (share + difference)), round(total * ratio))
        decision = compare(baseline, canary, tolerance=tolerance).decision
        if log_evidence_against(baseline, canary, -tolerance) > math.log(1 / 0.05):
            assert decision is (Decision.PROMOTE if difference > -tolerance else Decision.REJECT)
            decided.add(decision)
    assert total < 20_000 or decided == {Decision.PROMOTE, Decision.REJECT}


def first_decision(rng: random.Random, shares: tuple[float, float], tolerance: float, looks: int) -> Decision:
    """Return the first decision of a release that is looked at every 20 requests a variant."""
    baseline = canary = Evidence()
    for _ in range(looks):
        baseline, canary = (
            one.add(sum(rng.random() < share for _ in range(20)), 20)
            for one, share in zip((baseline, canary), shares, strict=True)
        )
        decision = compare(baseline, canary, tolerance=tolerance).decision
        if decision is not Decision.UNDECIDED:
            return decision
    return Decision.UNDECIDED


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_error_rates_hold_when_the_verdict_is_checked_after_every_scrape(share: float) -> None:
    rng, releases, tolerance = random.Random(6), 300, 0.1
    found = {
        difference: [first_decision(rng, (share, share + difference), tolerance, 60) for _ in range(releases)]
        for difference in (0.0, -tolerance, -2 * tolerance)
    }
    # 5 % are allowed; 300 releases may show up to 8 % of 5 % by chance (99 in 100 times)
    assert found[0.0].count(Decision.REJECT) == 0
    assert found[-tolerance].count(Decision.PROMOTE) <= 0.08 * releases
    assert found[-tolerance].count(Decision.REJECT) <= 0.08 * releases
    assert found[-2 * tolerance].count(Decision.PROMOTE) == 0
    assert found[0.0].count(Decision.PROMOTE) > 0.8 * releases
    assert found[-2 * tolerance].count(Decision.REJECT) > 0.7 * releases
