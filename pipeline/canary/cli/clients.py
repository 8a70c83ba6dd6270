"""The clients that a command works with: the API server, Prometheus and the terminal. Their packages import slowly."""

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from canary.cli import notifications
from canary.cli.clock import SystemClock
from canary.cli.identity import ProcessIdentity
from canary.doctor.connection import PrometheusService, Route
from canary.errors import CanaryError, InputError
from canary.events import Event, Listener, Note
from canary.kube.availability import Availability
from canary.kube.cluster import Cluster
from canary.kube.connection import Connection, connect
from canary.kube.transport import Transport
from canary.marks import Variant, variant_name
from canary.metrics import DirectSource, PrometheusSource, ServiceQueries, UrlQueries
from canary.metrics.prometheus import Queries
from canary.metrics.queries import SERVICE
from canary.notifications.kubernetes_events import KubernetesEvents
from canary.notifications.notification import Notifications
from canary.notifications.notifier import Notifier
from canary.notifications.outbox import Sender
from canary.objects import DEPLOYMENT, Object
from canary.ports import SampleSource
from canary.settings.settings import Settings
from canary.state.expiry import postpone_expiry
from canary.state.lock import LeaseLock
from canary.terminal import Output, Terminal
from canary.urls import is_loopback, origin
from canary.verdict.measures import Measures


class Clients:
    """Opens each client when it is first needed, and closes all of them at the end.

    Attributes:
        settings: the settings of the release.
        listeners: hear every event besides the terminal.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[Listener],
        *,
        kubeconfig: str | None = None,
        context: str | None = None,
        break_lock: bool = False,
        notifies: bool = False,
        person: str = "",
    ) -> None:
        self.settings = settings
        self.listeners = listeners
        self._kubeconfig = kubeconfig or os.environ.get("KUBECONFIG")
        self._context = context
        self._break_lock = break_lock
        self._notifies = notifies
        self._process = ProcessIdentity(is_alone=not person)  # a release may run beside a console
        self._person = person or self._process.person
        self._closing = ExitStack()

    def close(self) -> None:
        """Close what was opened."""
        self._closing.close()

    @cached_property
    def connection(self) -> Connection:
        """Where the API server is. No request is sent.

        Raises:
            InputError: there is no kubeconfig, or it has no such context.
        """
        return self._connect()

    def _connect(self) -> Connection:
        return connect(self._kubeconfig, self._context)

    @cached_property
    def namespace(self) -> str:
        """The namespace of the release: from the settings, else from the kubeconfig's context, else `default`."""
        try:
            of_context = self.connection.namespace
        except InputError:  # reported when the cluster is first used, so that errors in manifests come first
            of_context = ""
        return self.settings.namespace or of_context or "default"

    @cached_property
    def cluster(self) -> Cluster:
        """The Kubernetes API."""
        return Cluster(self._transport, self.namespace, before_write=self.lock.check)

    @cached_property
    def lock(self) -> LeaseLock:
        """The lock on the release. Its own writes do not check the lock."""
        clock = SystemClock()
        return LeaseLock(
            Cluster(self._transport, self.namespace),
            self._process,
            clock,
            background=lambda: closing(Cluster(Transport(self._connect), self.namespace)),
            alongside=lambda cluster, name: postpone_expiry(cluster, name, clock.now() + self.settings.expire_after),
            break_lock=self._break_lock,
            patience=self.settings.lock_timeout,
        )

    @cached_property
    def _transport(self) -> Transport:
        transport = Transport(
            self._connect,
            patience=self.settings.timeout,
            sleep=SystemClock().sleep,
            availability=Availability(lambda text: self.listen(Note(text, warning=True))),
        )
        self._closing.callback(transport.close)
        return transport

    @cached_property
    def listen(self) -> Listener:
        """Hears every event: passes it to the listeners, and shows it on the terminal."""
        terminal = Terminal(Output(stderr=True))
        self._closing.callback(terminal.close)

        def show(event: Event) -> None:
            for hear in self.listeners:
                hear(event)
            terminal(event)

        if not self._notifies:
            return show
        told = Notifications(self._person, SystemClock().now, self._read_canary)
        notifier = Notifier(told, self._senders())
        self._closing.callback(notifier.close, show)

        def listen(event: Event) -> None:
            show(event)
            notifier(event)

        return listen

    def _senders(self) -> list[Sender]:
        """Return who delivers notifications. Each works in a thread of its own, and so gets clients of its own."""
        own = self.background_cluster()
        return [KubernetesEvents(own, own.close), *notifications.senders(self.settings, self.background_cluster)]

    def background_cluster(self) -> Cluster:
        """Return a cluster for another thread, which waits only a few seconds for an API server that is away."""
        patience = Transport.first_patience
        return Cluster(Transport(self._connect, patience=patience), self.namespace)

    def _read_canary(self, workload: str) -> Object | None:
        """Return a workload's canary; None if it cannot be read: if that matters to the release, it fails by itself."""
        try:
            return self.cluster.get(DEPLOYMENT, variant_name(workload, Variant.CANARY))
        except CanaryError:
            return None

    def samples(self, measures: Measures) -> SampleSource:
        """Return where the counts come from: the pods, or Prometheus."""
        if self.settings.prometheus is None:
            return DirectSource(self.cluster, measures, path=self.settings.metrics_path)
        return PrometheusSource(self._queries(self.settings.prometheus), measures)

    def counters(self, path: str) -> DirectSource | PrometheusSource:
        """Return where all counters come from: a path of the pods, or Prometheus."""
        if self.settings.prometheus is None:
            return DirectSource(self.cluster, Measures.of([]), path=path)
        return PrometheusSource(self._queries(self.settings.prometheus), Measures.of([]))

    def _queries(self, prometheus: str) -> Queries:
        settings = self.settings
        if prometheus.startswith("svc:"):
            return ServiceQueries(self.cluster, prometheus)
        queries = UrlQueries(
            prometheus,
            headers={name: Path(file) for name, file in (one.split("=@", 1) for one in settings.prometheus_headers)},
            ca=Path(settings.prometheus_ca) if settings.prometheus_ca else None,
        )
        self._closing.callback(queries.close)
        return queries

    @property
    def prometheus_service(self) -> PrometheusService | None:
        """The Service of a Prometheus that is reached through the API server."""
        service = SERVICE.fullmatch(self.settings.prometheus or "")
        return PrometheusService(service["namespace"], service["service"]) if service else None

    @property
    def routes(self) -> tuple[Route, ...]:
        """How requests go to the API server, and to a Prometheus that is reached by its URL."""
        to_cluster = Route("the API server", self.connection.host, self.connection.proxy)
        url = self.settings.prometheus
        if not url or self.prometheus_service:
            return (to_cluster,)
        return to_cluster, Route("Prometheus", urlsplit(url).hostname or "", _proxy(url))


def _proxy(url: str) -> str:
    """Return the proxy, without its user and password, that requests to a URL use; empty if they use none."""
    proxy = "" if is_loopback(url) else select_proxy(url, get_environ_proxies(url))
    return origin(proxy) if proxy else ""
