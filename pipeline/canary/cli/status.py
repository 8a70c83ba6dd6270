"""The command `canary status`: once, or again and again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from canary.cli import flags, render
from canary.cli.arguments import require_namespace
from canary.cli.clock import SystemClock
from canary.cli.help import Command
from canary.cli.render import print_result
from canary.cli.session import Session
from canary.errors import CredentialsError, ExitCode, ForbiddenError, InputError, UnreachableError
from canary.objects import DEPLOYMENT
from canary.printable import printable
from canary.release.status import Status, names_in_release, workloads_in_release
from canary.release.status import status as read_status
from canary.times import readable

if TYPE_CHECKING:
    from canary.kube.cluster import Cluster

PACE = 2.0
"""Seconds between two looks of --watch."""


@click.command(
    cls=Command,
    examples=(
        "canary status",
        "canary status sampleapp --output json",
        "canary status --all-namespaces",
        "canary status --watch",
    ),
    short_help="Show stable, baseline and canary, and what you can do next.",
)
@flags.workloads
@click.option("-A", "--all-namespaces", is_flag=True, help="Show the releases of all namespaces. Needs a ClusterRole.")
@click.option("-w", "--watch", is_flag=True, help="Go on, and show each change. Ctrl-C ends it, with exit code 0.")
@flags.settings("label")
@flags.connection
@flags.results
def status(**given: Any) -> int:  # noqa: ANN401
    """Show stable, baseline and canary, the last verdict, and what you can do next.

    Without names, it shows the Deployments of the manifests in canary.yml, or else all releases of the namespace.
    """
    with Session(given) as session:
        everywhere = given["all_namespaces"]
        if everywhere and (given["workloads"] or given["namespace"]):
            raise InputError("--all-namespaces shows all releases: pass no names, manifests or --namespace with it")
        look = (lambda cluster: _everywhere(session, cluster)) if everywhere else _named(session)
        if not given["watch"]:
            _print(given, look(session.clients.cluster))
            return ExitCode.DONE
        cluster = session.clients.background_cluster()
        try:
            _watch(given, cluster, look)
        except KeyboardInterrupt:
            return ExitCode.DONE
        finally:
            cluster.close()
    return ExitCode.DONE


def _named(session: Session) -> Callable[[Cluster], tuple[Status, ...]]:
    """Return a look at the workloads that were named, or at all of the namespace."""
    session.require_deployments()
    names = session.names()

    def look(cluster: Cluster) -> tuple[Status, ...]:
        found = _status(session, cluster, names or workloads_in_release(cluster, session.options.label))
        if not any(workload.variants for workload in found.workloads):
            require_namespace(cluster)
        return (found,)

    return look


def _everywhere(session: Session, cluster: Cluster) -> tuple[Status, ...]:
    """Return the status of each namespace that has a release.

    Raises:
        ForbiddenError: the account may not list the Deployments of all namespaces.
    """
    try:
        live = cluster.find_everywhere(DEPLOYMENT)
    except ForbiddenError as error:
        raise ForbiddenError(
            f"{error}. --all-namespaces needs a ClusterRole that may list deployments of apps; "
            "with --namespace, a Role is enough"
        ) from error
    by_namespace: dict[str, list[Any]] = {}
    for deployment in live:
        by_namespace.setdefault(deployment["metadata"]["namespace"], []).append(deployment)
    names = {name: names_in_release(found, session.options.label) for name, found in sorted(by_namespace.items())}
    return tuple(
        _status(session, cluster.in_namespace(namespace), found, "--namespace", namespace)
        for namespace, found in names.items()
        if found
    )


def _status(session: Session, cluster: Cluster, names: Sequence[str], *more: str) -> Status:
    """Return the status of workloads; `more` is added to the commands that it names."""
    options = session.options
    options = replace(options, connection_flags=(*options.connection_flags, *more))
    lock = session.clients.lock
    return read_status(cluster, options, names, SystemClock().now(), has_ended=lock.has_ended)


def _print(given: dict[str, Any], found: tuple[Status, ...]) -> None:
    """Print the result of one look."""
    for problem in (problem for one in found for workload in one.workloads for problem in workload.problems):
        click.echo(printable(f"canary: warning: {problem}"), err=True)
    result = {"namespaces": [asdict(one) for one in found]} if given["all_namespaces"] else asdict(found[0])
    if not print_result(given, result):
        click.echo(_text(found))


def _text(found: tuple[Status, ...]) -> str:
    return "\n\n".join(map(render.status_as_text, found)) or "no release in any namespace"


def _watch(given: dict[str, Any], cluster: Cluster, look: Callable[[Cluster], tuple[Status, ...]]) -> None:
    """Show what changes, until somebody interrupts it. While the API server is away, say so once."""
    clock, shown, away = SystemClock(), "", False
    with _screen(given) as draw:
        while True:
            try:
                found = look(cluster)
            except CredentialsError:
                raise
            except UnreachableError as error:
                if not away:
                    click.echo(printable(f"canary: {error}; still trying"), err=True)
                away = True
                clock.sleep(PACE)
                continue
            if away:
                click.echo("canary: the API server answers again", err=True)
            away = False
            if draw is not None:
                draw(f"{readable(clock.now())}\n\n{_text(found)}")
            elif (text := _text(_without_times(found))) != shown:
                if given["output"] == "text":
                    click.echo(f"{'' if not shown else chr(10)}{readable(clock.now())}")
                elif given["output"] == "yaml":
                    click.echo("---")
                _print(given, found)
                shown = text
            clock.sleep(PACE)


def _without_times(found: tuple[Status, ...]) -> tuple[Status, ...]:
    """Return a status without what changes all the time though nothing happens."""
    return tuple(
        replace(
            one,
            workloads=tuple(
                replace(
                    workload,
                    driver=replace(workload.driver, renewed=0.0) if workload.driver else None,
                    expires_in=None,
                )
                for workload in one.workloads
            ),
        )
        for one in found
    )


@contextmanager
def _screen(given: dict[str, Any]) -> Iterator[Callable[[str], None] | None]:
    """Give a function that draws a text over the last one; None where lines are better: no terminal, JSON, YAML."""
    if given["output"] != "text" or not sys.stdout.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - loads what a help text must not wait for
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    with Live(console=console, auto_refresh=False) as live:
        yield lambda text: live.update(Text(_end(text, console.width, console.height - 1)), refresh=True)


def _end(text: str, width: int, height: int) -> str:
    """Return as many lines from the end of a text as a terminal has room for: it ends with what you can do next."""
    lines = text.splitlines()
    needed = [max(1, -(-len(line) // width)) for line in lines]
    while lines and sum(needed) > height:
        lines, needed = lines[1:], needed[1:]
    return "\n".join(lines)
