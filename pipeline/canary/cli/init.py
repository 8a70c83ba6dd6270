"""The command that writes canary.yml for an app."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from canary.cli import flags
from canary.cli.help import Command
from canary.cli.initial_settings import content
from canary.cli.interview import Interview
from canary.cli.render import print_result
from canary.cli.session import Session
from canary.doctor.discovery import Exposed, exposed_by
from canary.errors import CanaryError, InputError
from canary.objects import Object
from canary.printable import printable
from canary.settings.resolution import FILE, read_file
from canary.settings.settings import SETTINGS

EXISTS = f"{FILE} exists already: change it by hand, or replace it with --force"
FOLDERS = ("manifests", "k8s", "kubernetes", "deploy")
"""Folders that are searched for manifests if none are named."""


@click.command(
    cls=Command,
    examples=(
        "canary init manifests/",
        "canary init manifests/ --tolerance 0.01  # without a terminal, it can ask nothing",
        "canary init manifests/ --prometheus svc:monitoring/prometheus:9090 --namespace shop",
    ),
)
@flags.manifests
@flags.settings(
    "tolerance", "percentage", "good", "total", "metrics_port", "metrics_path",
    "prometheus", "prometheus_headers", "prometheus_ca",
)  # fmt: skip
@click.option("--force", is_flag=True, help=f"Replace an existing {FILE}.")
@flags.connection
@flags.results
def init(**given: Any) -> None:  # noqa: ANN401 - click's parameters
    """Write canary.yml for your app, and explain each setting in it.

    Reads the manifests, and the metrics of the pods that run now, to find the port, the path, and the counters of good
    and of all requests. Asks only for what it cannot find. Changes nothing in the cluster, and never replaces an
    existing canary.yml without --force.
    """
    file = Path(FILE)
    if file.exists() and not given["force"]:
        raise InputError(EXISTS)
    given = given | {"manifests": given["manifests"] or _manifests()}
    with Session(given, reads_file=False) as session:
        deployment, *others = session.bundle().deployments
        exposed = _exposed(session, deployment)
        if exposed.problem:
            click.echo(printable(f"canary: {exposed.problem}"), err=True)
        answers = Interview(session.resolved, exposed).answers()
        text = content(session.resolved, deployment, exposed, answers)
    try:
        with file.open("w" if given["force"] else "x", encoding="utf-8") as output:
            output.write(text)
    except FileExistsError as error:  # somebody has made it while a person was answering
        raise InputError(EXISTS) from error
    settings = {SETTINGS[key].key: SETTINGS[key].show(value) for key, (value, _) in read_file(file).items()}
    if not print_result(given, {"file": FILE, "settings": settings, "problem": exposed.problem}):
        click.echo(f"wrote {FILE}: read it, then check the cluster with it: canary doctor")
        if others:
            names = ", ".join(one["metadata"]["name"] for one in others)
            click.echo(f"the settings fit {deployment['metadata']['name']}; make sure that they also fit {names}")


def _exposed(session: Session, deployment: Object) -> Exposed:
    """Return what the app exposes, or why that is not known: without a cluster, the manifests alone are read."""
    resolved = session.resolved
    port, path, total, good = (
        "" if resolved.sources[one] == "default" else resolved.show(one)
        for one in ("metrics_port", "metrics_path", "total", "good")
    )
    try:
        exposed = exposed_by(
            session.cluster,
            session.clients.counters,
            deployment,
            port=port,
            path=path,
            direct=session.settings.prometheus is None,
        )
    except CanaryError as error:
        return Exposed(problem=f"the metrics were not read: {error}")
    if total and good and exposed.counters and not exposed.without(total, good):
        return replace(exposed, problem="")  # nothing needs to be found any more
    return exposed


def _manifests() -> tuple[str, ...]:
    """Return the folder of manifests that most projects have."""
    for folder in FOLDERS:
        if Path(folder).is_dir():
            return (folder,)
    raise InputError("no manifests given: pass the files or folders of your Deployment and Service, such as deploy/")
