"""What one command works with: settings, manifests and clients, built from its flags."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TextIO

import click

from canary.cli import render, sampling
from canary.cli.arguments import names_and_manifests
from canary.cli.clock import SystemClock
from canary.cli.identity import ThisProcess
from canary.cli.recorder import Happened
from canary.cli.release_arguments import connection_flags, release_arguments
from canary.errors import ClusterError, InputError
from canary.events import Differs, Event, Listener, Note
from canary.gate.automatic import AutoGate
from canary.gate.terminal import TerminalGate
from canary.kube.availability import Contact
from canary.manifests.bundle import Bundle, load, require_deployment
from canary.manifests.documents import dump
from canary.manifests.images import Image, parse_image, refuse_other_workloads, with_images, with_pull_secrets
from canary.manifests.masking import masked
from canary.objects import DEPLOYMENT, NAMESPACE, Object
from canary.observe.deployments import workload
from canary.ports import Gate, SampleSource
from canary.release.release import Release
from canary.settings import settings as config
from canary.settings.options import Options
from canary.state.expiry import show_life
from canary.state.lock import LeaseLock
from canary.verdict.measures import Measures

if TYPE_CHECKING:  # slow to import: help texts do without
    from canary.kube.cluster import Cluster
    from canary.kube.connection import Connection
    from canary.kube.transport import Transport


@dataclass(frozen=True)
class Flags:
    """What was given on the command line.

    Attributes:
        settings: texts of settings, by attribute.
        workloads: names of Deployments, or manifests.
        kubeconfig: path of a kubeconfig.
        context: name of a context in it.
        unproven: promote what no canary has shown.
        overwrite_stable: promote over a stable that was changed since deploy.
        supersede: reject another release that is in progress.
        break_lock: take a release over from another driver.
    """

    settings: Mapping[str, Any]
    workloads: tuple[str, ...] = ()
    kubeconfig: str | None = None
    context: str | None = None
    unproven: bool = False
    overwrite_stable: bool = False
    supersede: bool = False
    break_lock: bool = False


class Session:
    """Builds each thing when it is first needed, and closes what it opened."""

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._closing = ExitStack()
        self.record = Happened()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    @cached_property
    def in_force(self) -> config.InForce:
        """Settings and where each came from."""
        return config.in_force(self._flags.settings, os.environ, Path.cwd())

    @cached_property
    def settings(self) -> config.Settings:
        """Settings, each checked by itself and against the others."""
        settings = self.in_force.settings
        if settings.min_duration > settings.max_duration:
            raise InputError(
                f"--min-duration {config.shown(settings, 'min_duration')} is longer than "
                f"--max-duration {config.shown(settings, 'max_duration')}"
            )
        return settings

    def check_settings(self) -> None:
        """Refuse what other commands would refuse of the settings.

        Raises:
            InputError: a setting contradicts another, or a selector cannot be read.
        """
        _ = self.settings, self.steps, self.measures

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """Sizes of canary and baseline, one after the other, in percent of stable's pods."""
        return config.sizes(self.in_force)

    @cached_property
    def namespace(self) -> str:
        """The release's namespace: of flags, environment or `canary.yml`, else the context's, else `default`."""
        try:
            of_context = self.connection.namespace
        except InputError:  # no kubeconfig: told when the cluster is first used, so that wrong manifests are told first
            of_context = ""
        return self.settings.namespace or of_context or "default"

    @cached_property
    def connection(self) -> Connection:
        """Where the API server is; nothing is sent to it.

        Raises:
            InputError: there is no kubeconfig, or no such context in it.
        """
        return self._connect()

    def _connect(self) -> Connection:
        from canary.kube.connection import connect  # noqa: PLC0415 - takes longer to import than a help text may take

        return connect(self._flags.kubeconfig or os.environ.get("KUBECONFIG"), self._flags.context)

    @cached_property
    def cluster(self) -> Cluster:
        """The Kubernetes API."""
        from canary.kube.cluster import Cluster  # noqa: PLC0415 - as above

        return Cluster(self._transport, self.namespace, before_write=self._lock.check)

    @cached_property
    def listen(self) -> Listener:
        """What is told of every event: the terminal, and what the command's result is made of."""
        from canary.terminal import Output, Terminal  # noqa: PLC0415 - rich takes longer to import than a help text may

        terminal = Terminal(Output(stderr=True))
        self._closing.callback(terminal.close)

        def listen(event: Event) -> None:
            self.record(event)
            terminal(event)

        return listen

    @cached_property
    def _transport(self) -> Transport:
        from canary.kube.transport import Transport  # noqa: PLC0415 - as above

        transport = Transport(
            self._connect,
            patience=self.settings.timeout,
            sleep=SystemClock().sleep,
            contact=Contact(lambda text: self.listen(Note(text, warning=True))),
        )
        self._closing.callback(transport.close)
        return transport

    @cached_property
    def _lock(self) -> LeaseLock:
        """The lock on the release; what it writes itself needs no look at it."""
        from canary.kube.cluster import Cluster  # noqa: PLC0415 - as above
        from canary.kube.transport import Transport  # noqa: PLC0415

        clock = SystemClock()
        return LeaseLock(
            Cluster(self._transport, self.namespace),
            ThisProcess(),
            clock,
            background=lambda: closing(Cluster(Transport(self._connect), self.namespace)),
            alongside=lambda cluster, name: show_life(cluster, name, clock.now() + self.settings.expire_after),
            break_lock=self._flags.break_lock,
            patience=self.settings.lock_timeout,
        )

    def unreachable(self) -> str:
        """Return why no cluster answers us, empty if one does."""
        try:
            self.cluster.serves(DEPLOYMENT)
        except (InputError, ClusterError) as error:
            return str(error)
        return ""

    @cached_property
    def images(self) -> list[Image]:
        """The images to be released."""
        return [parse_image(text) for text in self.settings.images]

    def bundle(self, *, canary: bool = True, paths: Sequence[str] | None = None) -> Bundle:
        """Return the manifests with images and pull secrets put in.

        Args:
            canary: whether a canary will be made of them, which takes a Deployment.
            paths: of the manifests, where they are not those of the settings.
        """
        paths = self.settings.manifests if paths is None else paths
        bundle = load(paths, namespace=self.namespace, stdin=_stdin())
        if canary:
            require_deployment(bundle)
        changed = with_images(bundle, self.images)
        if canary:
            refuse_other_workloads(bundle, self.images)
        return with_pull_secrets(changed, self.settings.image_pull_secrets)

    def names_and_manifests(self, arguments: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the names of Deployments, and the manifests, among arguments.

        Raises:
            InputError: an argument may be either.
        """
        return names_and_manifests(arguments, self._may_be_workload)

    def _may_be_workload(self, name: str) -> bool:
        """Return whether there is a Deployment of a name, or a variant of it, or whether that cannot be told."""
        try:
            return bool(workload(self.cluster, name).variants)
        except (InputError, ClusterError):
            return True

    def names(self) -> tuple[str, ...]:
        """Return the names of the Deployments meant: those given, and those in the manifests given or set."""
        given = self._flags.workloads
        names, paths = self.names_and_manifests(given)
        if not given:
            paths = list(self.settings.manifests)
        if paths:
            bundle = load(paths, namespace=self.namespace, stdin=_stdin())
            require_deployment(bundle)
            names += [item["metadata"]["name"] for item in bundle.deployments]
        return tuple(dict.fromkeys(names))

    def require_deployments(self) -> None:
        """Refuse names, given on the command line, of what is not there: they are misspelt, or of another namespace.

        Raises:
            InputError: there is neither a Deployment of that name nor a variant of it, or no such namespace.
        """
        for name in self.names_and_manifests(self._flags.workloads)[0]:
            if not workload(self.cluster, name).variants:
                self.require_namespace()
                there = [found["metadata"]["name"] for found in self.cluster.find(DEPLOYMENT)]
                close = get_close_matches(name, there, 3)
                meant = f"; did you mean {' or '.join(close)}?" if close else ""
                raise InputError(
                    f"there is no Deployment {name}, nor a variant of it, in namespace {self.namespace}{meant}"
                )

    def require_namespace(self) -> None:
        """Refuse a namespace that is not there; for where nothing was found in it.

        Raises:
            InputError: it is not there.
        """
        try:
            there = self.cluster.get(NAMESPACE, self.namespace) is not None
        except ClusterError:  # who may only see what is in a namespace cannot tell
            return
        if not there:
            raise InputError(f"there is no namespace {self.namespace}")

    def release(
        self, *, bundle: Bundle | None = None, names: tuple[str, ...] = (), gate: Gate | None = None
    ) -> Release:
        """Return the release, ready to be told what to do."""
        return Release(
            cluster=self.cluster,
            samples=self.samples,
            clock=SystemClock(),
            gate=gate or AutoGate(),
            lock=self._lock,
            listen=self.listen,
            options=self.options,
            bundle=bundle,
            names=names,
        )

    def gate(self, release: str) -> Gate:
        """Return who decides about a release of this name.

        Raises:
            InputError: nobody can: no tolerance for the verdict, or no terminal for a person.
        """
        if len(self.steps) > 1:
            self.require_tolerances("a release in several steps")
        if self.settings.gate == "auto":
            self.require_tolerances("--gate auto")
            return AutoGate()
        return TerminalGate(self._answers(), sys.stderr, getpass.getuser(), release)

    def require_tolerance(self, what: str) -> None:
        """Refuse to judge by a tolerance that nobody has given.

        Raises:
            InputError: there is none.
        """
        if self.settings.tolerance is None:
            raise InputError(
                f"{what} needs a --tolerance: how much worse than the baseline a canary may be and still be promoted, "
                "as a share (0.05 for five points)"
            )

    def require_tolerances(self, what: str) -> None:
        """Refuse to judge by a metric that has no tolerance, neither its own nor that of all.

        Raises:
            InputError: one has none.
        """
        if any(metric.tolerance is None for metric in self.measures.metrics):
            self.require_tolerance(what)

    def _answers(self) -> TextIO:
        """Return where a person types: stdin, or the terminal itself while stdin brings the manifests."""
        if "-" in self.settings.manifests and sys.stderr.isatty():
            try:
                return self._closing.enter_context(Path("/dev/tty").open(encoding="utf-8"))
            except OSError:
                pass  # no terminal at all: the gate says so
        return sys.stdin or StringIO()

    @cached_property
    def measures(self) -> Measures:
        """What canary and baseline are compared by."""
        return sampling.measures(self.in_force)

    @cached_property
    def samples(self) -> SampleSource:
        """Where counts come from."""
        return sampling.source(self.settings, self.cluster, self.measures, self._closing)

    @cached_property
    def options(self) -> Options:
        """How a release is made."""
        settings = self.settings
        return Options(
            measures=self.measures,
            steps=self.steps,
            label=settings.label,
            timeout=settings.timeout,
            others=settings.others,
            unproven=self._flags.unproven,
            overwrite_stable=self._flags.overwrite_stable,
            supersede=self._flags.supersede,
            expire_after=settings.expire_after,
            alpha=settings.alpha,
            metrics_port="" if settings.prometheus else settings.metrics_port,
            interval=settings.interval,
            warm_up=settings.warm_up,
            min_duration=settings.min_duration,
            max_duration=settings.max_duration,
            min_requests=settings.min_requests,
            no_traffic_after=settings.no_traffic_after,
            evidence=settings.evidence or _state_folder(self.namespace),
            arguments=release_arguments(self.in_force),
            connection_flags=connection_flags(
                self.in_force, kubeconfig=self._flags.kubeconfig, context=self._flags.context
            ),
        )


def _stdin() -> BinaryIO | None:
    """Return stdin as bytes; None where the process was started without one."""
    return sys.stdin.buffer if sys.stdin else None


def _state_folder(namespace: str) -> str:
    """Return the folder for what was rejected in a namespace: in the user's state folder, by the XDG rules."""
    given = Path(os.environ.get("XDG_STATE_HOME", ""))  # these say to ignore a relative path
    try:
        base = given if given.is_absolute() else Path.home() / ".local" / "state"
    except RuntimeError:  # nobody knows this user's home
        return "canary-evidence"
    return str(base / "canary" / namespace)


def session_of(given: dict[str, Any]) -> Session:
    """Return what a command works with, from click's parameters."""
    names = {one.attribute for one in config.all_settings()}
    return Session(
        Flags(
            settings={key: value for key, value in given.items() if key in names},
            workloads=given.get("workloads", ()),
            kubeconfig=given.get("kubeconfig"),
            context=given.get("context"),
            unproven=given.get("unproven", False),
            overwrite_stable=given.get("overwrite_stable", False),
            supersede=given.get("supersede", False),
            break_lock=given.get("break_lock", False),
        )
    )


def print_json(given: dict[str, Any], result: object) -> bool:
    """Print a result if JSON was asked for, and return whether it was."""
    wanted: bool = given["output"] == "json"
    if wanted:
        click.echo(render.to_json(result))
    return wanted


def print_objects(
    given: dict[str, Any], objects: Iterable[Object], *, differs: Sequence[Differs] | None = None
) -> None:
    """Print what would be written, values of Secrets left out, as YAML or JSON; JSON takes the differences with it."""
    shown = [masked(item) for item in objects]
    more = {} if differs is None else {"differs": render.events_as_json(differs)}
    if not print_json(given, {"objects": shown, **more}):
        click.echo(dump(shown), nl=False)
