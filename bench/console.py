"""Measure what an update of the console takes, and check its limits: `make bench-console`.

The release is made up (tests/canary/console/overviews.py): ten metrics with a thousand scrapes each, and a new scrape
of all metrics before each update. The figures are the server's CPU time from a request to its answer, which other work
on the machine hardly changes, and the time that the page's script takes in Chromium to show the answer. Exits with 1
when one of them, or the size of the page, is above its limit.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from canary.console.app import make_app
from canary.console.security import Access
from canary.release.overview import MetricOverview, Overview
from tests.browser import browser, executable
from tests.canary.console.fake_desk import FakeDesk
from tests.canary.console.overviews import AGAINST, REJECT, WATCH, metric, overview, workload
from tests.canary.console.serving import serving

METRICS, SCRAPES, UPDATES = 10, 1000, 20
MOST_BYTES, MOST_CPU, MOST_SCRIPT = 300_000, 100.0, 50.0
"""Bytes of a page, milliseconds of the server's CPU, and milliseconds of script."""


def growing() -> Iterator[Overview]:
    """Yield overviews, each with one more scrape of all metrics than the one before."""
    whole = [metric(f"metric-{n}", looks=SCRAPES + UPDATES, comparisons=METRICS) for n in range(METRICS)]
    for scrapes in range(SCRAPES, SCRAPES + UPDATES + 1):
        metrics = [_until(one, scrapes) for one in whole]
        yield overview(workload(*metrics, choices=(AGAINST, REJECT, WATCH)))


def _until(one: MetricOverview, scrapes: int) -> MetricOverview:
    return replace(one, counts=replace(one.counts, looks=one.counts.looks[:scrapes]))


def server(overviews: list[Overview]) -> tuple[int, list[float]]:
    """Return the bytes of a page, and the milliseconds of CPU that each update takes."""
    desk, access = FakeDesk(overviews[0]), Access()
    client = make_app(desk, access=access, reports=None, person="ada").test_client()
    client.get(f"/?token={access.token}")
    size = len(client.get("/").data)
    took = []
    for desk.shown in overviews[1:]:
        began = time.process_time()
        assert client.get("/live").status_code == 200
        took.append((time.process_time() - began) * 1000)
    return size, took


def script(overviews: list[Overview]) -> list[float]:
    """Return the milliseconds that the page's script takes for each update."""
    desk, took = FakeDesk(overviews[0]), []
    with browser() as chromium, serving(desk, poll=0.2) as console:
        page = chromium.new_page()
        page.goto(console.address)
        for number, desk.shown in enumerate(overviews[1:], 1):
            page.locator(f"#page[data-updates='{number}']").wait_for()
            took.append(float(page.evaluate("document.getElementById('page').dataset.took")))
    return took


def main() -> int:
    """Measure, print a table and return the exit code."""
    overviews = list(growing())
    size, cpu = server(overviews)
    rows = [("page", [float(size)], MOST_BYTES, "bytes"), ("CPU of the server", cpu, MOST_CPU, "ms")]
    if executable():
        rows.append(("script in the page", script(overviews), MOST_SCRIPT, "ms"))
    else:
        print("the script is not measured: no Chromium is installed")
    failed = False
    for name, values, limit, unit in rows:
        median = statistics.median(values)
        failed |= median >= limit
        print(f"{name:20} median {median:9,.1f} {unit}, most {max(values):9,.1f} {unit}, limit {limit:9,.0f} {unit}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
