"""Unequal shares: the streams divide the same requests, and the documented figures are those of the simulation."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.verdict.report import percent
from bench.verdict.simulate import Result, simulate
from bench.verdict.streams import CHANGE, Cell, blocks
from bench.verdict.unequal import KINDS, RATIOS, TESTED, alarmed, cells, divided, table, together, with_testers

STREAMS = ["iid", "0.01", "0.05", "slow", "clumps of 5", "incident", "traffic × 0.25", "traffic × 4"]


def documented(repository: Path) -> Iterator[list[str]]:
    """The rows of all tables with unequal shares."""
    _, _, after = (repository / "docs" / "verdict.md").read_text().partition("<!-- unequal -->")
    for line in after.partition("<!-- end of unequal -->")[0].splitlines():
        if line.startswith("| "):
            yield [entry.strip().replace("**", "") for entry in line.strip("|").split("|")]


def promoted(repository: Path) -> dict[tuple[str, str, str], list[str]]:
    """The documented canaries at the edge that are promoted, by share, requests per look and stream."""
    rows = documented(repository)
    assert next(rows) == ["good", "requests per look", *STREAMS]
    found: dict[tuple[str, str, str], list[str]] = {}
    for share, look, *entries in rows:
        if share == "good":
            return found
        found |= {
            (share, look, stream): entry.split(" / ")
            for stream, entry in zip(STREAMS, entries, strict=False)
            if "---" not in entry
        }
    raise AssertionError("no table follows")


def test_each_stream_gives_the_canary_the_ratio_and_both_as_many_requests_as_equal_shares_do() -> None:
    for cell in cells():
        baseline, canary = cell.requests(np.arange(1, CHANGE + 1))
        assert np.all(canary == cell.ratio * baseline), cell
        assert np.all(baseline + canary == together(cell)), cell
    assert {together(cell) for cell in cells()} == {40, 400}


def test_every_stream_and_kind_has_each_ratio() -> None:
    found = {(cell.share, together(cell), cell.stream, cell.kind, cell.ratio) for cell in cells()}
    assert len(found) == len(cells()) == 6 * 2 * len(STREAMS) * len(KINDS) * len(RATIOS)
    assert [cell.stream for cell in cells() if cell.share == 0.5 and cell.ratio == 1][:8] == STREAMS


def test_dividing_the_requests_changes_nothing_else() -> None:
    cell = Cell(0.99, "edge", 1, 200, incident=5)
    assert divided(cell, 4) == Cell(0.99, "edge", 4, 80, incident=5)
    assert divided(cell, 0.25) == Cell(0.99, "edge", 0.25, 320, incident=5)
    assert divided(divided(cell, 4), 1) == cell


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("clump", [1, 5])
def test_the_answers_have_the_true_shares_at_each_ratio(ratio: float, clump: int) -> None:
    cell = divided(Cell(0.9, "twice", 1, 200, clump=clump), ratio)
    block = next(blocks(cell, 200, np.random.default_rng(1)))
    shares = [good.mean() / total.mean() for good, total in zip(block.good, block.totals, strict=True)]
    assert shares == pytest.approx([0.9, 0.8], abs=0.005)


def test_testers_move_the_canarys_share_by_their_part_of_its_requests() -> None:
    looks = np.arange(1, 4)
    for better, expected in ((-1.0, 0.99 - 0.0075), (0.5, 0.99 + 0.00375)):
        baseline, canary = with_testers("equal", better).shares(looks)
        assert baseline.tolist() == [0.99] * 3
        assert canary.tolist() == pytest.approx([expected] * 3)
    assert with_testers("equal", 0) == TESTED


def test_worse_requests_of_testers_reject_an_equal_canary_and_better_ones_promote_one_at_the_edge() -> None:
    (equal, *_), (edge, *_) = simulate(with_testers("equal", -2), 50, 1), simulate(with_testers("edge", 1), 50, 1)
    assert equal.rejected > 0.5
    assert edge.promoted > 0.9


def test_promote_is_withheld_only_if_one_variant_gets_more_than_four_times_the_requests_of_the_other() -> None:
    assert not alarmed(4, 20, seed=1).any()
    assert not alarmed(1 / 4, 20, seed=1).any()
    assert alarmed(6, 20, seed=1).all()
    assert alarmed(1 / 6, 20, seed=1).all()


@pytest.mark.parametrize(
    "cell",
    [
        Cell(0.1, "edge", 4, 80),
        Cell(0.9, "edge", 0.25, 320, 0.05),
        Cell(0.99, "edge", 4, 80, incident=5),
        Cell(0.5, "edge", 0.25, 32, clump=5),
    ],
    ids=lambda cell: f"{cell.stream}-{cell.ratio:g}",
)
def test_the_documented_figures_can_be_simulated_again(cell: Cell, repository: Path) -> None:
    figures = promoted(repository)[f"{cell.share * 100:g} %", f"{together(cell)}", cell.stream]
    assert percent(simulate(cell, 400, 6)[0].promoted) == figures[RATIOS.index(cell.ratio)]


def test_the_figures_with_equal_shares_are_those_of_the_other_tables(repository: Path) -> None:
    with (repository / "docs" / "verdict.csv").open() as file:
        known = {
            (f"{float(one['good']) * 100:g} %", f"{2 * int(one['look'])}", one["answers"]): float(one["promoted"])
            for one in csv.DictReader(file)
            if (one["rule"], one["canary"], one["traffic"]) == ("ours", "edge", "1")
        }
    found = promoted(repository)
    assert len(found) == 6 * 2 * len(STREAMS)
    assert {key: figures[1] for key, figures in found.items()} == {key: percent(known[key]) for key in found}


def result(cell: Cell, promoted: float = 0.0, rejected: float = 0.0, median: float = 1000.0) -> Result:
    return Result(cell, "ours", promoted, rejected, median, median)


def test_the_tables_say_which_ratio_misses_a_goal_and_what_it_costs() -> None:
    medians = {0.25: 1600.0, 1: 1000.0, 4: 640.0}  # of the baseline alone
    found = []
    for cell in cells():
        above = cell.kind == "edge" and cell.ratio == 4 and cell.share == 0.99 and together(cell) == 40
        share = 1 if cell.kind == "equal" else 0.06 if above else 0.04  # most of those twice as far stay undecided
        found.append(result(cell, share, median=medians[cell.ratio]))
    found += [
        result(with_testers(kind, better), 0.5) for kind in ("equal", "edge") for better in (-2, -1, -0.5, 0.5, 1)
    ]
    lines = table(found, 400).splitlines()
    assert lines[0].startswith(f"Simulated: 400 releases in each of {len(cells())} cells.")
    assert lines[2].endswith("0 / 0 / 1 of 96 cells miss them (bold).")
    assert "| 99 % | 40 | 4 / 4 / **6** |" + 7 * " 4 / 4 / 6 |" in lines
    assert "| 99 % | 400 |" + 8 * " 4 / 4 / 4 |" in lines
    assert "| 99 % | 400 | 0 / 0 / 0 | 0 / 0 / 0 | 4 / 4 / 4 | 0 / 0 / 0 | 96 / 96 / 96 |" in lines
    assert "| 99 % | 400 |" + 2 * " 1.00 / 1.60 |" + 2 * " – / – |" in lines
    assert "| −2 points | 50 | 0 | 50 | 0 |" in lines
