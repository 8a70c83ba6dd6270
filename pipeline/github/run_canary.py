"""Runs one command of `canary` for the action beside this file.

The environment variable INPUTS has the action's inputs as JSON. Each input is the flag of the same name, so that no
value ever becomes part of a shell script. The outputs come from the command's report.
"""

import json
import os
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

import click

from canary.cli.main import canary, main

COMMANDS = ("release", "deploy", "watch", "promote", "reject", "rollback", "apply", "status", "doctor", "reap")
"""The commands that the action runs."""

_ARGUMENTS = "manifests"


def arguments(inputs: Mapping[str, str]) -> list[str]:
    """Return the command line for the action's inputs, without those that are empty.

    Raises:
        ValueError: there is no such command, or it lacks the flag of an input.
    """
    name = inputs["command"]
    if name not in COMMANDS:
        raise ValueError(f"command: no such command: {name!r}; the commands are {', '.join(COMMANDS)}")
    options = _options(canary.commands[name])
    line = [name]
    for key, value in inputs.items():
        if key in ("command", _ARGUMENTS, "working-directory") or not value.strip():
            continue
        option = options.get(f"--{key}")
        if option is None:
            if key == "report":  # has a default, which is not for the commands without a report
                continue
            raise ValueError(f"{key}: canary {name} has no flag --{key}; its flags are {', '.join(options)}")
        if option.is_flag:
            line += _switch(key, value)
        else:
            line += [part for item in _items(value, option) for part in (f"--{key}", item)]
    return [*line, "--", *_lines(inputs.get(_ARGUMENTS, ""))]


def _state(report: Path | None) -> tuple[int, int] | None:
    """Return what changes with each report in a folder, None while there is none."""
    try:
        found = (report / "report.json").stat() if report else None
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_mtime_ns) if found else None


def outputs(report: Path | None) -> dict[str, str]:
    """Return the action's outputs, with empty values if the command left no report."""
    if report is None or not (report / "report.json").exists():
        return {"decision": "", "sentence": "", "report": ""}
    content = json.loads((report / "report.json").read_text(encoding="utf-8"))
    return {"decision": content["decision"] or "", "sentence": content["sentence"] or "", "report": str(report)}


def _options(command: click.Command) -> dict[str, click.Option]:
    return {
        name: parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
        if name.startswith("--")
    }


def _switch(key: str, value: str) -> list[str]:
    if value not in ("true", "false"):
        raise ValueError(f"{key}: must be true or false, not {value!r}")
    return [f"--{key}"] if value == "true" else []


def _items(value: str, option: click.Option) -> list[str]:
    return _lines(value) if option.multiple else [value]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _write_outputs(values: Mapping[str, str], file: Path) -> None:
    end = uuid.uuid4().hex  # a line that no value contains
    with file.open("a", encoding="utf-8") as opened:
        for name, value in values.items():
            opened.write(f"{name}<<{end}\n{value}\n{end}\n")


def _append_summary(report: Path | None, summary: Path) -> None:
    if report is not None and (report / "report.md").exists():
        with summary.open("a", encoding="utf-8") as opened:
            opened.write((report / "report.md").read_text(encoding="utf-8") + "\n")


def run() -> int:
    """Run the command that the environment describes, and return its exit code."""
    inputs: dict[str, str] = json.loads(os.environ["INPUTS"])
    try:
        line = arguments(inputs)
    except ValueError as error:
        sys.stdout.write(f"::error::input {error}\n")
        return 2
    report = Path(inputs["report"]).resolve() if "--report" in line else None
    before = _state(report)
    sys.argv = ["canary", *line]
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    if _state(report) == before:
        report = None  # that of an earlier step is not this command's
    _write_outputs(outputs(report), Path(os.environ["GITHUB_OUTPUT"]))
    _append_summary(report, Path(os.environ["GITHUB_STEP_SUMMARY"]))
    return code if isinstance(code, int) else 1


if __name__ == "__main__":
    sys.exit(run())
