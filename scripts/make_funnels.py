"""Draw the funnels of two real releases for docs/verdict.md.

    .venv/bin/python -m scripts.make_funnels                                            # draw them again
    .venv/bin/python -m scripts.make_funnels promoted/report.json rejected/report.json  # of two other releases

The reports are those of `canary release --gate auto --report FOLDER`. What the pictures need of them is kept in
docs/images/funnels.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from canary.chart.funnel import draw_funnel
from canary.chart.of_counts import funnel_of
from canary.report.from_json import counts_of
from canary.times import parse_timestamp

IMAGES = Path(__file__).parents[1] / "docs" / "images"
RELEASES = IMAGES / "funnels.json"


def kept(report: dict[str, Any]) -> dict[str, Any]:
    """Return what the picture of a release needs of its report."""
    return {key: report[key] for key in ("format", "version", "outcome", "decided", "counts")}


def draw(releases: dict[str, Any]) -> dict[Path, str]:
    """Return the pictures, by their paths."""
    pictures = {}
    for report in releases.values():
        outcome, decided = report["outcome"], report["decided"]
        [counts] = counts_of(report, RELEASES.name)
        at = max(parse_timestamp(decided["at"]), counts.looks[-1].at)  # a report has whole seconds
        acted = (at, f"{outcome} by the gate {decided['by']}")
        title = f"A release that was {outcome}: the difference of canary and baseline over time"
        svg = draw_funnel(funnel_of(counts, acted=acted), title=title, standalone=True)
        pictures[IMAGES / f"funnel-{outcome}.svg"] = f"{svg}\n"
    return pictures


def main() -> None:
    """Keep what the given reports say, if there are any, and draw."""
    if len(sys.argv) > 1:
        reports = [kept(json.loads(Path(name).read_text())) for name in sys.argv[1:]]
        lines = ",\n".join(f'"{one["outcome"]}": {json.dumps(one)}' for one in reports)
        RELEASES.write_text(f"{{\n{lines}\n}}\n")
    for path, svg in draw(json.loads(RELEASES.read_text())).items():
        path.write_text(svg)


if __name__ == "__main__":
    main()
