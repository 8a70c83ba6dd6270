"""The simulated sample-ratio check is the driver's, and its streams are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from bench.verdict.sample_ratio import INTERVAL, SCRAPES, alarms, delays, false_alarms
from canary.verdict.sample_ratio import Answers, SampleRatio


def first_doubt(baseline: np.ndarray, canary: np.ndarray) -> int:
    check = SampleRatio()
    for nth, counts in enumerate(zip(baseline, canary, strict=True), start=1):
        check = check.add(*(Answers(float(count), INTERVAL, INTERVAL) for count in counts))
        if check.doubt(1, 1):
            return nth
    return 0


def test_the_simulated_check_is_the_drivers() -> None:
    rng = np.random.default_rng(1)
    means = np.array([[50, 0], [50, 2.5], [2, 50], [50, 12], [50, 50]])
    baseline, canary = (rng.poisson(np.repeat(means[:, [side]], 400, axis=1)) for side in (0, 1))
    found = alarms(baseline, canary)
    assert list(found) == [first_doubt(*pair) for pair in zip(baseline, canary, strict=True)]
    assert (found[:3] > 0).all()
    assert found[4] == 0


def test_connections_that_stay_open_cause_alarms_only_if_there_are_few() -> None:
    four, thirty_two = (false_alarms(connections, 3, seed=1) for connections in (4, 32))
    assert four == pytest.approx(2 / 2**4, abs=0.02)  # all four reach the same pod
    assert thirty_two < 0.004


def test_a_canary_that_hangs_is_noticed_within_half_an_hour() -> None:
    found = delays(0.05, 75, 5, seed=1)
    assert (found > 0).all()
    assert found.max() < SCRAPES / 6
