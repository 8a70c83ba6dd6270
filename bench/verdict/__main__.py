"""Simulate the verdict and other rules: `make bench-verdict`.

Writes the tables of docs/verdict.md, docs/verdict.csv and docs/images/verdict.png.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from bench.verdict.candidates import candidates
from bench.verdict.picture import picture
from bench.verdict.relative import relative
from bench.verdict.report import as_csv, durations, tables
from bench.verdict.same_rule import CELLS, difference
from bench.verdict.sample_ratio import sample_ratio
from bench.verdict.simulate import simulate
from bench.verdict.streams import grid
from bench.verdict.unequal import unequal

DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    """Simulate all cells and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="simulate 2,000 releases per cell instead of 400")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--candidates", action="store_true", help="simulate other rules and other constants instead")
    instead.add_argument(
        "--sample-ratio", action="store_true", help="simulate the check for requests without an answer instead"
    )
    instead.add_argument("--relative", action="store_true", help="simulate relative tolerances instead")
    instead.add_argument("--unequal", action="store_true", help="simulate unequal shares of the requests instead")
    parser.add_argument("--print", action="store_true", help="print the tables, and write no file")
    parser.add_argument("--seed", type=int, default=6, help="the same seed gives the same results")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes; default: all cores")
    arguments = parser.parse_args()
    releases, began = 2000 if arguments.full else 400, time.monotonic()
    for cell in CELLS:
        if differs := difference(cell):
            sys.exit(f"the simulated rule differs from canary.verdict: {differs}")
    with ProcessPoolExecutor(arguments.jobs) as pool:
        if arguments.sample_ratio:
            made = {"sample ratio": sample_ratio(arguments.seed)}
        elif arguments.relative:
            made = {"relative": relative(pool, releases, arguments.seed)}
        elif arguments.unequal:
            made = {"unequal": unequal(pool, releases, arguments.seed)}
        elif arguments.candidates:
            made = {"candidates": candidates(pool, releases, arguments.seed)}
        else:
            cells = sorted(grid(), key=lambda cell: -cell.one_look / cell.look)  # the longest first
            found = pool.map(partial(simulate, releases=releases, seed=arguments.seed), cells)
            done = dict(zip(cells, found, strict=True))
            results = [one for cell in grid() for one in done[cell]]
            made = {"tables": tables(results, releases), "durations": durations(pool, releases // 4, arguments.seed)}
            if not arguments.print:
                (DOCS / "verdict.csv").write_text(as_csv(results))
                picture(results, DOCS / "images" / "verdict.png")
    page = DOCS / "verdict.md"
    for what, text in made.items():
        if arguments.print:
            print(text)
        else:
            page.write_text(replaced(page.read_text(), what, text))
    print(f"{time.monotonic() - began:.0f} s, seed {arguments.seed}", file=sys.stderr)


def replaced(page: str, what: str, text: str) -> str:
    """Return the page with a new text between two marks."""
    before, begin, rest = page.partition(f"<!-- {what} -->\n")
    _, end, after = rest.partition(f"<!-- end of {what} -->\n")
    if not begin or not end:
        sys.exit(f"docs/verdict.md: the marks <!-- {what} --> and <!-- end of {what} --> are missing. Add them")
    return f"{before}{begin}\n{text}\n\n{end}{after}"


if __name__ == "__main__":
    main()
