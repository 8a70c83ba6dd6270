"""The command that checks whether releases are possible here."""

import platform
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from canary import __version__
from canary.cli import flags
from canary.cli.clock import SystemClock
from canary.cli.help import Command
from canary.cli.render import print_result
from canary.cli.session import Session
from canary.doctor.check import Check, CheckOutcome
from canary.doctor.doctor import Subject, check_connection, check_releases
from canary.errors import ExitCode
from canary.events import Event, Note
from canary.plurals import counted
from canary.ports import World
from canary.printable import printable

SUBJECT_WIDTH = 12  # characters that the longest subject has


@click.command(
    cls=Command,
    examples=(
        "canary doctor",
        "canary doctor sampleapp --namespace shop",
        "canary doctor manifests/ --image sampleapp:20 --prometheus svc:monitoring/prometheus:9090 --output json",
    ),
)
@flags.workloads
@flags.settings(*flags.IMAGES, *flags.SIZES, "tolerance", *flags.SAMPLES, "label")
@flags.connection
@flags.results
def doctor(**given: Any) -> int:  # noqa: ANN401 - click's parameters
    """Check whether this cluster is ready for a release. Nothing is changed, and no pod is started.

    Checks the connection to the API server, the clocks, your permissions, the Deployments' pods and images, whether
    metrics can be read and requests arrive, whether pods start and end without losing requests, the tolerance, and
    which objects in the namespace affect a release. Name Deployments or manifests to check these with everything that
    their release needs. Otherwise doctor checks the first few Deployments in the namespace.

    Exits with 0 if there are no problems or only warnings, and with 3 if a release is not possible. The output holds no
    secrets: attach it when you ask for help.
    """
    python = f"{platform.python_version()} on {platform.system()}"
    text = given["output"] == "text"
    if text:
        click.echo(f"canary {__version__}, Python {python}")
    with Session(given) as session:
        subject = _subject(session, given["workloads"])
        world = World(session.cluster, SystemClock(), _note, session.options)
        checks = _printed(check_connection(world, subject), text=text)
        if not any(check.outcome is CheckOutcome.FAILED for check in checks):
            session.require_deployments()
            checks += _printed(check_releases(world, session.samples, subject), text=text)
        failed, warnings = (
            sum(check.outcome is outcome for check in checks) for outcome in (CheckOutcome.FAILED, CheckOutcome.WARNING)
        )
        result = {
            "canary": __version__,
            "python": python,
            "namespace": session.namespace,
            "warnings": warnings,
            "failed": failed,
            "checks": [asdict(check) for check in checks],
        }
        if not print_result(given, result):
            click.echo(_conclusion(failed, warnings))
    return ExitCode.CLUSTER if failed else ExitCode.DONE


def _subject(session: Session, arguments: tuple[str, ...]) -> Subject:
    """Return what to check."""
    names, paths = session.names_and_manifests(arguments)
    paths = paths if arguments else list(session.settings.manifests)
    bundle = session.bundle(paths=paths) if paths else None
    names += [item["metadata"]["name"] for item in bundle.deployments] if bundle else []
    clients = session.clients
    return Subject(
        clients.connection.description,
        clients.routes,
        tuple(dict.fromkeys(names)),
        bundle,
        direct=session.settings.prometheus is None,
        prometheus=clients.prometheus_service,
    )


def _printed(checks: Iterator[Check], *, text: bool) -> list[Check]:
    """Return the checks. For text output, each is printed as soon as it is done."""
    done = []
    for check in checks:
        done.append(check)
        if text:
            click.echo(_line(check))
    return done


def _line(check: Check) -> str:
    advice = f": {check.advice}" if check.advice else ""
    return printable(f"{check.outcome:<7}  {check.subject:<{SUBJECT_WIDTH}}  {check.text}{advice}")


def _conclusion(failed: int, warnings: int) -> str:
    possible = "not possible" if failed else "possible"
    problems = [counted(number, noun) for number, noun in ((failed, "failed check"), (warnings, "warning")) if number]
    return f"releases are {possible} here" + (f" ({', '.join(problems)})" if problems else "")


def _note(event: Event) -> None:
    """Print on stderr what takes a while."""
    if isinstance(event, Note):
        click.echo(f"canary: {event.text}", err=True)
