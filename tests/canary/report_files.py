"""The report that a command has left in its folder."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema

from tests.canary.commandline import CommandLine

SCHEMA = Path(__file__).parents[2] / "docs/reference/report.schema.json"
REPORT = ("--report", "out")


def report_of(canary: CommandLine, folder: str = "out") -> Any:
    """Return report.json, which the committed schema must accept."""
    report = json.loads((canary.folder / folder / "report.json").read_text(encoding="utf-8"))
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(report)
    assert set(report) == set(schema["properties"])  # the schema describes every field
    assert datetime.fromisoformat(report["began"]) <= datetime.fromisoformat(report["ended"])
    markdown, page = (
        (canary.folder / folder / f"report.{kind}").read_text(encoding="utf-8") for kind in ("md", "html")
    )
    heading = markdown.splitlines()[0].removeprefix("## ")
    assert f"<h1>{heading}</h1>" in page  # all three say the same, however the command ended
    assert "<main>" in page
    return report


def markdown_of(canary: CommandLine) -> str:
    return (canary.folder / "out/report.md").read_text(encoding="utf-8")
