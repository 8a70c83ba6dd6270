"""The simulated streams are those that their cells describe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.verdict.simulate import simulate
from bench.verdict.streams import CHANGE, CLUMP, INCIDENT, Block, Cell, blocks


def first_block(cell: Cell, releases: int) -> Block:
    return next(blocks(cell, releases, np.random.default_rng(1)))


@pytest.mark.parametrize(
    "cell",
    [
        Cell(0.1, "equal", 0.25, 20),
        Cell(0.9, "edge", 4, 200, 0.01),
        Cell(0.99, "twice", 0.25, 200, 0.0, slow=True),
        Cell(0.9, "edge", 1, 200, growth=4.0),
        Cell(0.5, "equal", 1, 200, incident=INCIDENT),
        Cell(0.99, "twice", 1, 200, clump=CLUMP),
    ],
    ids=lambda cell: cell.stream,
)
def test_the_documented_results_can_be_simulated_again(cell: Cell, repository: Path) -> None:
    documented = (repository / "docs" / "verdict.csv").read_text().splitlines()
    fields = [
        f"{cell.share:g}",
        f"{cell.tolerance:g}",
        cell.kind,
        f"{cell.ratio:g}",
        f"{cell.look}",
        cell.stream,
    ]
    for one in simulate(cell, 400, 6):
        prefix = ",".join([*fields, one.rule, ""])
        (line,) = [line for line in documented if line.startswith(prefix)]
        promoted, rejected, _, median, *_ = line.removeprefix(prefix).split(",")
        assert (one.promoted, one.rejected) == (float(promoted), float(rejected))
        assert f"{one.median:.0f}" == median


def test_in_a_shared_incident_half_of_both_variants_answers_are_bad_for_one_look() -> None:
    cell = Cell(0.999, "equal", 4, 200, incident=5)
    block = first_block(cell, 100)
    assert cell.stream == "incident"
    for good, totals in zip(block.good, block.totals, strict=True):
        shares = good.mean(0) / totals
        assert shares[4] == pytest.approx(0.5, abs=0.02)
        assert np.delete(shares, 4).min() > 0.99


def test_changing_traffic_gives_the_canary_more_requests_and_raises_both_shares_together() -> None:
    cell = Cell(0.9, "edge", 0.25, 200, growth=2.0)
    looks = np.array([1, CHANGE, CHANGE + 1, CHANGE + 2])
    baseline, canary = cell.requests(looks)
    assert (baseline.tolist(), canary.tolist()) == ([200] * 4, [50, 50, 100, 100])
    baseline_shares, canary_shares = cell.shares(looks)
    assert baseline_shares.tolist() == pytest.approx([0.8, 0.8, 0.9, 0.9])
    assert (baseline_shares - canary_shares).tolist() == pytest.approx([0.05] * 4)


def test_changing_traffic_begins_at_the_usual_shares_where_lower_ones_would_be_below_zero() -> None:
    baseline, canary = Cell(0.1, "edge", 1, 20, growth=2.0).shares(np.array([CHANGE, CHANGE + 1]))
    assert baseline.tolist() == pytest.approx([0.1, 0.2])
    assert canary.tolist() == pytest.approx([0.05, 0.15])


def test_totals_since_the_beginning_go_on_over_a_change_of_traffic() -> None:
    cell = Cell(0.9, "equal", 1, 20, growth=4.0)
    found = blocks(cell, 3, np.random.default_rng(1))
    first, second = next(found), next(found)
    assert first.requests[1][-1] == 20 * CHANGE
    assert second.requests[1][:2].tolist() == [20 * CHANGE + 80, 20 * CHANGE + 160]
    assert second.sums[1][:, 0].tolist() == (first.sums[1][:, -1] + second.good[1][:, 0]).tolist()


def test_answers_of_a_clump_are_all_good_or_all_bad() -> None:
    block = first_block(Cell(0.5, "equal", 0.25, 20, clump=5), 50)
    assert set(np.unique(block.good[0])) == {0, 5, 10, 15, 20}
    assert set(np.unique(block.good[1])) == {0, 5}
