"""Counts from the pods, through the API server's pod proxy: no Prometheus is needed."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import or_

from canary.errors import ClusterError, NotAnsweringError
from canary.metrics.api import Api
from canary.metrics.exposition import Reader, counters, names
from canary.verdict.exposed_metrics import ExposedMetrics
from canary.verdict.measures import START, Measures, Sample
from canary.verdict.scrapes import Pod, Scrape

CONCURRENT = 16


class DirectSource:
    """Scrapes each pod's metrics, all pods at once.

    Attributes:
        timeout: seconds to wait for a pod's answer.
    """

    def __init__(
        self,
        api: Api,
        measures: Measures,
        *,
        path: str = "/metrics",
        timeout: float = 5.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Read what `measures` counts from `path` of each pod's port."""
        self._api = api
        self._measures = measures
        self._reader = Reader([START, *(selector.name for selector in measures.selectors())])
        self._path = path
        self._now = now
        self.timeout = timeout

    def read(self, pods: Sequence[Pod], since: float) -> list[Scrape]:  # noqa: ARG002 - a pod has no history
        """Return one scrape of each pod. A scrape that failed has the reason and no counters.

        Raises:
            ClusterError: the API server forbids reading from pods, or does not accept the credentials.
        """
        if not pods:
            return []
        with ThreadPoolExecutor(min(CONCURRENT, len(pods)), thread_name_prefix="scrape") as threads:
            return list(threads.map(self._scrape, pods))

    def exposed(self, pods: Sequence[Pod]) -> ExposedMetrics:
        """Return what the pods expose now. Pods that do not answer are left out.

        Raises:
            ClusterError: as for `read`.
        """

        def of(pod: Pod) -> ExposedMetrics:
            try:
                page, samples = self._page(pod)
            except NotAnsweringError:
                return ExposedMetrics()
            return ExposedMetrics(names(page)) | ExposedMetrics.of(samples, self._measures)

        with ThreadPoolExecutor(CONCURRENT, thread_name_prefix="scrape") as threads:
            return reduce(or_, threads.map(of, pods), ExposedMetrics())

    def counters(self, pods: Sequence[Pod]) -> list[Sample]:
        """Return all counters of the pods.

        Raises:
            NotAnsweringError: a pod does not answer, or not with metrics.
            ClusterError: as for `read`.
        """
        found: list[Sample] = []
        for pod in pods:
            page, _ = self._page(pod)
            found += counters(page)
        return found

    def _scrape(self, pod: Pod) -> Scrape:
        try:
            _, samples = self._page(pod)
        except NotAnsweringError as error:
            return Scrape(pod, self._now(), None, problem=str(error))
        started = next((value for name, _, value in samples if name == START), None)
        parts = self._measures.parts(samples)
        return Scrape(pod, self._now(), self._measures.count(parts), started=started, parts=parts)

    def _page(self, pod: Pod) -> tuple[str, list[Sample]]:
        """Return what a pod exposes, and the samples in it that are counted."""
        # The port must be a number: the API server fails if it is a name.
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}:{pod.port}/proxy{self._path}"
        try:
            page = self._api.get_text(path, timeout=self.timeout)
            return page, self._reader.read(page)
        except NotAnsweringError:
            raise
        except ClusterError as error:
            advice = "grant `get` on `pods/proxy`, or read from Prometheus (--prometheus)"
            raise type(error)(f"{error}; to read counts from the pods, {advice}") from error
        except ValueError as error:
            text = f"{pod.name}:{pod.port}{self._path} is not metrics: {error}"
            raise NotAnsweringError(text) from error
