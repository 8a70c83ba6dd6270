"""Counts of stable in a report are read for pictures; reports without them, from older versions, are read too."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import InputError
from canary.report.as_json import COMPARED_COLUMNS, STABLE_COLUMNS
from canary.report.from_json import counts_of
from canary.verdict.evidence import Evidence

COMPARED = [1_800_000_000, 9, 10, 8, 10]


def report_with(look: list[float | None], columns: tuple[str, ...] = (*COMPARED_COLUMNS, *STABLE_COLUMNS)) -> Any:
    counts = {
        "workload": "app", "metric": "success", "tolerance": 0.1, "alpha": 0.05, "comparisons": 1,
        "saved_until": None, "columns": list(columns), "looks": [look],
    }  # fmt: skip
    return {"format": 2, "counts": [counts]}


@pytest.mark.parametrize(
    ("report", "stable"),
    [
        (report_with([*COMPARED, 90, 100]), Evidence(90, 100)),
        (report_with([*COMPARED, None, None]), None),
        (report_with([*COMPARED], COMPARED_COLUMNS), None),
    ],
    ids=["counted", "not counted", "of an older version"],
)
def test_the_counts_of_stable_are_read_where_a_report_has_them(report: Any, stable: Evidence | None) -> None:
    [look] = counts_of(report, "report.json")[0].looks
    assert (look.baseline, look.canary, look.stable) == (Evidence(9, 10), Evidence(8, 10), stable)


def test_impossible_counts_of_stable_are_refused() -> None:
    with pytest.raises(InputError) as raised:
        counts_of(report_with([*COMPARED, 101, 100]), "report.json")
    assert str(raised.value) == "report.json: counts[0].looks[0]: 101 good of 100 requests of stable"


def test_looks_that_are_not_in_the_order_of_their_times_are_refused() -> None:
    report = report_with([*COMPARED], COMPARED_COLUMNS)
    report["counts"][0]["looks"] *= 2
    with pytest.raises(InputError, match=r"looks\[1\]: its time 1\.8e\+09 must be later than that of the look before$"):
        counts_of(report, "report.json")
