"""Simulate the verdict and other rules: `make bench-verdict`.

Writes the tables of docs/verdict.md, docs/verdict.csv and docs/images/verdict.png. With --stratified, prints a table of
the rule and of candidates that compare within each scrape, where incidents and changes of traffic reach both variants.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from bench.verdict.by_stream import by_stream
from bench.verdict.candidates import candidates
from bench.verdict.guarded import GuardedEProcess
from bench.verdict.relative import relative
from bench.verdict.report import as_csv, durations, picture, tables
from bench.verdict.rules import LEAST_REQUESTS
from bench.verdict.sample_ratio import sample_ratio
from bench.verdict.simulate import simulate
from bench.verdict.streams import Cell, blocks, grid
from canary.verdict.evidence import Evidence
from canary.verdict.rule import Decision, compare_strata
from canary.verdict.strata import Strata

DOCS = Path(__file__).parents[2] / "docs"


def same_rule() -> None:
    """Exit if the simulated rule differs from the rule for releases."""
    for cell in (Cell(0.9, "edge", 1, 20, 0.05), Cell(0.999, "twice", 4, 200), Cell(1.0, "equal", 0.25, 20)):
        rule, releases = GuardedEProcess(cell, 20), [Strata(cell.tolerance)] * 20
        for block in itertools.islice(blocks(cell, 20, np.random.default_rng(1)), 2):
            found = rule.judge(block)
            for row, look in np.ndindex(found.shape):
                sides = (Evidence(float(block.good[i][row, look]), int(block.totals[i][look])) for i in (0, 1))
                releases[row] = strata = releases[row].add(*sides)
                decision = compare_strata(strata).decision
                if decision is Decision.PROMOTE and min(strata.baseline.total, strata.canary.total) < LEAST_REQUESTS:
                    decision = Decision.UNDECIDED
                if found[row, look] != {Decision.PROMOTE: 1, Decision.REJECT: -1, Decision.UNDECIDED: 0}[decision]:
                    sys.exit(f"the simulated rule differs from canary.verdict: {cell}, {strata}")


def main() -> None:
    """Simulate all cells and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="simulate 2,000 releases per cell instead of 400")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--candidates", action="store_true", help="simulate other constants of our rule instead")
    instead.add_argument(
        "--stratified",
        action="store_true",
        help="print a table instead, of the rule and of candidates that compare within each scrape: A (the rule by "
        "scrape), B (an e-process), their blend, and both with more distrust of few errors; with independent and "
        "correlated answers, clumps, a shared incident, and traffic that changes",
    )
    instead.add_argument(
        "--sample-ratio", action="store_true", help="simulate the check for requests without an answer instead"
    )
    instead.add_argument("--relative", action="store_true", help="simulate relative tolerances instead")
    parser.add_argument("--seed", type=int, default=6, help="the same seed gives the same results")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes; default: all cores")
    arguments = parser.parse_args()
    releases, began = 2000 if arguments.full else 400, time.monotonic()
    same_rule()
    if arguments.stratified:
        with ProcessPoolExecutor(arguments.jobs) as pool:
            print(by_stream(pool, releases, arguments.seed))
        print(f"{time.monotonic() - began:.0f} s, seed {arguments.seed}", file=sys.stderr)
        return
    page = DOCS / "verdict.md"
    if arguments.sample_ratio:
        page.write_text(replaced(page.read_text(), "sample ratio", sample_ratio(arguments.seed)))
        print(f"{time.monotonic() - began:.0f} s: docs/verdict.md")
        return
    if arguments.candidates:
        with ProcessPoolExecutor(arguments.jobs) as pool:
            table = candidates(pool, releases, arguments.seed)
        page.write_text(replaced(page.read_text(), "candidates", table))
        print(f"{time.monotonic() - began:.0f} s: docs/verdict.md")
        return
    if arguments.relative:
        with ProcessPoolExecutor(arguments.jobs) as pool:
            page.write_text(replaced(page.read_text(), "relative", relative(pool, releases, arguments.seed)))
        print(f"{time.monotonic() - began:.0f} s: docs/verdict.md")
        return
    cells = sorted(grid(), key=lambda cell: -cell.one_look / cell.look)  # the longest first
    with ProcessPoolExecutor(arguments.jobs) as pool:
        done = dict(zip(cells, pool.map(partial(simulate, releases=releases, seed=arguments.seed), cells), strict=True))
    results = [one for cell in grid() for one in done[cell]]
    (DOCS / "verdict.csv").write_text(as_csv(results))
    picture(results, DOCS / "images" / "verdict.png")
    page.write_text(replaced(replaced(page.read_text(), "tables", tables(results, releases)), "durations", durations()))
    print(f"{len(cells)} cells in {time.monotonic() - began:.0f} s: docs/verdict.md, verdict.csv, images/verdict.png")


def replaced(page: str, what: str, text: str) -> str:
    """Return the page with a new text between two marks."""
    before, begin, rest = page.partition(f"<!-- {what} -->\n")
    _, end, after = rest.partition(f"<!-- end of {what} -->\n")
    if not begin or not end:
        sys.exit(f"docs/verdict.md: the marks <!-- {what} --> and <!-- end of {what} --> are missing. Add them")
    return f"{before}{begin}\n{text}\n\n{end}{after}"


if __name__ == "__main__":
    main()
