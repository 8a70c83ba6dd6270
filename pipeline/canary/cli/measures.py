"""What canary and baseline are compared by, from the settings."""

from canary.errors import InputError
from canary.settings.resolution import Resolved
from canary.verdict.measures import Measures, Metric
from canary.verdict.selector import Selector


def measures(resolved: Resolved) -> Measures:
    """Return what canary and baseline are compared by.

    Raises:
        InputError: a metric is not valid, or two settings contradict each other.
    """
    settings = resolved.settings
    metrics = _named(resolved)
    good, total, histogram = (_selector(resolved, name) for name in ("good", "total", "latency_histogram"))
    if not metrics:
        metrics = [Metric.share("success", good, total, settings.tolerance)]
    if settings.latency_objective is not None:
        tolerance = settings.tolerance if settings.latency_tolerance is None else settings.latency_tolerance
        metrics.append(Metric.latency("latency", histogram, settings.latency_objective, tolerance))
    return Measures.of(metrics, histogram)


def _named(resolved: Resolved) -> list[Metric]:
    settings, sources = resolved.settings, resolved.sources
    for name in ("good", "total"):
        if settings.metrics and sources[name] != "default":
            raise InputError(
                f"{sources['metrics']} and {sources[name]}: use only one of them; to compare by several pairs, "
                "pass all of them as metrics, such as --metric success=GOOD,TOTAL"
            )
    try:
        return [Metric.parse(text, settings.tolerance) for text in settings.metrics]
    except InputError as error:
        raise InputError(f"{sources['metrics']}: {error}") from error


def _selector(resolved: Resolved, name: str) -> str:
    """Return a setting that is a selector.

    Raises:
        InputError: it is not a valid selector; the message says where it is set.
    """
    text: str = getattr(resolved.settings, name)
    try:
        Selector.parse(text)
    except InputError as error:
        raise InputError(f"{resolved.sources[name]}: {error}") from error
    return text
