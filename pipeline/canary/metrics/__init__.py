"""Where counts come from: the pods, or Prometheus."""

from canary.metrics.direct import DirectSource
from canary.metrics.prometheus import PrometheusSource
from canary.metrics.queries import ServiceQueries, UrlQueries

__all__ = ["DirectSource", "PrometheusSource", "ServiceQueries", "UrlQueries"]
