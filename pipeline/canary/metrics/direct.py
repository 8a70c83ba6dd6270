"""Counts straight from the pods, through the API server's pod proxy: a cluster without Prometheus works too."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from canary.errors import ClusterError, NotAnsweringError
from canary.measures import START
from canary.published import Published
from canary.tally import Scrape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from canary.measures import Measures, Sample
    from canary.metrics.api import Api
    from canary.tally import Pod

CONCURRENT = 16


class DirectSource:
    """Scrapes each pod's metrics, all pods at once.

    Attributes:
        timeout: seconds that a pod may take to answer.
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
        self._path = path
        self._now = now
        self.timeout = timeout

    def read(self, pods: Sequence[Pod], since: float) -> list[Scrape]:  # noqa: ARG002 - a pod only knows the present
        """Return one scrape of each pod; without counters, and with the reason, where it failed.

        Raises:
            ClusterError: the API server forbids reading from pods, or does not know the caller.
        """
        if not pods:
            return []
        with ThreadPoolExecutor(min(CONCURRENT, len(pods)), thread_name_prefix="scrape") as threads:
            return list(threads.map(self._scrape, pods))

    def published(self, pods: Sequence[Pod]) -> Published:
        """Return what the pods publish now, those left out that do not answer.

        Raises:
            ClusterError: as for `read`.
        """

        def of(pod: Pod) -> Published:
            try:
                return Published.of(self._samples(pod), self._measures)
            except NotAnsweringError:
                return Published()

        with ThreadPoolExecutor(CONCURRENT, thread_name_prefix="scrape") as threads:
            return reduce(or_, threads.map(of, pods), Published())

    def _scrape(self, pod: Pod) -> Scrape:
        try:
            samples = self._samples(pod)
        except NotAnsweringError as error:
            return Scrape(pod, self._now(), None, problem=str(error))
        started = next((value for name, _, value in samples if name == START), None)
        parts = self._measures.parts(samples)
        return Scrape(pod, self._now(), self._measures.count(parts), started=started, parts=parts)

    def _samples(self, pod: Pod) -> list[Sample]:
        # A port must be a number here: with a name the API server fails.
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}:{pod.port}/proxy{self._path}"
        try:
            return list(parse(self._api.get_text(path, timeout=self.timeout)))
        except NotAnsweringError:
            raise
        except ClusterError as error:
            advice = "grant `get` on `pods/proxy`, or read from Prometheus (--prometheus)"
            raise type(error)(f"{error}; to read counts from the pods, {advice}") from error
        except ValueError as error:
            text = f"{pod.name}:{pod.port}{self._path} is not metrics: {error}"
            raise NotAnsweringError(text) from error


def parse(text: str) -> Iterator[Sample]:
    """Yield the samples of a page in Prometheus' text format or in OpenMetrics, under the names they have there.

    Raises:
        ValueError: the text is neither.
    """
    if text.rstrip().endswith("# EOF"):
        families = parse_openmetrics(text)  # type: ignore[no-untyped-call] # the library has no types there
    else:
        # Types are left out: given `# TYPE x counter`, the parser would call `x_total` what Prometheus calls `x`.
        families = parse_prometheus("\n".join(line for line in text.split("\n") if not line.startswith("#")))
    for family in families:
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value
