"""The simulated relative tolerance is the driver's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bench.verdict.relative import Relative, tolerance
from bench.verdict.rules import LEAST_REQUESTS
from bench.verdict.streams import Cell, blocks
from canary.verdict.comparison import Decision
from canary.verdict.evidence import Evidence
from canary.verdict.rule import compare_strata
from canary.verdict.strata import Strata

CODES = {Decision.PROMOTE: 1, Decision.REJECT: -1, Decision.UNDECIDED: 0}


@pytest.mark.parametrize(
    "cell",
    [
        Cell(0.9, "equal", 4, 200, 0.01),
        Cell(0.5, "twice", 0.25, 200),
        Cell(0.99, "equal", 1, 200, incident=5),
        Cell(0.99, "twice", 1, 200),
    ],
)
def test_the_simulated_relative_tolerance_decides_as_the_rule_for_releases_does(cell: Cell) -> None:
    simulated, releases, decided = Relative(cell, 10), [Strata(tolerance(cell))] * 10, set()
    for block in itertools.islice(blocks(cell, 10, np.random.default_rng(1)), 2):
        found = simulated.judge(block)
        for row, look in np.ndindex(found.shape):
            sides = (Evidence(float(block.good[i][row, look]), int(block.totals[i][look])) for i in (0, 1))
            releases[row] = strata = releases[row].add(*sides)
            decision = compare_strata(strata).decision
            if decision is Decision.PROMOTE and min(strata.baseline.total, strata.canary.total) < LEAST_REQUESTS:
                decision = Decision.UNDECIDED
            assert found[row, look] == CODES[decision], (row, look)
            decided.add(decision)
    assert len(decided) > 1
