"""Reports of commands that fail, that are interrupted, or that nobody reads."""

from __future__ import annotations

import errno
import itertools
import signal
import subprocess
import tempfile
from collections.abc import Mapping

import pytest

from tests.canary.cluster_simulator import Simulator, waiting
from tests.canary.commandline import CANARY, CommandLine
from tests.canary.quick_release import NEW, QUICK, WORSE
from tests.canary.report_files import REPORT, markdown_of, report_of
from tests.canary.story import Story, image_of
from tests.http_servers import serving

IMPATIENT = (*QUICK[:-1], "100ms")


def nobody_reads(*_: object) -> None:
    raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_an_undone_promote_reports_why(canary: CommandLine, story: Story, answers: Simulator) -> None:
    assert canary("deploy", *NEW).code == 0
    answers.script["app:2"] = waiting("ErrImagePull", "gone meanwhile")
    assert canary("promote", "m.yml", "--image", "app:2", "--timeout", "1s", *REPORT).code == 5
    report = report_of(canary)
    assert (report["outcome"], report["exit_code"]) == ("undone", 5)
    assert "ErrImagePull" in report["undone"][0]["reason"]
    assert "promote failed and was undone" in report["error"]
    assert markdown_of(canary).startswith("## The promote of app failed and was undone\n")
    assert image_of(story.deployment()) == "app:1"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_release_leaves_its_report(
    signum: signal.Signals, canary: CommandLine, story: Story, answers: Simulator
) -> None:
    command = [str(CANARY), "release", *NEW, "--gate", "auto", *QUICK[:4], *REPORT]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as driver:
        assert driver.stderr is not None
        assert any("waiting: " in line for line in driver.stderr)  # it has looked
        driver.send_signal(signum)
        driver.stderr.read()
    assert driver.returncode == 130
    report = report_of(canary)
    assert (report["outcome"], report["exit_code"]) == ("interrupted", 130)
    assert report["error"].startswith("interrupted. Canary and baseline are still running.")
    assert len(report["counts"][0]["looks"]) >= 1
    assert "canary reject app" in markdown_of(canary)


def test_a_command_without_an_api_server_leaves_its_report(command_line: CommandLine) -> None:
    command_line.of_cluster("http://127.0.0.1:9", "shop")
    result = command_line("watch", "app", *QUICK, *REPORT, environment={"CANARY_TIMEOUT": "10ms"})
    assert result.code == 3
    report = report_of(command_line)
    assert (report["outcome"], report["exit_code"], report["decision"]) == ("failed", 3, None)
    assert (report["namespace"], report["workloads"]) == ("shop", ["app"])
    assert report["error"] in result.err
    assert markdown_of(command_line).startswith("## The canary release of app failed\n\n> ")


def test_contradicting_settings_leave_a_report(command_line: CommandLine) -> None:
    result = command_line("watch", "app", *QUICK, "--min-duration", "2m", "--max-duration", "1m", "-n", "shop", *REPORT)
    assert result.code == 2
    report = report_of(command_line)
    assert (report["outcome"], report["namespace"], report["error"] in result.err) == ("failed", "shop", True)


def test_a_bug_leaves_a_report(canary: CommandLine, answers: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("x")

    assert canary("deploy", *NEW).code == 0
    monkeypatch.setattr("canary.release.watch.observe", fail)
    monkeypatch.setattr(tempfile, "tempdir", str(canary.folder))  # where it describes the bug
    assert canary("watch", "app", *QUICK, *REPORT).code == 70
    report = report_of(canary)
    assert (report["outcome"], report["exit_code"], report["error"]) == ("failed", 70, "KeyError: 'x'")


@pytest.mark.parametrize(("place", "why"), [("out", "File exists"), ("out/past", "Not a directory")])
def test_a_folder_that_cannot_be_written_is_refused_before_the_release_begins(
    place: str, why: str, canary: CommandLine, story: Story, answers: Simulator
) -> None:
    canary.write(place, "a file")
    result = canary("release", *NEW, "--gate", "auto", *QUICK, *REPORT)
    assert result.code == 2
    assert result.lines[-1] == (
        f"canary: error: --report: no report can be written into {place}: {why}. Nothing was changed: pass a folder "
        "that you can write to"
    )
    assert story.names() == {"app"}
    assert image_of(story.deployment()) == "app:1"


def test_a_report_that_cannot_be_written_at_the_end_is_a_warning_only(
    canary: CommandLine, simulator: Simulator
) -> None:
    looks = itertools.count(1)

    def answer(_path: str, _headers: Mapping[str, str]) -> tuple[int, str]:
        folder = canary.folder / "out"
        if folder.is_dir():
            folder.rmdir()
            folder.write_text("a file")
        return 200, f'requests_total{{custom_status="good"}} {100 * next(looks)}\n'

    with serving(answer) as page:
        simulator.answers.update({"app:1": page.server_port, "app:2": page.server_port})
        result = canary("release", *NEW, "--gate", "auto", *QUICK, *REPORT)
    assert result.code == 0, result.err
    assert result.lines[-1] == "canary: warning: the report could not be written to out: File exists"


def test_a_page_that_cannot_be_drawn_changes_neither_the_exit_code_nor_the_other_files(
    canary: CommandLine, answers: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("canary.report.html.figures_of", fail)
    result = canary("release", *WORSE, "--gate", "auto", *QUICK, *REPORT)
    assert result.code == 1
    assert result.lines[-1] == (
        "canary: warning: report.html could not be written to out. This is a bug in canary: KeyError: 'x'; report it "
        "to the maintainers of canary"
    )
    assert {file.name for file in (canary.folder / "out").iterdir()} == {"report.json", "report.md"}


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        (("release", *NEW, "--gate", "auto", *QUICK), "promoted"),
        (("release", *WORSE, "--gate", "auto", *QUICK), "rejected"),
        (("promote", *NEW[:3], "--unproven"), "promoted"),
    ],
)
@pytest.mark.usefixtures("answers")
def test_a_release_whose_result_nobody_reads_reports_how_it_ended(
    command: tuple[str, ...], outcome: str, canary: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("canary.cli.releases.print_result", nobody_reads)
    assert canary(*command, *REPORT).code == 141
    report = report_of(canary)
    assert (report["outcome"], report["exit_code"]) == (outcome, 141)
    assert report["error"].startswith("BrokenPipeError")


@pytest.mark.usefixtures("answers")
def test_watching_that_nobody_reads_reports_its_verdict(canary: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert canary("deploy", *NEW).code == 0
    monkeypatch.setattr("canary.cli.releases.print_result", nobody_reads)
    assert canary("watch", "app", *QUICK, *REPORT).code == 141
    assert (report_of(canary)["outcome"], report_of(canary)["decision"]) == ("watched", "promote")


@pytest.mark.usefixtures("answers")
def test_a_command_whose_messages_nobody_reads_reports_a_failure(
    canary: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert canary("deploy", *NEW).code == 0
    monkeypatch.setattr("canary.release.watch.observe", nobody_reads)
    assert canary("watch", "app", *QUICK, *REPORT).code == 141
    assert report_of(canary)["outcome"] == "failed"


def test_a_refused_promote_reports_no_decision(canary: CommandLine, answers: Simulator) -> None:
    assert canary("deploy", *WORSE).code == 0
    assert canary("watch", "app", *QUICK).code == 1
    assert canary("promote", *WORSE[:3], *REPORT).code == 2
    report = report_of(canary)
    assert (report["outcome"], report["decided"]) == ("failed", None)
    assert "Decided to" not in markdown_of(canary)
