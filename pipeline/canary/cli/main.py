"""Entry point: runs a command, and turns its errors into one line and an exit code."""

from __future__ import annotations

import io
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from canary import __version__
from canary.cli import offline, releases
from canary.cli.clock import interrupt_on_signals
from canary.cli.doctor import doctor
from canary.cli.help import Group
from canary.cli.reap import reap
from canary.cli.secret import secret
from canary.errors import CanaryError

INTERRUPTED = 130
BUG = 70
"""Exit code of an error in this program (EX_SOFTWARE of sysexits.h): never to be mistaken for a rejected release."""
UNREAD = 141
"""Exit code where nobody reads standard output any more: what a shell gives for SIGPIPE."""


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    blocks={
        "Everything at once": ("canary release manifests/ --image sampleapp:20 --gate auto --tolerance 0.05",),
        "Step by step, as a pipeline does": (
            "canary deploy manifests/ --image sampleapp:20",
            "canary watch sampleapp --tolerance 0.05",
            "canary promote manifests/ --image sampleapp:20",
        ),
        "Exit codes": (
            "0    done, promoted",
            "1    rejected",
            "2    wrong input",
            "3    cluster unreachable, or it forbids what was asked",
            "4    timed out, or undecided",
            "5    the cluster refused or undid a promote",
            "70   a bug of canary's own; the message names a file to report it with",
            "130  interrupted; canary and baseline are still running",
            "141  the reader of the result has gone (a closed pipe)",
        ),
    },
)
@click.version_option(__version__, prog_name="canary")
def canary() -> None:
    """Canary releases on Kubernetes.

    A canary (the new version) and a baseline (a fresh copy of the old one, of the same size) run for a while beside the
    stable pods, behind the same Service. canary compares their answers, and then promotes or rejects the canary.

    You can also put each setting into canary.yml in the current directory, or into a CANARY_… environment variable.
    canary config shows all settings and where their values come from.
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
    releases.status,
    doctor,
    secret,
    offline.show_config,
    offline.verdict,
):
    canary.add_command(_command)


def main() -> NoReturn:
    """Run the command that the process was started with."""
    interrupt_on_signals()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # else a result is lost for one character
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; errors are told on stderr, in one line."""
    try:
        code = canary.main(list(arguments), prog_name="canary", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        return _tell(_one_line(error), error.exit_code)
    except CanaryError as error:
        return _tell(str(error), error.exit_code)
    except SystemExit:  # click's way with an output that nobody reads; its 1 would mean a rejected release
        return UNREAD
    except (click.Abort, KeyboardInterrupt):
        return _tell("interrupted; canary status shows the state of the release and what you can do next", INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last place where a bug can be told from a rejected release
        return _tell(f"this is a bug in canary: {type(error).__name__}: {error}; {_report(error)}", BUG)
    return code if isinstance(code, int) else 0


def _report(error: Exception) -> str:
    """Keep where an error comes from in a file, and return what is to be done with it."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="canary-bug-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            traceback.print_exception(error, file=file)
    except OSError as full:
        return (
            f"report it to whoever maintains your canary (the details could not be written to a file: {full.strerror})"
        )
    return f"report it to whoever maintains your canary, and attach {file.name}"


def _tell(message: str, code: int) -> int:
    click.echo(f"canary: error: {message}", err=True)
    return code


def _one_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        if isinstance(error, click.NoSuchOption) and (others := _commands_with(error.option_name)):
            message = f"No such option '{error.option_name}' here; it is an option of canary {', canary '.join(others)}"
        return f"{message.rstrip('.')}; see {error.ctx.command_path} --help"
    return message


def _commands_with(option: str) -> list[str]:
    """Return the names of the commands that have an option; `config` shows all settings, and so does not count."""
    commands = [command for command in canary.commands.values() if command is not offline.show_config]
    return [str(command.name) for command in commands if any(option in one.opts for one in command.params)]
