"""Whether the simulated rule finds the same as `canary.verdict`, which judges releases."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np

from bench.verdict.ours import Ours
from bench.verdict.rules import LEAST_REQUESTS
from bench.verdict.streams import Cell, blocks
from canary.verdict.comparison import Decision
from canary.verdict.evidence import Evidence
from canary.verdict.rule import compare_strata
from canary.verdict.strata import Strata

CELLS = (
    Cell(0.9, "edge", 1, 20, 0.05),
    Cell(0.5, "better", 1, 20),
    Cell(0.1, "twice", 1, 200),
    Cell(0.99, "edge", 4, 20, clump=5),
    Cell(0.99, "equal", 1, 200, incident=5),
    Cell(0.99, "edge", 1, 200, growth=4.0),
    Cell(0.999, "twice", 4, 200),
    Cell(1.0, "equal", 0.25, 200),
)
NUMBERS = {Decision.PROMOTE: 1, Decision.REJECT: -1, Decision.UNDECIDED: 0}


def difference(cell: Cell, releases: int = 3, looks: int = 150) -> str | None:
    """Return where both differ about this cell, None if they do not.

    Decisions must be equal, and the logarithms of the evidence to nine digits.
    """
    rule, strata = Ours(cell, releases), [Strata(cell.tolerance)] * releases
    for block in islice(blocks(cell, releases, np.random.default_rng(1)), math.ceil(looks / 60)):
        sums = rule.sums(block)
        evidence = rule.log_evidence(block, rule.dispersion(block, sums))
        decisions = rule.decide(block, *evidence, sums.difference / sums.weight)
        for row, look in np.ndindex(decisions.shape):
            scrape = [Evidence(float(block.good[i][row, look]), int(block.totals[i][look])) for i in (0, 1)]
            strata[row] = strata[row].add(scrape[0], scrape[1])
            compared = compare_strata(strata[row])
            decision = compared.decision
            if decision is Decision.PROMOTE and min(compared.baseline.total, compared.canary.total) < LEAST_REQUESTS:
                decision = Decision.UNDECIDED
            simulated = [float(one[row, look]) for one in evidence]
            if NUMBERS[decision] != decisions[row, look] or not np.allclose(
                simulated, strata[row].log_evidence(), rtol=1e-9, atol=1e-9
            ):
                found = f"{decision} with {strata[row].log_evidence()}"
                return f"{cell}, release {row}, look {block.numbers[look]}: {found}; simulated {simulated}"
    return None
