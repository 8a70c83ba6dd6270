"""Help texts: every command has one, with examples that work."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from canary.cli.help import Command
from canary.cli.main import canary
from canary.settings.settings import SETTINGS
from scripts.make_cli_reference import TARGET, reference
from tests.canary.commandline import CommandLine

COMMANDS = {name: command for name, command in canary.commands.items() if isinstance(command, Command)}
EXPECTED = Path(__file__).parent / "expected"


def test_commands_are_listed_in_the_order_of_a_release(command_line: CommandLine) -> None:
    assert list(COMMANDS) == [
        "release", "deploy", "watch", "promote", "reject", "rollback", "reap", "apply", "status", "console", "report",
        "doctor", "init", "secret", "config", "verdict", "version", "completion",
    ]  # fmt: skip
    assert command_line("--help").out == (EXPECTED / "help.txt").read_text()


def test_the_help_of_a_command_ends_with_its_examples(command_line: CommandLine) -> None:
    assert command_line("reject", "--help").out == (EXPECTED / "reject-help.txt").read_text()


def test_without_a_command_the_help_goes_to_stderr(command_line: CommandLine) -> None:
    result = command_line()
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Usage: canary [OPTIONS] COMMAND [ARGS]...")


def test_help_does_not_load_the_slow_packages() -> None:
    """These packages take three times as long to import as all of `canary`."""
    code = "import sys; from canary.cli.main import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "canary.release" in loaded
    assert not loaded & {"kubernetes", "requests", "urllib3", "rich", "prometheus_client", "jinja2", "flask", "cheroot"}


def test_the_version_is_printed(command_line: CommandLine) -> None:
    result = command_line("--version")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("canary, version ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_flag_has_a_help_text(name: str, command_line: CommandLine) -> None:
    command = COMMANDS[name]
    assert command.examples
    result = command_line(name, "--help")
    assert result.code == 0
    assert result.out.startswith(f"Usage: canary {name} [OPTIONS]")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert max(parameter.opts, key=len) in result.out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_arguments_of_every_example_are_accepted(name: str) -> None:
    for example in COMMANDS[name].examples:
        words = shlex.split(example.split(" | ")[-1].partition(" < ")[0].partition(" > ")[0])
        words = words[words.index("canary") + 1 :]
        assert words[0] == name
        COMMANDS[name].make_context(name, words[1:], parent=click.Context(canary, **canary.context_settings))


def test_config_and_release_have_a_flag_for_every_setting() -> None:
    for name in ("config", "release"):
        taken = {parameter.name for parameter in COMMANDS[name].params}
        assert set(SETTINGS) <= taken


def test_the_reference_page_is_current() -> None:
    assert TARGET.read_text(encoding="utf-8") == reference(), "write it anew: python scripts/make_cli_reference.py"
