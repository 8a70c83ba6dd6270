"""The command that rejects abandoned canaries."""

from dataclasses import asdict
from typing import Any

import click

from canary.cli import flags
from canary.cli.help import Command
from canary.cli.render import print_result
from canary.cli.session import Session
from canary.errors import ExitCode


@click.command(
    cls=Command,
    examples=(
        "canary reap --dry-run",
        "canary reap --namespace shop --output json",
    ),
    short_help="Reject abandoned canaries.",
)
@flags.settings("label", "evidence", *flags.NOTIFICATIONS)
@flags.connection
@click.option("--dry-run", is_flag=True, help="Reject nothing. Print what would be rejected.")
@flags.results
def reap(**given: Any) -> int:  # noqa: ANN401 - click's parameters
    """Reject every canary in the namespace that has expired, as canary reject does.

    A canary expires when no command has worked on it for --expire-after, as set at deploy. deploy, watch and a gate
    that waits for an answer extend that time. reap skips a canary that a driver works on or promotes, and a canary
    that another tool made. pipeline/reaper.yml runs this command every five minutes.

    If a canary cannot be read or deleted, reap reports it and continues with the others. The exit code is then 2 or 3.
    """
    with Session(given) as session:
        reaped = session.release().reap(dry_run=given["dry_run"])
        print_result(given, {"reaped": [asdict(workload) for workload in reaped]})
    return max((workload.exit_code for workload in reaped), default=ExitCode.DONE)
