"""The tables say what misses a goal."""

from __future__ import annotations

from bench.verdict.candidates import Chosen, cells, table
from bench.verdict.pooled import Pooled
from bench.verdict.report import tables
from bench.verdict.simulate import RULES, Result
from bench.verdict.streams import Cell, grid


def test_candidates_are_compared_with_the_rule_and_cells_above_a_limit_counted() -> None:
    wanted = [cell for cell in cells() if (cell.share, cell.look, cell.ratio) == (0.99, 200, 1)]
    found = [
        Result(cell, rule.name, promoted if cell.kind == "edge" else 1, 0.001, median, 3000)
        for cell in wanted
        for rule, promoted, median in ((Pooled, 0.06, 3000.0), (Chosen, 0.05, 2000.0))
    ]
    lines = table(found, 400).splitlines()
    assert f"Simulated: 400 releases in each of {len(wanted)} cells." in lines
    alike = "6.0 % | 6.0 % | 6.0 % | 6.0 % | 6.0 % | 1 of 1 and 0 of 5 | 0.1 % | 0.1 % | 1.50 | 1.50 | –"
    assert f"| {Pooled.name} | {alike} |" in lines
    assert (
        f"| {Chosen.name} | {alike.replace('6.0', '5.0').replace('1 of 1', '0 of 1').replace('1.50', '1.00')} |"
        in lines
    )


def test_the_report_names_each_cell_that_misses_its_goal() -> None:
    above = (Cell(0.99, "edge", 4, 200), Cell(0.999, "edge", 4, 200, 0.05))
    found = [
        Result(cell, rule.name, (0.085 if cell in above else 0.04) if cell.kind == "edge" else 0, 0, 2000, 3000)
        for cell in grid()
        for rule in RULES
    ]
    text = tables(found, 400)
    assert "2 of 216 cells miss their goal:" in text
    assert "* 99 % good, 200 requests per look, canary traffic 4 × the baseline's, iid: 8.5 %" in text
    assert "* 99.9 % good, 200 requests per look, canary traffic 4 × the baseline's, 0.05: 8.5 %" in text
    assert "| 99 % | 200 | **8.5** | 4 | 4 | 4 | 4 | 4 | 4 | 4 | 4 | 4 |" in text
    assert "None of the 216 cells misses its goal." in tables([replace_promoted(one) for one in found], 400)


def replace_promoted(one: Result) -> Result:
    return Result(one.cell, one.rule, min(one.promoted, 0.04), one.rejected, one.median, one.p95)
