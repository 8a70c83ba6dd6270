"""`canary report`: lists past reports, and compares two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from canary.errors import ExitCode
from canary.events import Decided, Judged, Promoted, Rejected
from canary.report.folder import write
from canary.verdict.tolerance import Multiple
from tests.canary.commandline import CommandLine
from tests.canary.report.made_up import BEGAN, SETTINGS, MadeUp

NEWEST = "canary-report/report.html"
EARLIER = "canary-report/past/20270115T080000Z-release-rejected/report.html"


def promoted(folder: Path, at: float = 0.0) -> None:
    made = MadeUp(now=BEGAN + at)
    made.deploy()
    made.tell(Judged(made.look(200)), Decided(promote=True, by="ada"), Promoted("app", made.images), after=2)
    write(folder, made.report())


def rejected(folder: Path, at: float = 0.0, **values: Any) -> None:
    settings = SETTINGS | {key: {"value": one, "source": "--x"} for key, one in values.items()}
    made = MadeUp({("app", "success"): 0.8}, now=BEGAN + at, images=("app:3",), settings=settings)
    made.deploy()
    made.tell(Judged(made.look(60)), Decided(promote=False, by="auto"), Rejected("app", "worse"), after=2)
    write(folder, made.report(ExitCode.REJECTED))


def test_reports_are_listed_with_the_newest_first(command_line: CommandLine) -> None:
    rejected(command_line.folder / "canary-report")
    promoted(command_line.folder / "canary-report", 3600)
    result = command_line("report")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "began                    workloads  images  command  outcome   verdict                    decided by  page",
        "2027-01-15 09:00:00 UTC  app        app:2   release  promoted  PROMOTE, 0.6 points worse  ada         "
        + NEWEST,
        "2027-01-15 08:00:00 UTC  app        app:3   release  rejected  REJECT, 19.2 points worse  auto        "
        + EARLIER,
    ]


def test_the_list_as_json_has_the_whole_verdict(command_line: CommandLine) -> None:
    rejected(command_line.folder / "out")
    [report] = command_line("report", "out", "-o", "json").json()["reports"]
    assert report | {"verdict": None} == {
        "file": "out/report.json",
        "page": "out/report.html",
        "command": "release",
        "namespace": "shop",
        "workloads": ["app"],
        "images": ["app:3"],
        "outcome": "rejected",
        "error": None,
        "decided_by": "auto",
        "began": "2027-01-15T08:00:00Z",
        "ended": "2027-01-15T08:05:08Z",
        "verdict": None,
        "brief": "REJECT, 19.2 points worse",
    }
    assert report["verdict"] == json.loads((command_line.folder / "out/report.json").read_text())["verdict"]


@pytest.mark.parametrize("how", ["default", "setting", "variable", "folder", "parent", "file"])
def test_reports_are_found_where_they_are(how: str, command_line: CommandLine) -> None:
    promoted(command_line.folder / ("canary-report" if how == "default" else "artifacts/one"))
    if how == "setting":
        command_line.write("canary.yml", "report: artifacts/one\n")
    environment = {"CANARY_REPORT": "artifacts/one"} if how == "variable" else {}
    named = {"folder": ["artifacts/one"], "parent": ["artifacts"], "file": ["artifacts/one/report.html"]}
    result = command_line("report", *named.get(how, []), "-o", "json", environment=environment)
    assert [one["outcome"] for one in result.json()["reports"]] == ["promoted"]


def test_a_report_of_the_former_format_is_listed_and_compared(command_line: CommandLine) -> None:
    promoted(command_line.folder / "out")
    path = command_line.folder / "out/report.json"
    report = json.loads(path.read_text())
    del report["forecast"]
    for counts in report["counts"]:
        counts["columns"][3:3] = ["baseline scrapes", "baseline spread"]
    path.write_text(json.dumps(report | {"format": 1}))
    (command_line.folder / "out/report.html").unlink()  # canary was older
    rejected(command_line.folder / "new")
    assert (
        command_line("report", "out")
        .out.splitlines()[1]
        .endswith("PROMOTE, 0.6 points worse  ada         out/report.md")
    )
    assert command_line("report", "--compare", "out", "new").code == 0


BROKEN = {
    "": "out/past/x/report.json:1:1: is not JSON: Expecting value: is the file complete?",
    '{"format": 2': "out/past/x/report.json:1:13: is not JSON: Expecting ',' delimiter: is the file complete?",
    "[]": "out/past/x/report.json: is not a report of canary: it must be a JSON object",
    '{"format": 3}': "out/past/x/report.json: format: found 3, but this canary reads 1 and 2: use a newer canary",
    "{}": "out/past/x/report.json: format: found None, but this canary reads 1 and 2: use a newer canary",
    '{"format": 2}': "out/past/x/report.json: command: must be a string: use the file as canary wrote it",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_report_is_named_with_its_place_and_the_others_are_listed(
    text: str, command_line: CommandLine
) -> None:
    promoted(command_line.folder / "out")
    command_line.write("out/past/x/report.json", text)
    result = command_line("report", "out")
    assert (result.code, len(result.out.splitlines())) == (0, 2)
    assert result.err == f"canary: warning: {BROKEN[text]}\n"
    assert command_line("report", "out", "-o", "json").json()["problems"] == [BROKEN[text]]


CHANGES: list[tuple[list[Any], Any, str]] = [
    (["outcome"], "won", "outcome: must be one of promoted, rejected, watched, "),
    (["began"], "soon", "began: must be a time such as 2026-01-31T12:00:00Z: "),
    (["images"], "app:2", "images: must be a list of strings: "),
    (["settings"], {"alpha": 1}, "settings: must be a mapping of settings: "),
    (["decided"], "ada", "decided: must be null, or who decided what: "),
    (["verdict"], 5, "verdict: comparisons: must be a list: "),
    (["verdict", "decision"], "MAYBE", "verdict: decision: must be one of PROMOTE, REJECT, UNDECIDED: "),
    (["verdict", "comparisons", 0, "interval"], [1], "verdict.comparisons[0]: interval: must be two numbers: "),
    (
        ["verdict", "comparisons", 0, "difference"],
        "NaN",
        "verdict.comparisons[0]: difference: must be a number or null: ",
    ),
    (["verdict", "comparisons", 0, "good"], {}, "verdict.comparisons[0]: good: must be numbers by variant: "),
    (["verdict", "comparisons", 0, "tolerance"], "9", "verdict.comparisons[0]: tolerance: must be a tolerance: "),
]


@pytest.mark.parametrize(("place", "value", "expected"), CHANGES)
def test_a_field_that_is_wrong_is_named(place: list[Any], value: Any, expected: str, command_line: CommandLine) -> None:
    promoted(command_line.folder / "out")
    path = command_line.folder / "out/report.json"
    inner = report = json.loads(path.read_text())
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(report))
    result = command_line("report", "out")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"canary: error: out/report.json: {expected}")


def test_two_reports_are_compared_side_by_side(command_line: CommandLine) -> None:
    rejected(command_line.folder / "a", tolerance=0.02, report="reports")
    promoted(command_line.folder / "b", 3600)
    result = command_line("report", "--compare", "a", "b")
    assert (result.code, result.err) == (0, "")
    rows = [line.split("  ") for line in result.out.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells == [
        ["a", "b"],
        ["command", "release", "release"],
        ["workloads", "app", "app"],
        ["images", "app:3", "app:2"],
        ["outcome", "rejected", "promoted"],
        ["verdict", "REJECT, 19.2 points worse", "PROMOTE, 0.6 points worse"],
        ["decided by", "auto", "ada"],
        ["began", "2027-01-15 08:00:00 UTC", "2027-01-15 09:00:00 UTC"],
        ["duration", "5m8s", "16m48s"],
        ["success"],
        ["decision", "REJECT", "PROMOTE"],
        ["difference", "-19.2 points", "-0.6 points"],
        ["interval", "-22.0 to -15.5", "-1.4 to +0.5"],
        ["tolerance", "5.0 points", "5.0 points"],
        ["requests", "2,400 + 2,400", "8,000 + 8,000"],
        ["settings that differ"],
        ["tolerance", "0.02", "0.05"],
        ["report", "reports", "-"],
    ]


def test_the_two_newest_are_compared_by_default_the_older_one_first(command_line: CommandLine) -> None:
    promoted(command_line.folder / "canary-report")
    rejected(command_line.folder / "canary-report", 3600)
    promoted(command_line.folder / "canary-report", 7200)
    both = command_line("report", "--compare", "-o", "json").json()["reports"]
    assert [one["began"] for one in both] == ["2027-01-15T09:00:00Z", "2027-01-15T10:00:00Z"]


def test_a_relative_tolerance_is_compared_as_a_ratio(command_line: CommandLine) -> None:
    made = MadeUp({("app", "success"): 0.9}, tolerance=Multiple(2.0))
    made.look(60)
    write(command_line.folder / "a", made.report())
    promoted(command_line.folder / "b")
    out = command_line("report", "--compare", "a", "b").out
    assert " times the errors  " in out
    assert "  tolerance   2x                            5.0 points\n" in out


WRONG = {
    (): "there is no folder canary-report or canary-reports here, and no setting report: name the folder that you gave "
    "to --report, such as canary report FOLDER",
    ("nowhere",): "nowhere: no such folder: name a folder that you gave to --report",
    ("file",): "file: is a file, not a folder with reports: name a folder that you gave to --report",
    ("empty",): "empty: no report.json in this folder or its folders: name the folder that you gave to --report",
    ("--compare", "one"): "--compare: there is only one report, one/report.json: name two folders",
    ("--compare", "one", "empty"): (
        "empty: no report.json in this folder or its folders: name the folder that you gave to --report"
    ),
    ("--compare", "--open", "one"): "--compare and --open: use only one of them",
    ("--compare", "one", "one", "one"): "--compare: name two folders, or one that has two reports; found 3",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_input_gets_an_error_that_says_what_to_do(arguments: tuple[str, ...], command_line: CommandLine) -> None:
    command_line.write("file", "")
    (command_line.folder / "empty").mkdir()
    promoted(command_line.folder / "one")
    result = command_line("report", *arguments)
    assert (result.code, result.out, result.err) == (2, "", f"canary: error: {WRONG[arguments]}\n")


def test_the_setting_of_a_folder_that_is_not_there_yet_is_named(command_line: CommandLine) -> None:
    command_line.write("canary.yml", "report: out\n")
    assert command_line("report").err == (
        "canary: error: canary.yml:1: out: no such folder yet: a command creates it when it writes a report\n"
    )


def test_the_newest_report_opens_in_the_browser(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    promoted(command_line.folder / "canary-report")
    script = command_line.write("browser", '#!/bin/sh\nprintf %s "$1" >opened\n')
    script.chmod(0o755)
    monkeypatch.setattr("webbrowser._tryorder", None)
    monkeypatch.setattr("webbrowser._browsers", {})
    assert command_line("report", "--open", environment={"BROWSER": f"{script} %s"}).code == 0
    opened = (command_line.folder / "opened").read_text()
    assert opened == (command_line.folder / "canary-report/report.html").resolve().as_uri()


def test_what_a_report_says_steers_neither_terminal_nor_pipeline(command_line: CommandLine) -> None:
    promoted(command_line.folder / "out")
    path = command_line.folder / "out/report.json"
    nasty = "\x1b[31m##vso[task.setvariable variable=x]"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"images": [nasty], "workloads": [nasty]}))
    for arguments in (("out",), ("--compare", "out", "out"), ("out", "-o", "json")):
        out = command_line("report", *arguments).out
        assert "\x1b" not in out
        assert "##vso[" not in out
