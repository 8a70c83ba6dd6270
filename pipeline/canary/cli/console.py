"""The console: a page in the browser that shows releases, and whose buttons decide on them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from canary.cli import flags
from canary.cli.arguments import require_deployments, require_namespace
from canary.cli.browser import has_desktop, opened_in_browser
from canary.cli.clock import SystemClock
from canary.cli.help import Command
from canary.cli.identity import ProcessIdentity
from canary.cli.session import Session
from canary.errors import CanaryError, InputError, InterruptedReleaseError, LockLostError, UnreachableError
from canary.gate.automatic import AutoGate
from canary.manifests.bundle import Bundle
from canary.printable import printable
from canary.release.release import Release

if TYPE_CHECKING:  # they load Flask, which other commands must not wait for
    from canary.console.desk import ClusterDesk
    from canary.console.server import Server

MOST_PORT = 65_535

FOR_A_LOCK = 5.0
"""Seconds that a person at a button waits for another driver's lock."""


@click.command(
    cls=Command,
    examples=(
        "canary console",
        "canary console sampleapp --namespace shop --reports out/",
        "canary console --listen 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key --no-open",
        "canary console --listen 127.0.0.1:8080 --host-name canary.example --user-header X-Forwarded-User",
    ),
    short_help="Watch releases in the browser, and decide on them.",
)
@flags.workloads
@flags.settings(*flags.CONSOLE, "label", "evidence", *flags.NOTIFICATIONS)
@click.option(
    "--reports",
    metavar="DIR",
    help="Folder with reports of past releases to show. By default that of report in canary.yml.",
)
@click.option("--no-open", is_flag=True, help="Do not open the browser. Without a desktop, it is never opened.")
@flags.connection
@click.option("-v", "--verbose", is_flag=True, help="On an error, also print the traceback.")
def console(**given: Any) -> None:  # noqa: ANN401 - click's parameters
    """Show releases in the browser: the verdict, the counts, the pods, and buttons to promote, reject or keep watching.

    By default the page shows all releases of the namespace, and what canary has deployed there before. The buttons
    answer a canary release that waits at its gate. Where none waits, Reject works, and Promote shows the command to
    run, because a promote needs the manifests.

    Only who has the printed address can open the page. The state of a release is in the cluster: you can start and end
    consoles at any time. Ctrl-C ends it.
    """
    with Session(given) as session, ExitStack() as closing:
        desk = _desk(session, session.names(), closing)
        _check_names(session, session.names_and_manifests(given["workloads"])[0])
        folder = given["reports"] or session.settings.report
        server = _serve(session, desk, Path(folder) if folder else None, closing)
        click.echo(f"The console is at {server.address}", err=True)
        click.echo("Keep the address to yourself: it lets others decide, too. Ctrl-C ends the console.", err=True)
        if not given["no_open"] and has_desktop(os.environ, sys.stderr):
            closing.enter_context(opened_in_browser(server.address))
        try:
            while True:  # not Event.wait: a Ctrl-C between its lock's release and its own try ends as a RuntimeError
                time.sleep(1)
        except KeyboardInterrupt:
            click.echo("The console has ended; releases go on without it", err=True)


@contextmanager
def console_of(session: Session, bundle: Bundle) -> Iterator[None]:
    """Serve the console of a release with `--gate console` while it runs, and a few seconds longer; else do nothing.

    Raises:
        InputError: the console cannot listen.
    """
    if session.settings.gate != "console":
        yield
        return
    names = tuple(deployment["metadata"]["name"] for deployment in bundle.deployments)
    with ExitStack() as closing:
        desk = _desk(session, names, closing)
        folder = session.settings.report
        server = _serve(session, desk, Path(folder) if folder else None, closing)
        click.echo(f"Watch this release, and decide on it, at {server.address}", err=True)
        if has_desktop(os.environ, sys.stderr):
            closing.enter_context(opened_in_browser(server.address))
        try:
            yield
        except CanaryError as error:
            if isinstance(error, LockLostError) or not isinstance(error, InterruptedReleaseError):
                _linger(desk)
            raise
        _linger(desk)


def _linger(desk: ClusterDesk) -> None:
    """Wait until open pages have shown how a release ended. Ctrl-C ends the wait."""
    try:
        desk.linger()
    except KeyboardInterrupt:
        return


def _desk(session: Session, names: Sequence[str], closing: ExitStack) -> ClusterDesk:
    from canary.console.desk import ClusterDesk  # noqa: PLC0415

    cluster = session.clients.background_cluster()
    closing.callback(cluster.close)
    beside = ProcessIdentity(is_alone=False)  # the driver may be this process, with --gate console
    return ClusterDesk(
        cluster, session.options, names, clock=SystemClock(), reject=_Rejecter(session), has_ended=beside.is_gone
    )


def _check_names(session: Session, names: Sequence[str]) -> None:
    """Refuse a misspelt name or namespace. While the API server is away, nobody can tell, and the page says so.

    A name from manifests is not misspelt: its first release may be still to come.
    """
    cluster = session.clients.background_cluster()
    try:
        require_namespace(cluster)
        require_deployments(cluster, names)
    except UnreachableError:
        return
    finally:
        cluster.close()


def _serve(session: Session, desk: ClusterDesk, reports: Path | None, closing: ExitStack) -> Server:
    """Begin to serve a console."""
    from canary.console.app import make_app  # noqa: PLC0415
    from canary.console.security import Access  # noqa: PLC0415
    from canary.console.server import Server  # noqa: PLC0415
    from canary.console.tls import TLS  # noqa: PLC0415

    settings = session.settings
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise InputError("--tls-cert and --tls-key belong together: pass both, or none")
    tls = TLS.read(Path(settings.tls_cert), Path(settings.tls_key)) if settings.tls_cert and settings.tls_key else None
    host, _, port = settings.listen.rpartition(":")
    host = host.strip("[]")
    if int(port) > MOST_PORT:
        raise InputError(f"--listen {settings.listen}: there is no port {port}; pass one up to {MOST_PORT:,}, or 0")
    names = frozenset(name.lower() for name in settings.host_names) | (tls.names if tls else frozenset())
    access = Access(names, settings.user_header or "")
    app = make_app(desk, access=access, reports=reports, person=ProcessIdentity().person)
    server = Server(app, access, host, int(port), tls)
    server.start()
    closing.callback(server.stop)
    return server


@dataclass(frozen=True)
class _Rejecter:
    """Rejects releases for the people at a console, with clients of its own for each of them."""

    session: Session

    def __call__(self, names: Sequence[str], *, by: str, reason: str, breaks_lock: bool) -> None:
        """Reject these workloads; see `console.desk.Reject`."""
        from canary.cli.clients import Clients  # noqa: PLC0415

        session = self.session
        clients = Clients(
            replace(session.settings, lock_timeout=FOR_A_LOCK, timeout=FOR_A_LOCK),
            (),
            kubeconfig=session.kubeconfig,
            context=session.context,
            break_lock=breaks_lock,
            notifies=True,
            person=by,
        )
        try:
            Release(
                cluster=clients.cluster,
                samples=clients.samples(session.measures),
                clock=SystemClock(),
                gate=AutoGate(),
                lock=clients.lock,
                listen=clients.listen,
                options=session.options,
                names=tuple(names),
                person=by,
            ).reject(f"by {printable(by)}" + (f": {printable(reason)}" if reason else ""))
        finally:
            clients.close()
