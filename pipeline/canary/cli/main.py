"""Entry point: runs a command, and turns an error into one line and an exit code."""

import io
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from canary import __version__
from canary.cli import installed, offline, releases
from canary.cli.clock import interrupt_on_signals
from canary.cli.console import console
from canary.cli.doctor import doctor
from canary.cli.help import Group
from canary.cli.init import init
from canary.cli.reap import reap
from canary.cli.reports import report
from canary.cli.secret import secret
from canary.cli.status import status
from canary.errors import CanaryError, ExitCode
from canary.printable import printable


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    blocks={
        "A whole release in one command": (
            "canary release manifests/ --image sampleapp:20 --gate auto --tolerance 0.05",
        ),
        "The same step by step, as in a pipeline": (
            "canary deploy manifests/ --image sampleapp:20",
            "canary watch sampleapp --tolerance 0.05",
            "canary promote manifests/ --image sampleapp:20",
        ),
        "Exit codes": tuple(f"{code:<3}  {code.meaning}" for code in ExitCode),
    },
)
@click.version_option(__version__, prog_name="canary")
def canary() -> None:
    """Canary releases on Kubernetes.

    A canary (the new version) and a baseline (a fresh copy of the current version, of the same size) run next to the
    stable pods, behind the same Service. This command compares how they answer requests, then promotes or rejects the
    canary.

    You can also set each option in canary.yml in the current directory, or in an environment variable CANARY_…. Run
    canary config to see all settings and where each value comes from.
    """


for _command in (
    releases.release,
    releases.deploy,
    releases.watch,
    releases.promote,
    releases.reject,
    releases.rollback,
    reap,
    releases.apply,
    status,
    console,
    report,
    doctor,
    init,
    secret,
    offline.show_config,
    offline.verdict,
    installed.version,
    installed.completion,
):
    canary.add_command(_command)


def main() -> NoReturn:
    """Run the command that the process was started with."""
    _start("canary")


def kubectl_plugin() -> NoReturn:
    """Run `kubectl-canary`, which kubectl calls for `kubectl canary`."""
    _start("kubectl canary")


def kubectl_completion() -> NoReturn:
    """Run `kubectl_complete-canary`, which kubectl calls to complete `kubectl canary`."""
    click.echo(installed.complete_for_kubectl(canary, sys.argv[1:]), nl=False)
    sys.exit(ExitCode.DONE)


def _start(name: str) -> NoReturn:
    interrupt_on_signals()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # one character that the terminal lacks would lose the result
    sys.exit(run(sys.argv[1:], name=name))


def run(arguments: Sequence[str], *, name: str = "canary") -> int:
    """Run a command and return its exit code. An error is one line on stderr.

    Args:
        arguments: of the command line.
        name: of the program, in usage lines.
    """
    try:
        code = canary.main(list(arguments), prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        return _fail(_one_line(error), error.exit_code)
    except CanaryError as error:
        return _fail(str(error), error.exit_code)
    except SystemExit as end:  # click exits with 0 after a completion, and with 1 when nobody reads its output
        return ExitCode.UNREAD if end.code else ExitCode.DONE
    except (click.Abort, KeyboardInterrupt):
        return _fail(
            "interrupted; canary status shows the state of the release and what you can do next", ExitCode.INTERRUPTED
        )
    except Exception as error:  # noqa: BLE001 - Python's own exit code for a bug would mean a rejected release
        return _fail(f"this is a bug in canary: {type(error).__name__}: {error}; {_report(error)}", ExitCode.BUG)
    return code if isinstance(code, int) else ExitCode.DONE


def _report(error: Exception) -> str:
    """Write the traceback to a file, and return how to report it."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="canary-bug-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            traceback.print_exception(error, file=file)
    except OSError as full:
        return f"report it to the maintainers of canary (the details could not be written to a file: {full.strerror})"
    return f"report it to the maintainers of canary, and attach {file.name}"


def _fail(message: str, code: int) -> int:
    click.echo(printable(f"canary: error: {message}"), err=True)
    return code


def _one_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return message
    if isinstance(error, click.NoSuchOption) and (others := _commands_with(error.option_name)):
        option = error.option_name
        message = f"No such option '{option}' here; it is an option of canary {', canary '.join(others)}"
        if error.ctx.command is canary:
            message = f"Put {option} after the command: canary {'status' if 'status' in others else others[0]} {option}"
    return f"{message.rstrip('.')}; see {error.ctx.command_path} --help"


def _commands_with(option: str) -> list[str]:
    """Return the names of the commands that have an option, without `config`, which has those of all commands."""
    commands = [command for command in canary.commands.values() if command is not offline.show_config]
    return [str(command.name) for command in commands if any(option in parameter.opts for parameter in command.params)]
