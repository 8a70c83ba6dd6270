"""A variant that leaves requests unanswered is noticed, and one that answers as its pods should is not."""

from __future__ import annotations

import itertools
import json
from math import exp

import pytest

from canary.verdict.sample_ratio import Answers, SampleRatio

POD = 2.0  # seconds of one pod between two scrapes


def looked(check: SampleRatio, baseline: float, canary: float, times: int = 1, *, pods: int = 1) -> SampleRatio:
    """Return the check after scrapes of one pod of the baseline and some of the canary, all of them ready."""
    for _ in range(times):
        check = check.add(Answers(baseline, POD, POD), Answers(canary, pods * POD, pods * POD))
    return check


def scrapes_until_noticed(check: SampleRatio, baseline: float, canary: float) -> int:
    """Return how many more scrapes of this kind it takes until PROMOTE is withheld."""
    for nth in range(1, 1000):
        check = looked(check, baseline, canary)
        if check.doubt(1, 1):
            return nth
    raise AssertionError("not noticed")


@pytest.mark.parametrize(("answered", "scrapes"), [(0, 28), (5, 54), (10, 101)])
def test_a_canary_that_answers_few_requests_is_noticed(answered: int, scrapes: int) -> None:
    assert scrapes_until_noticed(SampleRatio(), 100, answered) == scrapes


def test_a_canary_that_hangs_after_five_good_minutes_is_noticed_in_little_more_than_two() -> None:
    good = looked(SampleRatio(), 100, 100, 150)
    assert scrapes_until_noticed(good, 100, 0) == 67


def test_the_doubt_has_the_answers_and_the_pods_and_names_the_other_cause() -> None:
    check = looked(SampleRatio(), 30, 1, 60)
    assert check.doubt(1, 1) == (
        "the canary answered 60 requests, the baseline 1,800, with as many pods: does it hang, "
        "or do clients keep only a few connections open?"
    )
    assert "with 2 and 1 pod: does it hang," in check.doubt(1, 2)
    mirrored = looked(SampleRatio(), 1, 30, 60)
    assert mirrored.doubt(1, 1) == (
        "the baseline answered 60 requests, the canary 1,800, with as many pods: does it hang, do clients keep only a "
        "few connections open, or do testers send requests to the canary alone?"
    )


def test_a_variant_that_answers_again_is_trusted_again() -> None:
    check = looked(SampleRatio(), 100, 0, 40)
    assert check.doubt(1, 1)
    assert not looked(check, 100, 100, 30).doubt(1, 1)


@pytest.mark.parametrize("canary", [100, 60, 35, 300])
def test_equal_slower_and_faster_versions_are_not_doubted(canary: float) -> None:
    assert not looked(SampleRatio(), 100, canary, 2000).doubt(1, 1)


def test_the_pods_of_each_variant_count() -> None:
    assert not looked(SampleRatio(), 100, 400, 500, pods=4).doubt(1, 4)
    assert looked(SampleRatio(), 100, 30, 500, pods=4).doubt(1, 4)  # a thirteenth of what these pods should answer


def test_nothing_is_expected_of_pods_that_are_not_ready() -> None:
    check = SampleRatio()
    for _ in range(200):
        check = check.add(Answers(100, POD, POD), Answers(0, 0, POD))
    assert not check.doubt(1, 1)


def test_pods_that_become_ready_between_scrapes_count_for_the_time_since_then() -> None:
    """Then the canary's answers come from half the time, or from all of it: neither is held against a variant."""
    check = SampleRatio()
    for _ in range(200):
        check = check.add(Answers(100, POD, POD), Answers(26, POD / 2, POD))
    assert not check.doubt(1, 1)


def test_few_answers_are_held_back_until_there_are_ten() -> None:
    nine = looked(SampleRatio(), 8, 1)
    assert (nine.scrapes, nine.held) == (0, (Answers(8, POD, POD), Answers(1, POD, POD)))
    ten = looked(nine, 1, 0)
    assert ten == SampleRatio().add(Answers(9, 2 * POD, 2 * POD), Answers(1, 2 * POD, 2 * POD))
    assert ten.scrapes == 1


def test_scrapes_of_the_two_variants_that_come_one_after_the_other_belong_together() -> None:
    """A Prometheus scrapes each pod at its own time."""
    check = SampleRatio()
    for _ in range(100):
        check = check.add(Answers(100, POD, POD), Answers()).add(Answers(), Answers(100, POD, POD))
    assert (check.scrapes, check.doubt(1, 1)) == (100, "")


def test_the_expected_evidence_is_at_most_one_if_the_expected_share_is_as_the_pods_say() -> None:
    """Every sequence of scrapes is enumerated in which a scrape goes to the one variant or to the other, whole.

    With a given mean, that is the distribution of the share with the largest expectation of a convex function.
    """
    expected = 0.0
    for sequence in itertools.product((0, 12), repeat=10):
        check, probability = SampleRatio(), 1.0
        for to_canary in sequence:
            probability *= 1 / 4 if to_canary else 3 / 4
            check = looked(check, 12 - to_canary, to_canary)
        expected += probability * exp(check.canary.log_evidence)
    assert 0.99 < expected <= 1 + 1e-12


def test_the_next_driver_continues_with_the_same_evidence() -> None:
    check = looked(looked(SampleRatio(), 30, 1, 20), 4, 0)
    carried = SampleRatio.from_json(json.loads(json.dumps(check.as_json())))
    assert carried == check
    assert looked(carried, 30, 1, 9) == looked(check, 30, 1, 9)


def test_evidence_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="2 numbers instead of 3"):
        SampleRatio.from_json(SampleRatio().as_json() | {"canary": [0, 0, 0, 0]})


def test_the_doubt_leaves_out_the_answers_of_better_times() -> None:
    check = looked(looked(SampleRatio(), 100, 100, 150), 100, 0, 80)
    assert check.doubt(1, 1).startswith("the canary answered 0 requests, the baseline ")
