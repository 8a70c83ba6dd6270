"""Counts from a CSV file: one row for each scrape, with the answers since the row before.

    time,baseline_good,baseline_total,canary_good,canary_total
    2026-01-31T12:00:05Z,49,50,48,49
    2026-01-31T12:00:10Z,50,51,50,50

The columns `workload` and `metric` are optional. They tell the rows of several workloads or metrics apart.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from io import StringIO

from canary.errors import InputError
from canary.verdict.evidence import NOTHING, Evidence
from canary.verdict.looks import Counts, Look

TIME = "time"
SIDES = (("baseline_good", "baseline_total"), ("canary_good", "canary_total"))
REQUIRED = (TIME, *(column for side in SIDES for column in side))
OPTIONAL = ("workload", "metric")
HEADER = ",".join(REQUIRED)


def counts_of(text: str, name: str, alpha: float) -> tuple[Counts, ...]:
    """Return the counts of each metric of each workload, without tolerances.

    Args:
        text: the CSV.
        name: of the file, for errors.
        alpha: error level of the verdict.

    Raises:
        InputError: it is not such a CSV. The message says in which line and column.
    """
    rows = csv.reader(StringIO(text, newline=""), strict=True)
    looks: dict[tuple[str, str], list[Look]] = {}
    try:
        columns = _header(next(rows, []), name)
        for row in rows:
            if not row:
                continue
            where = f"{name}:{rows.line_num}"
            if len(row) != len(columns):
                raise InputError(f"{where}: {len(row)} values, but the header has {len(columns)} columns")
            values = dict(zip(columns, row, strict=True))
            key = values.get("workload", ""), values.get("metric", "") or "success"
            known = looks.setdefault(key, [])
            last = known[-1] if known else Look(-math.inf, NOTHING, NOTHING)
            at = _time(values[TIME], where)
            if at <= last.at:
                raise InputError(
                    f"{where}: {TIME} {values[TIME]}: must be later than that of the row before: sort the rows by time"
                )
            baseline, canary = (_evidence(values, side, where) for side in SIDES)
            known.append(
                Look(
                    at,
                    last.baseline.add(baseline.good, baseline.total),
                    last.canary.add(canary.good, canary.total),
                )
            )
    except csv.Error as error:
        raise InputError(f"{name}:{rows.line_num}: is not CSV: {error}") from error
    if not looks:
        raise InputError(f"{name}: has no rows after its header")
    return tuple(Counts(*key, None, alpha, len(looks), tuple(found)) for key, found in looks.items())


def _header(row: list[str], name: str) -> list[str]:
    columns = [column.strip() for column in row]
    for column in columns:
        if column not in REQUIRED + OPTIONAL:
            raise InputError(f"{name}:1: column {column!r} is unknown: the header must be {HEADER}")
    for column in REQUIRED:
        if column not in columns:
            raise InputError(f"{name}:1: there is no column {column}: the header must be {HEADER}")
    if len(set(columns)) < len(columns):
        raise InputError(f"{name}:1: a column occurs twice: the header must be {HEADER}")
    return columns


def _time(text: str, where: str) -> float:
    try:
        at = float(text)
    except ValueError:
        try:
            read = datetime.fromisoformat(text.strip())
            at = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        except ValueError:
            at = math.nan
    if not math.isfinite(at):
        raise InputError(f"{where}: {TIME} {text!r}: must be Unix seconds, or a time such as 2026-01-31T12:00:05Z")
    return at


def _evidence(values: Mapping[str, str], side: tuple[str, str], where: str) -> Evidence:
    good, total = (_count(values[column], column, where) for column in side)
    if good > total:
        raise InputError(f"{where}: {side[0]} {good:g}: is more than {side[1]} {total:g}")
    return Evidence(good, total)


def _count(text: str, column: str, where: str) -> float:
    try:
        count = float(text)
    except ValueError:
        count = math.nan
    if not 0 <= count < math.inf:
        raise InputError(f"{where}: {column} {text!r}: must be a number of requests, 0 or more")
    return count
