"""Reports: what a command leaves in the folder of --report, however it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.canary.cluster_simulator import Simulator
from tests.canary.commandline import CommandLine
from tests.canary.quick_release import NEW, QUICK, pods_that_answer
from tests.canary.story import Story

SCHEMA = Path(__file__).parents[3] / "docs/reference/report.schema.json"


@pytest.fixture
def answers(simulator: Simulator) -> Iterator[Simulator]:
    """Let the pods of app:1 answer 90 % good, those of app:2 as well, those of app:3 half."""
    with pods_that_answer(0.9) as old, pods_that_answer(0.9) as equal, pods_that_answer(0.5) as worse:
        simulator.answers.update({"app:1": old, "app:2": equal, "app:3": worse})
        yield simulator


def report_of(canary: CommandLine) -> Any:
    """Return report.json, which the committed schema must accept."""
    report = json.loads((canary.folder / "out/report.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, json.loads(SCHEMA.read_text(encoding="utf-8")))
    return report


def test_a_promoted_release_leaves_its_report(canary: CommandLine, story: Story, answers: Simulator) -> None:
    result = canary("release", *NEW, "--gate", "auto", *QUICK, "--report", "out")
    assert result.code == 0, result.err
    report = report_of(canary)
    assert (report["command"], report["outcome"], report["decision"]) == ("release", "promoted", "promote")
    assert (report["exit_code"], report["error"], report["workloads"]) == (0, None, ["app"])
    assert report["sentence"] == report["verdict"]["sentence"]
    assert (canary.folder / "out/report.md").read_text().startswith("## The release of app was promoted\n")


def test_a_rejected_release_leaves_its_report(canary: CommandLine, story: Story, answers: Simulator) -> None:
    result = canary("release", "m.yml", "--image", "app:3", "--gate", "auto", *QUICK, "--report", "out")
    assert result.code == 1
    report = report_of(canary)
    assert (report["outcome"], report["decision"], report["exit_code"]) == ("rejected", "reject", 1)


def test_a_report_never_has_the_password_in_a_url(canary: CommandLine, story: Story) -> None:
    result = canary("watch", "app", *QUICK, "--prometheus", "http://ada:hunter2@127.0.0.1:9/token", "--report", "out")
    assert result.code == 2
    assert report_of(canary)["settings"]["prometheus"] == {"value": "http://127.0.0.1:9", "source": "--prometheus"}
    for name in ("report.json", "report.md"):
        assert "hunter2" not in (canary.folder / "out" / name).read_text()
