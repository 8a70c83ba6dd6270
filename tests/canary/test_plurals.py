"""Counts in words."""

from __future__ import annotations

from canary.plurals import counted, in_percent


def test_the_noun_agrees_with_the_number() -> None:
    assert [counted(number, "pod") for number in (0, 1, 2, 1200.0)] == ["0 pods", "1 pod", "2 pods", "1,200 pods"]


def test_a_small_share_has_two_digits() -> None:
    shares = (0, 0.0004, 0.005, 0.0483, 0.05, 0.0996, 0.25, 0.995, 1)
    assert " ".join(map(in_percent, shares)) == "0 % 0.04 % 0.5 % 4.8 % 5 % 10 % 25 % 100 % 100 %"
