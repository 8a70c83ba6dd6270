"""What a page says about a release, in words and numbers that a stranger understands."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass

from canary.marks import Variant
from canary.plurals import counted, in_exact_percent, in_percent
from canary.release.overview import MetricOverview, Overview, Phase, VariantOverview, WorkloadOverview
from canary.times import parse_timestamp
from canary.verdict.comparison import Comparison, Decision
from canary.verdict.looks import seen_share
from canary.verdict.tolerance import Multiple, Tolerance, decimals


@dataclass(frozen=True)
class Facts:
    """The answers to what a person asks first.

    Attributes:
        sure: how sure the verdict is.
        wait: how long it may still take.
        todo: what the person can do now.
    """

    sure: str
    wait: str
    todo: str


@dataclass(frozen=True)
class Share:
    """How much of the traffic the canary gets.

    Attributes:
        intended: its share of the pods, or of the requests if a route divides them, in percent; empty if it has none.
        of: what that is a share of.
        seen: its share of the latest requests, in 0–1; None if that is not known.
    """

    intended: str
    of: str
    seen: float | None


def facts(one: WorkloadOverview) -> Facts:
    """Return what the page says first."""
    return Facts(_sure(one), _wait(one), _todo(one))


def named_workload(overview: Overview | None, name: str) -> WorkloadOverview | None:
    """Return the workload with a name, or the worst one; None if there is none at all."""
    known = overview.workloads if overview else ()
    return next((one for one in known if one.status.name == name), known[0] if known else None)


def named_metric(one: WorkloadOverview | None, name: str) -> MetricOverview | None:
    """Return the metric with a name, or the worst one; None if there is none at all."""
    known = one.metrics if one else ()
    return next((metric for metric in known if metric.comparison.metric == name), known[0] if known else None)


def has_list(overview: Overview | None, one: WorkloadOverview | None) -> bool:
    """Return whether there is more than one thing to look at."""
    return overview is not None and (len(overview.workloads) > 1 or (one is not None and len(one.metrics) > 1))


def mark(one: WorkloadOverview) -> str:
    """Return what tells this release from the next one of the same workload. A form carries it."""
    canary = variant(one, Variant.CANARY)
    told = [canary.status.created, *canary.status.images] if canary else []
    return hashlib.sha256(json.dumps([one.status.name, *told]).encode()).hexdigest()[:16]


def variant(one: WorkloadOverview, wanted: Variant) -> VariantOverview | None:
    """Return a variant, None if it does not exist."""
    return next((found for found in one.variants if found.status.variant is wanted), None)


def versions(one: WorkloadOverview) -> str:
    """Return which versions are compared, under which names."""
    named = {found.status.variant: ", ".join(map(short_image, found.status.images)) for found in one.variants}
    compared = [f"{named[which]} ({which})" for which in (Variant.CANARY, Variant.BASELINE) if which in named]
    return f"{one.status.name}: {' against '.join(compared)}" if compared else one.status.name


def meaning(which: Variant, phase: Phase) -> str:
    """Return what a variant is, for those who do not know the word."""
    if which is Variant.STABLE and phase in (Phase.PROMOTING, Phase.ROLLING_BACK):
        return "being replaced"
    return {Variant.CANARY: "new", Variant.BASELINE: "old", Variant.STABLE: "in use"}[which]


def decision(one: WorkloadOverview) -> str:
    """Return the verdict, empty where there is none or no release."""
    return "" if one.phase in (Phase.IDLE, Phase.ROLLING_BACK) else one.status.verdict


def word(one: WorkloadOverview) -> str:
    """Return the word beside the headline."""
    if decision(one):
        return decision(one)
    words = {
        Phase.IDLE: "NO RELEASE",
        Phase.STARTING: "STARTING",
        Phase.PROMOTING: "PROMOTING",
        Phase.ROLLING_BACK: "ROLLING BACK",
    }
    return words.get(one.phase, "NO VERDICT YET")


def spoken(one: WorkloadOverview) -> str:
    """Return what a screen reader says when it changes: no number, as these change all the time."""
    said = f"verdict {decision(one)}" if decision(one) else word(one).lower()
    return f"{one.status.name}: {said}; {one.phase}."


def badge(metric: MetricOverview) -> str:
    """Return the result of a metric in one or two words, for a list."""
    one = metric.comparison
    if one.ratio is not None and isinstance(one.tolerance, Multiple):
        return f"{one.ratio:.2g}× errors"
    if one.difference is None:
        return "no requests"
    return f"{_signed(one.difference, one.tolerance)} points"


def share(one: WorkloadOverview) -> Share:
    """Return which share of the traffic the canary is to get, and which it got of the latest requests."""
    seen = seen_share(one.metrics[0].counts.looks) if one.metrics else None
    if one.status.traffic is not None:
        asked = in_exact_percent(one.status.traffic.asked)
        return Share(asked, f"the requests, by HTTPRoute {one.status.traffic.route}", seen)
    pods = {found.status.variant: found.status.desired for found in one.variants}
    of_canary = pods.get(Variant.CANARY, 0)
    return Share(in_percent(of_canary / sum(pods.values())) if of_canary else "", "the pods", seen)


def age(seconds: float) -> str:
    """Return an age as kubectl shows it, rounded so that a page seldom changes: `40s`, `12m`, `3h`, `5d`."""
    if seconds < 60:
        return f"{max(0, int(seconds)) // 10 * 10}s"
    for unit, size in (("d", 86_400), ("h", 3_600)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds // 60)}m"


def created_age(overview: Overview, one: VariantOverview) -> str:
    """Return the age of a variant's Deployment."""
    try:
        return age(overview.at - parse_timestamp(one.status.created))
    except ValueError:
        return ""


def short_image(image: str) -> str:
    """Return the end of an image's name, which tells versions apart."""
    name = image.rpartition("/")[2]
    head, at, digest = name.partition("@sha256:")
    return f"{head}@{digest[:12]}" if at else name


def _sure(one: WorkloadOverview) -> str:
    worst = one.metrics[0].comparison if one.metrics else None
    if worst is None:
        return "Nothing is compared yet" if one.phase is not Phase.IDLE else "Nothing to compare"
    found = decision(one)
    if found == Decision.UNDECIDED or not found:
        return f"Not sure yet: {_range(worst)}"
    if all(found != metric.comparison.decision for metric in one.metrics):
        return "Certain: what happened is not a matter of counts"
    return f"{in_percent(1 - one.alpha)} sure that it is {_bound(worst)}{_allowed(worst.tolerance)}"


def _wait(one: WorkloadOverview) -> str:
    match one.phase:
        case Phase.IDLE:
            return "No release in progress"
        case Phase.PROMOTING | Phase.ROLLING_BACK:
            stable = variant(one, Variant.STABLE)
            if stable is None:
                return "Until the pods of stable are ready"
            return f"{stable.status.updated} of {counted(stable.status.desired, 'stable pod')} replaced"
        case Phase.STARTING:
            return "Until the pods are ready"
    waits = f"; still waiting: {one.waiting_for}" if one.waiting_for and decision(one) != Decision.REJECT else ""
    if decision(one) in (Decision.PROMOTE, Decision.REJECT):
        return "Until you decide: nothing happens before" if one.phase is Phase.WAITING else f"Decided{waits}"
    expected = one.status.forecast
    if expected is None:
        return f"Cannot be said yet{waits}"
    return f"{_duration(expected.seconds)}, then probably {expected.decision}{waits}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "More than an hour"
    if seconds <= 50:
        return f"About {max(1, math.ceil(seconds / 10)) * 10} s more"
    return f"About {max(1, round(seconds / 60))} min more"


def _todo(one: WorkloadOverview) -> str:
    """Return what to do now."""
    found = decision(one)
    by_command = any(choice.command for choice in one.choices if choice.why_not)
    match one.phase:
        case Phase.IDLE:
            return "Nothing, or start a release"
        case Phase.STARTING:
            return "Nothing: it begins to compare by itself"
        case Phase.PROMOTING | Phase.ROLLING_BACK:
            return "Run the command below: nobody works on it" if by_command else "Nothing: wait until it is done"
        case Phase.COMPARING:
            return "Nothing now: the release is still comparing"
        case Phase.WAITING:
            advice = {Decision.PROMOTE: "Promote it", Decision.REJECT: "Reject it"}
            return (
                f"{advice.get(Decision(found or 'UNDECIDED'), 'Decide, or keep watching')}: the release waits for you"
            )
        case Phase.LEFT:
            if found == Decision.REJECT:
                return "Reject it: nobody works on it"
            return "Run a command below: nobody works on it"


def _range(one: Comparison) -> str:
    """Return between which values the truth lies."""
    if isinstance(one.tolerance, Multiple) and one.ratio is not None:
        low, high = one.ratio_interval
        return (
            f"{low:.2g} to {high:.2g} times the errors"
            if math.isfinite(high)
            else f"at least {low:.2g} times the errors"
        )
    if one.difference is None:
        return "no requests to compare"
    low, high = one.interval
    if high - low >= 1:
        return "too few answers yet"
    digits = decimals(one.tolerance if isinstance(one.tolerance, float) else None)
    worst, best = (f"{abs(edge) * 100:.{digits}f}" for edge in (low, high))
    if low < 0 <= high:
        return f"{worst} points worse to {best} better"
    return f"{worst} to {best} points better" if low >= 0 else f"{best} to {worst} points worse"


def _signed(difference: float, tolerance: Tolerance | None) -> str:
    digits = decimals(tolerance if isinstance(tolerance, float) else None)
    return f"{difference * 100:+.{digits}f}".replace("-", "−")


def _bound(one: Comparison) -> str:
    """Return the end of the interval that a decision depends on."""
    is_reject = one.decision is Decision.REJECT
    if isinstance(one.tolerance, Multiple):
        low, high = one.ratio_interval
        return f"at least {low:.2g} times the errors" if is_reject else f"at most {high:.2g} times the errors"
    low, high = one.interval
    digits = decimals(one.tolerance)
    end = f"{abs(high if is_reject else low) * 100:.{digits}f} points"
    if is_reject:
        return f"at least {end} worse"
    return f"at least {end} better" if low > 0 else f"at most {end} worse"


def _allowed(tolerance: Tolerance | None) -> str:
    """Return the tolerance, in brackets."""
    if isinstance(tolerance, Multiple):
        return f" ({tolerance.times:.12g} times are allowed)"
    if tolerance is None:
        return ""
    points = f"{tolerance * 100:.{decimals(tolerance)}f}".rstrip("0").rstrip(".")
    return f" ({points} {'is' if points == '1' else 'are'} allowed)"


def requests(count: float | None) -> str:
    """Return a number of requests for a table."""
    return "–" if count is None else f"{count:,.0f}"


def percent(good: float | None, total: float | None) -> str:
    """Return a share of good answers for a table."""
    return "–" if not total or good is None else f"{good / total:.2%}".replace("%", " %")


def percent_or_dash(share: float | None) -> str:
    """Return a share for a text."""
    return "–" if share is None else in_percent(share)


def restarts(one: VariantOverview) -> str:
    """Return how often the containers of a variant's pods have restarted."""
    return counted(sum(pod.restarts for pod in one.pods), "restart")


def pods_ready(one: VariantOverview) -> str:
    """Return how many pods are ready. During a rollout there are more than the Deployment wants."""
    more = len(one.pods) - one.status.desired
    return f"{one.status.ready} of {counted(one.status.desired, 'pod')} ready" + (f", {more} more" if more > 0 else "")
