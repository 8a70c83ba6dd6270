"""Reads reports that commands have left in folders: those of this format and of the one before."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from canary.errors import InputError
from canary.report.as_json import FORMAT
from canary.report.past import FILES, JSON, PAST
from canary.report.report import Outcome
from canary.times import parse_timestamp, readable
from canary.verdict.comparison import Comparison, Decision, Verdict
from canary.verdict.evidence import Evidence
from canary.verdict.tolerance import read_tolerance

T = TypeVar("T")

FORMATS = range(1, FORMAT + 1)

PLACES = (JSON, f"{PAST}/*/{JSON}", f"*/{JSON}", f"*/{PAST}/*/{JSON}")
"""Where a folder has reports: in itself, among the earlier ones, and the same in its folders."""


@dataclass(frozen=True)
class StoredReport:
    """What lists and comparisons show of a report.

    Attributes:
        file: its report.json.
        command: that wrote it.
        namespace: of the release.
        workloads: names of the stable Deployments.
        images: that the release asked for.
        outcome: how the command ended.
        error: its error message, empty without one.
        began: Unix seconds.
        ended: Unix seconds.
        decided_by: who decided, empty if nobody did.
        verdict: the last one, None where nothing was compared.
        settings: value of each setting by its key in `canary.yml`.
    """

    file: Path
    command: str
    namespace: str
    workloads: tuple[str, ...]
    images: tuple[str, ...]
    outcome: Outcome
    error: str
    began: float
    ended: float
    decided_by: str
    verdict: Verdict | None
    settings: Mapping[str, Any]

    @property
    def page(self) -> Path:
        """The file for a person: report.html, or report.md where canary was older."""
        return next((one for name in reversed(FILES) if (one := self.file.with_name(name)).exists()), self.file)


@dataclass(frozen=True)
class Found:
    """Reports in some folders.

    Attributes:
        reports: newest first.
        problems: why others cannot be read, each with its place.
    """

    reports: tuple[StoredReport, ...]
    problems: tuple[str, ...]


def find_reports(paths: Iterable[Path]) -> Found:
    """Return the reports in folders. The path of a file of a report is that report alone.

    Raises:
        InputError: there is no such folder.
    """
    reports, problems = [], []
    for file in dict.fromkeys(file.resolve() for path in paths for file in _files(path)):
        try:
            reports.append(read_report(_short(file)))
        except InputError as error:
            problems.append(str(error))
    newest_first = sorted(reports, key=lambda one: (one.began, one.ended, str(one.file)), reverse=True)
    return Found(tuple(newest_first), tuple(problems))


def report_in(path: Path) -> StoredReport:
    """Return the report in a folder: its own one, or the newest of its folders.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    file = path.with_name(JSON) if path.name in FILES else path / JSON
    if file.exists():
        return read_report(file)
    found = find_reports([path])
    if not found.reports:
        raise InputError(found.problems[0] if found.problems else nothing_in([path]))
    return found.reports[0]


def nothing_in(paths: Sequence[Path]) -> str:
    """Return that folders have no report, for an error."""
    return (
        f"{' and '.join(map(str, paths))}: no {JSON} in this folder or its folders: name the folder that you gave to "
        "--report"
    )


def _files(path: Path) -> Iterator[Path]:
    if path.name in FILES and not path.is_dir():
        yield path.with_name(JSON)
        return
    if not path.is_dir():
        what = "is a file, not a folder with reports" if path.exists() else "no such folder"
        raise InputError(f"{path}: {what}: name a folder that you gave to --report")
    for place in PLACES:
        yield from (file for file in sorted(path.glob(place)) if not file.parent.name.startswith("."))


def _short(file: Path) -> Path:
    """Return a path from the current folder where it lies in there, as a person would write it."""
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


def read_report(file: Path) -> StoredReport:
    """Return a report.

    Raises:
        InputError: the file cannot be read, or is not a report. The message says where.
    """
    report = _read(file)
    known = report.get("format")
    if known not in FORMATS:
        formats = " and ".join(map(str, FORMATS))
        raise InputError(f"{file}: format: found {known}, but this canary reads {formats}: use a newer canary")
    field = _Fields(str(file), report)
    verdict = report.get("verdict")
    return StoredReport(
        file,
        field("command", _text, "a string"),
        field("namespace", _text, "a string"),
        field("workloads", _texts, "a list of strings"),
        field("images", _texts, "a list of strings"),
        field("outcome", Outcome, f"one of {', '.join(Outcome)}"),
        field("error", lambda value: "" if value is None else _text(value), "a string or null"),
        field("began", _time, "a time such as 2026-01-31T12:00:00Z"),
        field("ended", _time, "a time such as 2026-01-31T12:00:00Z"),
        field("decided", lambda value: "" if value is None else _text(value["by"]), "null, or who decided what"),
        None if verdict is None else _verdict(f"{file}: verdict", verdict),
        field("settings", lambda value: {key: one["value"] for key, one in value.items()}, "a mapping of settings"),
    )


def _read(file: Path) -> Mapping[str, Any]:
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not UTF-8 text: is it the file as canary wrote it?") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{file}:{error.lineno}:{error.colno}: is not JSON: {error.msg}: is the file complete?"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: is not JSON that canary has written: {error}") from error
    if not isinstance(report, dict):
        raise InputError(f"{file}: is not a report of canary: it must be a JSON object")
    return report


@dataclass(frozen=True)
class _Fields:
    """Reads the fields of an object, and says where one is wrong."""

    where: str
    read: Any

    def __call__(self, key: str, convert: Callable[[Any], T], requirement: str) -> T:
        try:
            return convert(self.read[key])
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise InputError(f"{self.where}: {key}: must be {requirement}: use the file as canary wrote it") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    value.encode()  # half of a surrogate pair, which JSON can have, cannot be shown
    return value


def _time(value: str) -> float:
    at = parse_timestamp(value)
    readable(at)  # in UTC, it may be after the year 9999
    return at


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(value)
    return tuple(map(_text, value))


def _verdict(where: str, read: object) -> Verdict:
    field = _Fields(where, read)
    comparisons = field("comparisons", list, "a list")
    return Verdict(
        field("decision", Decision, f"one of {', '.join(Decision)}"),
        tuple(_comparison(f"{where}.comparisons[{place}]", one) for place, one in enumerate(comparisons)),
        field("sentence", _text, "a string"),
    )


def _comparison(where: str, read: Any) -> Comparison:  # noqa: ANN401 - of JSON
    field = _Fields(where, read)

    def evidence(variant: str) -> Evidence:
        counts = (field(key, lambda one: _finite(one[variant]), "numbers by variant") for key in ("good", "requests"))
        return Evidence(*counts)

    def pair(value: Sequence[float | None]) -> tuple[float, float]:
        low, high = value
        return _finite(low), math.inf if high is None else _finite(high)

    is_relative = isinstance(read, dict) and "ratio_interval" in read
    return Comparison(
        metric=field("metric", _text, "a string"),
        workload=field("workload", _text, "a string"),
        decision=field("decision", Decision, f"one of {', '.join(Decision)}"),
        baseline=evidence("baseline"),
        canary=evidence("canary"),
        difference=field("difference", _number, "a number or null"),
        interval=field("interval", pair, "two numbers"),
        tolerance=field("tolerance", lambda value: None if value is None else read_tolerance(value), "a tolerance"),
        alpha=field("alpha", _finite, "a number"),
        reject_alpha=field("reject_alpha", _finite, "a number"),
        dispersion=field("dispersion", _finite, "a number"),
        sentence=field("sentence", _text, "a string"),
        ratio=field("ratio", _number, "a number or null") if is_relative else None,
        ratio_interval=field("ratio_interval", pair, "two numbers") if is_relative else (0.0, math.inf),
    )


def _number(value: Any) -> float | None:  # noqa: ANN401 - of JSON
    return None if value is None else _finite(value)


def _finite(value: Any) -> float:  # noqa: ANN401 - of JSON
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number
