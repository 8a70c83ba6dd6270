"""Times and durations, as Kubernetes and people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.times import duration, micro_timestamp, parse_duration, parse_timestamp, readable, timestamp


def test_a_time_is_written_as_kubernetes_writes_it_and_as_people_read_it() -> None:
    seconds = 1_790_000_000.25
    assert timestamp(seconds) == "2026-09-21T14:13:20Z"
    assert micro_timestamp(seconds) == "2026-09-21T14:13:20.250000Z"
    assert readable(seconds) == "2026-09-21 14:13:20 UTC"


def test_what_kubernetes_writes_is_read_back() -> None:
    assert parse_timestamp("2026-09-21T14:13:20Z") == 1_790_000_000
    assert parse_timestamp("2026-09-21T14:13:20.250000Z") == 1_790_000_000.25


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("1.5s", 1.5),
        ("1m30s", 90),
        ("5m", 300),
        ("1h", 3600),
        ("1h1m1s1ms", 3661.001),
        ("250ms", 0.25),
        ("0", 0),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "1 m", "-1s", "1s1m", "1d", "1.5m", "٣s", "1_0", "m"])
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@given(st.integers(0, 10**9))
def test_a_duration_is_shown_as_it_can_be_read(milliseconds: int) -> None:
    assert parse_duration(duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)
