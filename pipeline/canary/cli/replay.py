"""`canary verdict --replay`: what the rule says about counts of the past, at several tolerances."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from canary.cli.render import columns, print_result
from canary.cli.session import Session
from canary.errors import InputError
from canary.metrics import csv_counts, range_query
from canary.plurals import counted
from canary.printable import printable
from canary.report import from_json
from canary.settings.settings import SETTINGS
from canary.terminal.bar import signed
from canary.times import duration, readable
from canary.verdict.as_json import ratio_as_json
from canary.verdict.comparison import Comparison
from canary.verdict.evidence import number
from canary.verdict.looks import Counts
from canary.verdict.multiples import times
from canary.verdict.replay import Replay, replay
from canary.verdict.tolerance import Multiple, Tolerance, tolerance_as_json
from canary.verdict.wording import precision

MANY = 5
"""Rows that do not each have more requests than the one before by chance."""

FACTORS = (0.5, 1.0, 2.0)
"""Tolerances that are tried if none is given, as multiples of the one that the release or the settings have."""


@dataclass(frozen=True)
class Recording:
    """What a file has.

    Attributes:
        kind: `report`, `prometheus` or `csv`.
        counts: of each metric of each workload.
    """

    kind: str
    counts: tuple[Counts, ...]


def show_replay(given: Mapping[str, Any], path: str, tolerances: Sequence[str]) -> None:
    """Print what the rule says about the counts in a file, at several tolerances.

    Args:
        given: click's parameters.
        path: of the file, `-` for stdin.
        tolerances: texts of --tolerance, none for some around the release's own.

    Raises:
        InputError: the file cannot be read, or nothing says a tolerance.
    """
    with Session({**given, "tolerance": None}) as session:
        recording = read = _read(path, session)
        alpha = session.settings.alpha
        if recording.kind != "report" or session.resolved.sources["alpha"] == SETTINGS["alpha"].flag:
            recording = replace(recording, counts=tuple(replace(one, alpha=alpha) for one in recording.counts))
        default = session.settings.tolerance
    own = _with_tolerance(recording.counts, default)
    chosen = [_tolerance(text) for text in tolerances]
    is_complete = all(one.tolerance is not None for one in own)
    if not chosen and not is_complete:
        raise InputError(f"{_shown(path)} has no tolerance of its own: add --tolerance, such as --tolerance 0.05")
    variants = [own] if is_complete and (recording.kind == "report" or not chosen) else []
    variants += [[replace(one, tolerance=tolerance) for one in own] for tolerance in chosen]
    if not chosen:
        variants = [[_scaled(one, factor) for one in own] for factor in FACTORS]
    replays = [replay(counts) for counts in _sorted(variants)]
    released = _with_tolerance(read.counts, default) if recording.kind == "report" else []
    if print_result(given, _as_json(path, recording, replays, released)):
        return
    for line in _as_text(path, replays, released):
        click.echo(printable(line))
    for note in _notes(recording):
        click.echo(printable(f"canary: {note}"), err=True)


def _with_tolerance(counts: Sequence[Counts], default: Tolerance | None) -> list[Counts]:
    return [one if one.tolerance is not None else replace(one, tolerance=default) for one in counts]


def _read(path: str, session: Session) -> Recording:
    """Return what a file has. Its content says which kind it is."""
    name = _shown(path)
    try:
        text = (sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 text: --replay reads JSON and CSV") from error
    if not text.strip():
        raise InputError(f"{name}: is empty")
    if not text.lstrip().startswith(("{", "[")):
        return Recording("csv", csv_counts.counts_of(text, name, session.settings.alpha))
    try:
        read = json.loads(text)
    except ValueError as error:
        at = f":{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise InputError(f"{name}{at}: is not JSON: {what}: is the file complete?") from error
    if isinstance(read, dict) and "counts" in read:
        return Recording("report", from_json.counts_of(read, name))
    if isinstance(read, dict) and "status" in read:
        counts = range_query.counts_of(read, name, session.measures, session.settings.alpha)
        return Recording("prometheus", counts)
    raise InputError(
        f"{name}: is neither a report.json of canary (it has no key counts) nor an answer of Prometheus (it has no key "
        "status); see canary verdict --help"
    )


def _shown(path: str) -> str:
    return "stdin" if path == "-" else path


def _tolerance(text: str) -> Tolerance:
    setting = SETTINGS["tolerance"]
    try:
        tolerance: Tolerance = setting.value_type.read_text(text)
    except ValueError as error:
        raise InputError(f"{setting.flag} {text}: must be {setting.value_type.requirement}") from error
    return tolerance


def _scaled(one: Counts, factor: float) -> Counts:
    if isinstance(one.tolerance, Multiple):
        return replace(one, tolerance=Multiple(1 + factor * (one.tolerance.times - 1)))
    return replace(one, tolerance=min(1.0, factor * (one.tolerance or 0.0)))


def _sorted(variants: Sequence[Sequence[Counts]]) -> list[Sequence[Counts]]:
    """Return the variants with the smallest tolerance first, each once. Relative ones come after absolute ones."""
    by_tolerance = {tuple(_size(one.tolerance) for one in counts): counts for counts in variants}
    return [counts for _, counts in sorted(by_tolerance.items())]


def _size(tolerance: Tolerance | None) -> tuple[bool, float]:
    if isinstance(tolerance, Multiple):
        return True, tolerance.times
    return False, tolerance or 0.0


def _as_text(path: str, replays: Sequence[Replay], released: Sequence[Counts]) -> Iterator[str]:
    moments = [at for at, _ in replays[0].verdicts]
    looks = counted(len(moments), "look")
    yield f"{_shown(path)}: {looks} in {_time(moments[-1] - moments[0])}, from {readable(moments[0])}"
    several = len(replays[0].counts) > 1
    rows = [("tolerance", *([""] if several else []), "decision", "after", "requests", "difference", "interval")]
    for one in replays:
        place = len(one.verdicts) - 1 if one.decided is None else one.decided
        at, verdict = one.verdicts[place]
        after = _time(at - moments[0]) if one.decided is not None else "-"
        mark = " (as released)" if released and list(one.counts) == list(released) else ""
        if several:
            rows.append((f"all{mark}" if mark else "all", "", str(verdict.decision), after, "", "", ""))
        for comparison in verdict.comparisons:
            shown = SETTINGS["tolerance"].show(comparison.tolerance)
            names = [_name(comparison, one.counts)] if several else []
            cells = (str(comparison.decision), "" if several else after, *_numbers(comparison))
            rows.append((("  " if several else "") + shown + ("" if several else mark), *names, *cells))
    yield from columns(rows)


def _name(comparison: Comparison, counts: Sequence[Counts]) -> str:
    several = len({one.workload for one in counts}) > 1
    return f"{comparison.workload} {comparison.metric}" if several else comparison.metric


def _numbers(comparison: Comparison) -> tuple[str, str, str]:
    """Return requests of baseline and canary, the difference and its interval."""
    requests = f"{comparison.baseline.total:,.0f} + {comparison.canary.total:,.0f}"
    if comparison.difference is None:
        return requests, "-", "-"
    if isinstance(comparison.tolerance, Multiple):
        found = None if comparison.ratio is None else times(comparison.ratio, comparison.tolerance)
        low, high = (times(end, comparison.tolerance) for end in comparison.ratio_interval)
        return requests, "-" if found is None else f"{found} times the errors", f"{low} to {high}"
    digits = precision(comparison)
    low, high = (signed(end, digits) for end in comparison.interval)
    return requests, f"{signed(comparison.difference, digits)} points", f"{low} to {high}"


def _time(seconds: float) -> str:
    return duration(round(seconds) if seconds >= 1 else seconds)


def _notes(recording: Recording) -> Iterator[str]:
    """Yield what to know about the counts of a file."""
    if any(one.saved_until is not None for one in recording.counts):
        yield (
            "note: some looks come from the cluster, which saves at most 256 of them. The release itself saw more, so "
            "it may have decided at another time"
        )
    if recording.kind == "csv" and any(map(_grows, recording.counts)):
        yield (
            "note: the counts grow from row to row. Are they cumulative? A row must have only the answers since the "
            "row before"
        )


def _grows(counts: Counts) -> bool:
    """Return whether each row has more requests of both variants than the row before, as cumulative counts have."""
    totals = [(look.baseline.total, look.canary.total) for look in counts.looks]
    rows = [(now[0] - before[0], now[1] - before[1]) for before, now in pairwise([(0.0, 0.0), *totals])]
    pairs = list(pairwise(rows))
    return len(pairs) >= MANY and all(one[0] < other[0] and one[1] < other[1] for one, other in pairs)


def _as_json(path: str, recording: Recording, replays: Sequence[Replay], released: Sequence[Counts]) -> dict[str, Any]:
    return {
        "file": path,
        "format": recording.kind,
        "replays": [
            {
                "as_released": bool(released) and list(one.counts) == list(released),
                "decision": str(one.verdicts[one.decided][1].decision if one.decided is not None else "UNDECIDED"),
                "decided": None if one.decided is None else _look(one, one.decided),
                "comparisons": [
                    {
                        "workload": counts.workload,
                        "metric": counts.metric,
                        "tolerance": tolerance_as_json(counts.tolerance),
                        "alpha": counts.alpha,
                        "looks": [
                            _comparison(at, one.verdicts[0][0], verdict.comparisons[place])
                            for at, verdict in one.verdicts
                        ],
                    }
                    for place, counts in enumerate(one.counts)
                ],
            }
            for one in replays
        ],
    }


def _look(one: Replay, place: int) -> dict[str, Any]:
    at, verdict = one.verdicts[place]
    return {"look": place + 1, "at": at, "after": at - one.verdicts[0][0], "sentence": verdict.sentence}


def _comparison(at: float, began: float, comparison: Comparison) -> dict[str, Any]:
    return {
        "at": at,
        "after": at - began,
        "difference": comparison.difference,
        "interval": list(comparison.interval),
        **ratio_as_json(comparison),
        "decision": str(comparison.decision),
        "requests": {"baseline": number(comparison.baseline.total), "canary": number(comparison.canary.total)},
    }
