"""The command that rejects what everybody has forgotten."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from canary.cli import flags
from canary.cli.help import Command
from canary.cli.render import print_json
from canary.cli.session import session_of


@click.command(
    cls=Command,
    examples=(
        "canary reap --dry-run",
        "canary reap --namespace shop --output json",
    ),
    short_help="Reject abandoned canaries.",
)
@flags.settings("label", "evidence")
@flags.connection
@click.option("--dry-run", is_flag=True, help="Reject nothing; say what would be.")
@flags.results
def reap(**given: Any) -> int:  # noqa: ANN401 - click's parameters
    """Reject every canary of the namespace that nobody has worked on for --expire-after, as canary reject does.

    Each canary carries when it expires. Deploying and watching put that off, and so does a gate that waits for an
    answer. Nothing that a driver works on is touched, nor canaries that another tool has made, nor what is on its way
    to stable. pipeline/reaper.yml runs this every few minutes.

    One that cannot be read or may not be deleted is reported, and the others are rejected all the same. The exit code
    is then 2 or 3.
    """
    with session_of(given) as session:
        found = session.release().reap(dry_run=given["dry_run"])
        print_json(given, {"reaped": [asdict(one) for one in found]})
    return max((one.exit_code for one in found), default=0)
