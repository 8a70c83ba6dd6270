"""What a report, and the output of its command, must not contain."""

from __future__ import annotations

import json

import pytest

from tests.canary.commandline import CommandLine
from tests.canary.quick_release import NEW, QUICK
from tests.canary.report_files import REPORT, markdown_of, report_of


@pytest.mark.parametrize("setting", ["prometheus", "notify-url", "gate-url"])
@pytest.mark.parametrize("url", ["http://ada:hunter2@127.0.0.1:9/t0ken", "http://127.0.0.1:9/t0ken?key=hunter2"])
def test_a_report_never_has_a_secret_of_a_url(url: str, setting: str, canary: CommandLine) -> None:
    canary.write("canary.yml", f"{setting}: {url}\n")
    assert canary("watch", "app", *QUICK, *REPORT).code in (2, 3)
    assert report_of(canary)["settings"][setting]["value"].removesuffix("/…") == "http://127.0.0.1:9"
    for name in ("report.json", "report.md", "report.html"):
        text = (canary.folder / "out" / name).read_text()
        assert "hunter2" not in text
        assert "t0ken" not in text


def test_a_report_never_has_a_secret_of_what_is_not_a_url(canary: CommandLine) -> None:
    result = canary("watch", "app", *QUICK, "--prometheus", "ada:hunter2@127.0.0.1:9", *REPORT)
    assert result.code == 2
    assert report_of(canary)["settings"]["prometheus"]["value"] == "127.0.0.1:9"
    for text in (result.err, json.dumps(report_of(canary)), markdown_of(canary)):
        assert "hunter2" not in text


@pytest.mark.parametrize("source", ["flag", "variable", "file"])
def test_the_value_of_a_header_in_place_of_a_file_is_shown_nowhere(source: str, canary: CommandLine) -> None:
    header = "Authorization=Bearer hunter2=@x"
    flags = ("--prometheus-header", header) if source == "flag" else ()
    if source == "file":
        canary.write("canary.yml", f"prometheus-headers: {header}\n")
    environment = {"CANARY_PROMETHEUS_HEADERS": header} if source == "variable" else {}
    result = canary("watch", "app", *QUICK, *flags, *REPORT, environment=environment)
    assert result.code == 2
    assert "must be NAME=@FILE" in result.err
    assert "hunter2" not in result.err
    assert not (canary.folder / "out").exists()


def test_the_file_of_a_header_is_in_the_report(canary: CommandLine) -> None:
    header = ("--prometheus", "http://127.0.0.1:9", "--prometheus-header", "Authorization=@token file")
    assert canary("deploy", *NEW).code == 0
    assert canary("watch", "app", *QUICK, *header, *REPORT).code == 2  # there is no such file
    value = report_of(canary)["settings"]["prometheus-headers"]["value"]
    assert value == ["Authorization=@token file"]


def test_a_reason_gives_no_command_to_the_agent_of_a_pipeline(canary: CommandLine) -> None:
    reason = "slow ##vso[task.setvariable variable=decision]promote"
    assert canary("deploy", *NEW).code == 0
    result = canary("reject", "app", "--reason", reason, "--output", "json", *REPORT)
    assert result.json()["rejected"][0]["reason"] == report_of(canary)["decided"]["reason"] == reason
    assert "slow ## vso[" in result.err
    files = [(canary.folder / "out" / name).read_text() for name in ("report.json", "report.md", "report.html")]
    assert all("##vso[" not in text for text in (result.out, result.err, *files))
