"""Write docs/reference/cli.md: the help of every `canary` command, and the table of settings."""

from __future__ import annotations

from pathlib import Path

import click

from canary.cli.main import canary
from canary.settings.settings import SETTINGS

TARGET = Path(__file__).parent.parent / "docs" / "reference" / "cli.md"
WIDTH = 100

HEAD = """\
# The command `canary`

This page is generated from the help texts of `canary`. To update it, run `scripts/make_cli_reference.py`.

```text
{help}
```

## Settings

Precedence: flag, environment variable, `canary.yml` in the current directory, default. `canary config` shows each value
and its source. In a variable, spaces separate the items of a list (in `CANARY_STEPS`, commas). A flag
replaces the whole list. Durations are written `90`, `90s`, `1m30s` or `250ms`; `canary config --schema` prints the JSON
Schema of the file.

| `canary.yml` | flag | variable | default | |
| --- | --- | --- | --- | --- |
{settings}
"""


def reference() -> str:
    """Return the page."""
    rows = []
    for setting in SETTINGS.values():
        default = f"`{setting.show(setting.default)}`" if setting.has_default else ""
        metavar = setting.value_type.metavar.replace("|", "\\|")
        flag = "arguments" if setting.attribute == "manifests" else f"`{setting.flag} {metavar}`"
        rows.append(f"| `{setting.key}` | {flag} | `{setting.variable}` | {default} | {setting.help} |")
    page = HEAD.format(help=_help(canary, "canary"), settings="\n".join(rows))
    for name, command in canary.commands.items():
        page += f"\n## canary {name}\n\n```text\n{_help(command, f'canary {name}')}\n```\n"
    return page


def _help(command: click.Command, path: str) -> str:
    context = click.Context(command, info_name=path, terminal_width=WIDTH, help_option_names=["-h", "--help"])
    return command.get_help(context).strip()


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(reference(), encoding="utf-8")
