"""The simulated rule is the one that judges releases."""

from __future__ import annotations

import pytest

from bench.verdict.ours import Ours
from bench.verdict.same_rule import CELLS, difference
from bench.verdict.streams import Cell


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.share:g}-{cell.kind}-{cell.stream}")
def test_the_simulated_rule_finds_the_same_evidence_and_decision_as_the_rule_for_releases(cell: Cell) -> None:
    assert difference(cell, 2, 120) is None


@pytest.mark.parametrize(
    ("constant", "value"), [("most", 5), ("caution", 7), ("least_told", 15), ("correlation", 0.04)]
)
def test_a_rule_with_another_constant_is_found(constant: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ours, constant, value)
    found = [difference(cell, 2, 120) for cell in CELLS]
    assert any(found)


def test_a_rule_that_decides_at_another_threshold_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ours, "reject_share", 1)
    assert difference(Cell(0.9, "twice", 1, 20)) is not None
