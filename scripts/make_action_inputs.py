"""Write the inputs of pipeline/github/action.yml: one for each flag of the commands that the action runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from canary.cli.main import canary
from github.run_canary import COMMANDS

TARGET = Path(__file__).parent.parent / "pipeline" / "github" / "action.yml"

HEAD = f"""\
inputs: # from the flags of `canary`, by scripts/make_action_inputs.py
  command:
    description: "{", ".join(COMMANDS)}; without it, canary is installed for the steps that follow"
  manifests:
    description: "Files and folders with manifests, one per line; for some commands also names of Deployments"
  working-directory:
    description: Folder to run in; its canary.yml is read
    default: .
  report:
    description: Folder for report.md, report.html and report.json, for the commands that write a report
    default: canary-report
"""
NOT_DERIVED = ("report", "output")  # the first has a default above; the outputs take the place of the second


def action(text: str) -> str:
    """Return the text of action.yml with the inputs of today's flags."""
    used: dict[str, list[str]] = {}
    helps: dict[str, str] = {}
    for name in COMMANDS:
        for parameter in canary.commands[name].params:
            if isinstance(parameter, click.Option) and parameter.name not in NOT_DERIVED:
                flag = next(flag for flag in parameter.opts if flag.startswith("--"))
                used.setdefault(flag.removeprefix("--"), []).append(name)
                helps.setdefault(flag.removeprefix("--"), _help(parameter))
    inputs = HEAD
    for key in sorted(used):
        commands = "all commands" if len(used[key]) == len(COMMANDS) else ", ".join(used[key])
        inputs += f"  {key}:\n    description: {json.dumps(f'{helps[key]} ({commands})', ensure_ascii=False)}\n"
    return re.sub(r"^inputs:.*?(?=^outputs:)", lambda _: inputs, text, count=1, flags=re.MULTILINE | re.DOTALL)


def _help(option: click.Option) -> str:
    text = " ".join((option.help or "").split())
    if option.is_flag:
        return f"true or false. {text}"
    return text.replace("Repeatable.", "One per line.")


if __name__ == "__main__":
    TARGET.write_text(action(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
