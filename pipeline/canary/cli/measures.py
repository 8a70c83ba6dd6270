"""What canary and baseline are compared by, and where the counts come from, as the settings say."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from canary.errors import InputError
from canary.ports import SampleSource
from canary.settings.settings import InForce, Settings
from canary.urls import is_loopback, origin
from canary.verdict.measures import Measures, Metric
from canary.verdict.selector import Selector

if TYPE_CHECKING:  # slow to import: help texts do without
    from canary.kube.cluster import Cluster


def measures(in_force: InForce) -> Measures:
    """Return what canary and baseline are compared by.

    Raises:
        InputError: a metric cannot be read, or two settings contradict each other.
    """
    settings = in_force.settings
    metrics = _named(in_force)
    good, total, histogram = (_selector(in_force, name) for name in ("good", "total", "latency_histogram"))
    if not metrics:
        metrics = [Metric.share("success", good, total, settings.tolerance)]
    if settings.latency_objective is not None:
        tolerance = settings.tolerance if settings.latency_tolerance is None else settings.latency_tolerance
        metrics.append(Metric.latency("latency", histogram, settings.latency_objective, tolerance))
    return Measures.of(metrics, histogram)


def source(settings: Settings, cluster: Cluster, measured: Measures, closing: ExitStack) -> SampleSource:
    """Return where the counts come from: the pods, or Prometheus.

    Args:
        settings: which of them.
        cluster: the Kubernetes API, through which pods and a Prometheus in the cluster are asked.
        measured: what is counted.
        closing: closes what was opened.
    """
    from canary.metrics import DirectSource, PrometheusSource, ServiceQueries, UrlQueries  # noqa: PLC0415 - slow to import

    if settings.prometheus is None:
        return DirectSource(cluster, measured, path=settings.metrics_path)
    if settings.prometheus.startswith("svc:"):
        return PrometheusSource(ServiceQueries(cluster, settings.prometheus), measured)
    queries = UrlQueries(
        settings.prometheus,
        headers=dict(_header(text) for text in settings.prometheus_headers),
        ca=Path(settings.prometheus_ca) if settings.prometheus_ca else None,
    )
    closing.callback(queries.close)
    return PrometheusSource(queries, measured)


def proxy(url: str) -> str:
    """Return the proxy, without its user and password, that queries to a URL go through; empty where there is none."""
    from requests.utils import get_environ_proxies, select_proxy  # noqa: PLC0415 - slow to import

    found = "" if is_loopback(url) else select_proxy(url, get_environ_proxies(url))
    return origin(found) if found else ""


def _named(in_force: InForce) -> list[Metric]:
    settings, sources = in_force.settings, in_force.sources
    for name in ("good", "total"):
        if settings.metrics and sources[name] != "default":
            raise InputError(
                f"{sources['metrics']} and {sources[name]}: of the two only one can hold; give all pairs as "
                "metrics, such as --metric success=GOOD,TOTAL"
            )
    try:
        return [Metric.parse(text, settings.tolerance) for text in settings.metrics]
    except InputError as error:
        raise InputError(f"{sources['metrics']}: {error}") from error


def _selector(in_force: InForce, name: str) -> str:
    """Return a setting that is a selector.

    Raises:
        InputError: it cannot be read; the message says where it is set.
    """
    text: str = getattr(in_force.settings, name)
    try:
        Selector.parse(text)
    except InputError as error:
        raise InputError(f"{in_force.sources[name]}: {error}") from error
    return text


def _header(text: str) -> tuple[str, Path]:
    name, separator, file = text.partition("=@")
    if not (name and separator and file):
        raise InputError("--prometheus-header: write NAME=@FILE; values are read from files, as arguments can be seen")
    return name, Path(file)
