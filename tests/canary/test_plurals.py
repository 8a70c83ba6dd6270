"""Counts in words."""

from __future__ import annotations

from canary.plurals import counted


def test_the_noun_agrees_with_the_number() -> None:
    assert [counted(number, "pod") for number in (0, 1, 2, 1200.0)] == ["0 pods", "1 pod", "2 pods", "1,200 pods"]
