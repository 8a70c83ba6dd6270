"""What one command works with: its settings, the manifests, the release and its gate, all built from the flags."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TextIO

from canary.cli import arguments, measures
from canary.cli.clock import SystemClock
from canary.cli.identity import ProcessIdentity
from canary.cli.recorder import Recorder
from canary.cli.release_arguments import connection_flags, release_arguments
from canary.cli.tokens import read_token, read_url
from canary.errors import ClusterError, InputError
from canary.events import Listener
from canary.gate.automatic import AutoGate
from canary.gate.manual import ManualGate
from canary.gate.terminal import TerminalGate
from canary.manifests.bundle import Bundle, load, require_deployment
from canary.manifests.images import images_of, parse_image, refuse_other_workloads, with_images, with_pull_secrets
from canary.objects import DEPLOYMENT
from canary.observe.deployments import read_workload
from canary.ports import Cluster, Gate, SampleSource
from canary.release.commands import Commands
from canary.release.release import Release
from canary.settings.options import Options
from canary.settings.resolution import Resolved, resolve
from canary.settings.settings import SETTINGS, Settings
from canary.verdict.measures import Measures

if TYPE_CHECKING:  # for the annotation; see Session.clients
    from canary.cli.clients import Clients


class Session:
    """Builds each thing when it is first needed, and closes what it opened."""

    def __init__(self, given: Mapping[str, Any], *, reads_file: bool = True) -> None:
        """Take click's parameters of a command, whichever it has, and read canary.yml, unless told not to."""
        self._given = given
        self._folder = Path.cwd() if reads_file else None
        self._closing = ExitStack()
        self.recorder = Recorder()
        self.listeners: list[Listener] = [self.recorder]
        self.workloads: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    @cached_property
    def resolved(self) -> Resolved:
        """Settings, and where each comes from."""
        flags = {name: value for name, value in self._given.items() if name in SETTINGS}
        return resolve(flags, os.environ, self._folder)

    @cached_property
    def settings(self) -> Settings:
        """Settings, each checked by itself and against the others."""
        settings = self.resolved.settings
        if settings.min_duration > settings.max_duration:
            raise InputError(
                f"--min-duration {self.resolved.show('min_duration')} is longer than "
                f"--max-duration {self.resolved.show('max_duration')}: lower it, or raise --max-duration"
            )
        return settings

    def check_settings(self) -> None:
        """Refuse settings that other commands would refuse.

        Raises:
            InputError: two settings contradict each other, or a selector is not valid.
        """
        _ = self.settings, self.steps, self.measures

    @cached_property
    def steps(self) -> tuple[float, ...]:
        """Sizes of canary and baseline, one after the other, in percent of stable's pods.

        Raises:
            InputError: one is 0, and nobody reaches the canary by --match.
        """
        sizes = self.resolved.sizes()
        if sizes[0] == 0 and (len(sizes) > 1 or not self.settings.match):
            raise InputError(
                "0 % is a preview for testers: deploy with --percentage 0, --traffic gateway and --match; then release "
                "with the shares that are to be compared"
            )
        return sizes

    @cached_property
    def measures(self) -> Measures:
        """What canary and baseline are compared by."""
        return measures.measures(self.resolved)

    @cached_property
    def clients(self) -> Clients:
        """The API server, Prometheus and the terminal."""
        from canary.cli.clients import Clients  # noqa: PLC0415 - loads packages that a help text must not wait for

        clients = Clients(
            self.settings,
            self.listeners,
            kubeconfig=self.kubeconfig,
            context=self.context,
            break_lock=self._given.get("break_lock", False),
            notifies="notify_url" in self._given,
        )
        self._closing.callback(clients.close)
        return clients

    @property
    def namespace(self) -> str:
        """The namespace of the release."""
        return self.clients.namespace

    @property
    def cluster(self) -> Cluster:
        """The Kubernetes API."""
        return self.clients.cluster

    @cached_property
    def samples(self) -> SampleSource:
        """Where the counts come from."""
        return self.clients.samples(self.measures)

    def unreachable(self) -> str:
        """Return why no cluster answers, empty if one does."""
        try:
            self.cluster.serves(DEPLOYMENT)
        except (InputError, ClusterError) as error:
            return str(error)
        return ""

    def bundle(self, *, canary: bool = True, paths: Sequence[str] | None = None) -> Bundle:
        """Return the manifests, with the images and pull secrets of the settings.

        Args:
            canary: whether they are for a canary, which needs a Deployment.
            paths: of the manifests, by default those of the settings.
        """
        bundle = self._load(self.settings.manifests if paths is None else paths)
        images = [parse_image(text) for text in self.settings.images]
        if canary:
            require_deployment(bundle)
        changed = with_images(bundle, images)
        if canary:
            refuse_other_workloads(bundle, images)
        return with_pull_secrets(changed, self.settings.image_pull_secrets)

    def _load(self, paths: Sequence[str]) -> Bundle:
        return load(paths, namespace=self.namespace, stdin=_stdin())

    def names_and_manifests(self, given: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the names of Deployments and the manifests among arguments.

        Raises:
            InputError: an argument may be either.
        """
        return arguments.names_and_manifests(given, self._may_be_workload)

    def _may_be_workload(self, name: str) -> bool:
        """Return whether a Deployment of this name exists, or a variant of it; True if that cannot be known."""
        try:
            return bool(read_workload(self.cluster, name).variants)
        except (InputError, ClusterError):
            return True

    def names(self) -> tuple[str, ...]:
        """Return the names of the Deployments to work on: those given, and those in the manifests given or set."""
        given = self._given.get("workloads", ())
        names, paths = self.names_and_manifests(given)
        if not given:
            paths = list(self.settings.manifests)
        if paths:
            bundle = self._load(paths)
            require_deployment(bundle)
            names += [deployment["metadata"]["name"] for deployment in bundle.deployments]
        return tuple(dict.fromkeys(names))

    def require_deployments(self) -> None:
        """Refuse a name given on the command line if no such Deployment exists.

        Raises:
            InputError: neither the Deployment nor a variant of it exists, or its namespace does not.
        """
        arguments.require_deployments(self.cluster, self.names_and_manifests(self._given.get("workloads", ()))[0])

    @property
    def kubeconfig(self) -> str | None:
        """The kubeconfig that was given, None for the default."""
        return self._given.get("kubeconfig")

    @property
    def context(self) -> str | None:
        """The context that was given, None for the default."""
        return self._given.get("context")

    def release(
        self, *, bundle: Bundle | None = None, names: tuple[str, ...] = (), gate: Gate | None = None
    ) -> Release:
        """Return the release, with everything that it needs."""
        self.workloads = names or tuple(one["metadata"]["name"] for one in (bundle.deployments if bundle else ()))
        return Release(
            cluster=self.cluster,
            samples=self.samples,
            clock=SystemClock(),
            gate=gate or AutoGate(),
            lock=self.clients.lock,
            listen=self.clients.listen,
            options=self.options,
            bundle=bundle,
            names=names,
            person=ProcessIdentity().person,
        )

    def gate(self, bundle: Bundle) -> Gate:
        """Return the gate that decides about a release of these manifests.

        Raises:
            InputError: it could not decide: the verdict has no tolerance, the person has no terminal, or there is no
                URL to ask.
        """
        if self.steps == (0,):
            raise InputError("a release at 0 % compares nothing: take canary deploy for a preview")
        if len(self.steps) > 1:
            self.require_tolerances("a release in several steps")
        settings = self.settings
        if settings.gate == "auto":
            self.require_tolerances("--gate auto")
            return AutoGate()
        names = [deployment["metadata"]["name"] for deployment in bundle.deployments]
        listen, timeout = self.clients.listen, settings.gate_timeout
        if settings.gate in ("manual", "console"):
            commands = Commands(self.options, *names)
            advice = "Decide in the console, whose address is above" if settings.gate == "console" else ""
            return ManualGate(
                SystemClock(), listen, timeout, commands.promote, commands.reject, advice, name=settings.gate
            )
        if settings.gate == "webhook":
            if settings.gate_url is None:
                raise InputError("--gate webhook needs a --gate-url: the server to ask")
            from canary.gate.webhook import WebhookGate  # noqa: PLC0415 - loads what a help text must not wait for

            self._gate_token()
            images = [image for deployment in bundle.deployments for image in images_of(deployment)]
            release = {"namespace": self.namespace, "workloads": names, "images": list(dict.fromkeys(images))}
            url = read_url("gate_url", settings.gate_url)
            return WebhookGate(SystemClock(), listen, url, self._gate_token, release, timeout, settings.interval)
        return TerminalGate(self._keyboard(), sys.stderr, getpass.getuser(), " ".join(names))

    def _gate_token(self) -> str:
        return read_token("--gate-token-file", self.settings.gate_token_file, "CANARY_GATE_TOKEN")

    def require_tolerance(self, what: str) -> None:
        """Refuse to judge without a tolerance.

        Raises:
            InputError: none is given.
        """
        if self.settings.tolerance is None:
            raise InputError(
                f"{what} needs a --tolerance: how much worse than the baseline a canary may be and still be promoted, "
                "as a share (0.05 for five points), or as a multiple of the baseline's errors (1.5x)"
            )

    def require_tolerances(self, what: str) -> None:
        """Refuse to judge by a metric without a tolerance, be it its own or that of all.

        Raises:
            InputError: a metric has none.
        """
        if any(metric.tolerance is None for metric in self.measures.metrics):
            self.require_tolerance(what)

    def _keyboard(self) -> TextIO:
        """Return where a person types: stdin, or the terminal itself if stdin brings the manifests."""
        if "-" in self.settings.manifests and sys.stderr.isatty():
            try:
                return self._closing.enter_context(Path("/dev/tty").open(encoding="utf-8"))
            except OSError:
                pass  # there is no terminal: the gate reports it
        return sys.stdin or StringIO()

    def _route(self) -> str:
        """Return the name of the HTTPRoute that divides the requests, empty if the numbers of pods divide them.

        Raises:
            InputError: it is missing, or given for nothing.
        """
        settings = self.settings
        if settings.traffic == "gateway":
            if settings.route is None:
                raise InputError(
                    "--traffic gateway needs a --route: the HTTPRoute that sends requests to the Service of the "
                    "Deployment (kubectl get httproutes shows them)"
                )
            return settings.route
        for attribute in ("route", "match", "replicas"):
            if getattr(settings, attribute) is not None:
                raise InputError(f"{self.resolved.sources[attribute]} needs --traffic gateway")
        return ""

    @cached_property
    def options(self) -> Options:
        """How a release is made."""
        settings, given = self.settings, self._given
        return Options(
            measures=self.measures,
            steps=self.steps,
            route=self._route(),
            match=settings.match or "",
            replicas=settings.replicas,
            label=settings.label,
            timeout=settings.timeout,
            others=settings.others,
            unproven=given.get("unproven", False),
            overwrite_stable=given.get("overwrite_stable", False),
            supersede=given.get("supersede", False),
            expire_after=settings.expire_after,
            alpha=settings.alpha,
            metrics_port="" if settings.prometheus else settings.metrics_port,
            interval=settings.interval,
            warm_up=settings.warm_up,
            min_duration=settings.min_duration,
            max_duration=settings.max_duration,
            min_requests=settings.min_requests,
            sample_ratio=settings.sample_ratio == "on",
            no_traffic_after=settings.no_traffic_after,
            evidence=settings.evidence or _state_folder(self.namespace),
            arguments=release_arguments(self.resolved),
            connection_flags=connection_flags(self.resolved, given),
        )


def _stdin() -> BinaryIO | None:
    """Return stdin as bytes, None if the process was started without one."""
    return sys.stdin.buffer if sys.stdin else None


def _state_folder(namespace: str) -> str:
    """Return the default folder for the evidence of a namespace: in the user's state folder, by the XDG rules."""
    given = Path(os.environ.get("XDG_STATE_HOME", ""))  # a relative path is to be ignored
    try:
        base = given if given.is_absolute() else Path.home() / ".local" / "state"
    except RuntimeError:  # the user has no home
        return "canary-evidence"
    return str(base / "canary" / namespace)
