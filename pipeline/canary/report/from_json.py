"""Reads the counts of a report again, to judge them by other settings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from canary.errors import InputError
from canary.report.as_json import COMPARED_COLUMNS, STABLE_COLUMNS
from canary.verdict.evidence import Evidence
from canary.verdict.looks import Counts, Look
from canary.verdict.tolerance import read_tolerance


def counts_of(report: Mapping[str, Any], name: str) -> tuple[Counts, ...]:
    """Return the counts of a report of any format.

    Args:
        report: the content of `report.json`.
        name: of the file, for errors.

    Raises:
        InputError: it is not the report of a release, or nothing was compared.
    """
    found = report.get("counts")
    if not isinstance(found, list):
        raise InputError(f"{name}: counts: must be a list, as `canary release --report FOLDER` writes it")
    if not any(isinstance(one, dict) and one.get("looks") for one in found):
        raise InputError(
            f"{name}: the release compared nothing, so there are no counts to replay: choose the report of another one"
        )
    return tuple(_counts(one, f"{name}: counts[{place}]") for place, one in enumerate(found))


def _counts(read: Any, where: str) -> Counts:  # noqa: ANN401 - of JSON
    try:
        names = read["columns"]
        columns = [names.index(column) for column in COMPARED_COLUMNS]
        of_stable = [names.index(column) for column in STABLE_COLUMNS if column in names]
        rows, tolerance, saved_until = read["looks"], read["tolerance"], read.get("saved_until")
        return Counts(
            str(read["workload"]),
            str(read["metric"]),
            None if tolerance is None else read_tolerance(tolerance),
            float(read["alpha"]),
            int(read["comparisons"]),
            tuple(_looks(rows, columns, of_stable, where)),
            None if saved_until is None else float(saved_until),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{where}: is not as canary writes it ({what}): use the file as it was written") from error


def _looks(rows: list[list[Any]], columns: list[int], of_stable: list[int], where: str) -> Iterator[Look]:
    last = -math.inf
    for place, row in enumerate(rows):
        try:
            at, *counts = (float(row[column]) for column in columns)
            others = [float(row[column]) for column in of_stable if row[column] is not None]
        except (IndexError, TypeError, ValueError) as error:
            raise InputError(f"{where}.looks[{place}]: must have a number for each of columns; found {row}") from error
        baseline, canary = Evidence(*counts[:2]), Evidence(*counts[2:])
        stable = Evidence(*others) if len(others) == len(STABLE_COLUMNS) else None
        for variant, one in (("the baseline", baseline), ("the canary", canary), ("stable", stable)):
            if one is not None and not 0 <= one.good <= one.total < math.inf:
                raise InputError(f"{where}.looks[{place}]: {one.good:g} good of {one.total:g} requests of {variant}")
        if not last < at < math.inf:
            raise InputError(f"{where}.looks[{place}]: its time {at:g} must be later than that of the look before")
        last = at
        yield Look(at, baseline, canary, stable)
